"""The service over HTTP, for a bot on asyncio. What is said and decided is in `arbml.bot.session`, as for the blocking client."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from arbml.bot.enhanced import EnhancedOpportunity, decided
from arbml.bot.link import Talk
from arbml.bot.ml import new_request_id
from arbml.bot.session import CATCH_UP, Session
from arbml.bot.wire import AsyncWire
from arbml.clock import Clock, SystemClock, stopwatch_s
from arbml.config import BotConfig, ClientConfig
from arbml.market import Execution, Opportunity, Prediction, Tick

T = TypeVar("T")


class AsyncServiceClient:
    """`ServiceClient` with `await`: the same promises, the same arguments. For one event loop; its tasks may share it.

    A task that is cancelled while it waits loses nothing: what was not confirmed is sent again.
    """

    def __init__(
        self,
        config: ClientConfig | None = None,
        bot: BotConfig | None = None,
        *,
        strict: bool = False,
        clock: Clock | None = None,
        stopwatch: Callable[[], float] = stopwatch_s,
    ) -> None:
        config = config or ClientConfig()
        self._bot = bot or BotConfig()
        self._session = Session(config, clock or SystemClock(), stopwatch, strict)
        self._stopwatch = stopwatch
        self._wire = AsyncWire(config, stopwatch)
        self._turn = asyncio.Lock()  # ticks and outcomes leave in order: one sender at a time

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def initialize(self) -> None:
        """As `ServiceClient.initialize`."""
        self._session.begin()
        await self._hold(self._session.greet())

    async def observe(self, ticks: Sequence[Tick]) -> None:
        """As `ServiceClient.observe`."""
        session, deadline_s = self._session, self._session.deadline_s()
        try:
            session.take(ticks)
        finally:
            async with self._in_turn(deadline_s) as mine:
                if mine:
                    await self._hold(session.delivery.send_ticks(deadline_s))
                    await self._hold(session.delivery.send_outcomes(min(deadline_s, session.deadline_s(CATCH_UP))))

    async def enhance_opportunity(self, opportunity: Opportunity, request_id: str | None = None) -> EnhancedOpportunity:
        """As `ServiceClient.enhance_opportunity`."""
        request_id = request_id or new_request_id()
        return decided(opportunity, request_id, (await self.enhance_opportunities([opportunity], [request_id]))[0], self._bot)

    async def enhance_opportunities(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str]) -> list[Prediction]:
        """As `ServiceClient.enhance_opportunities`."""
        session, started_s, deadline_s = self._session, self._stopwatch(), self._session.deadline_s()
        questions, until = list(zip(opportunities, request_ids, strict=True)), session.delivery.ticks.end
        if questions and session.delivery.ticks.first < until:
            async with self._in_turn(deadline_s) as mine:
                if mine:
                    await self._hold(session.delivery.send_ticks(deadline_s, until))
        return await self._hold(session.judge(questions, deadline_s, started_s, session.delivery.behind(until)))

    async def record_outcome(self, execution: Execution) -> None:
        """As `ServiceClient.record_outcome`."""
        session, deadline_s = self._session, self._session.deadline_s()
        session.note(execution)
        async with self._in_turn(deadline_s) as mine:
            if mine:
                await self._hold(session.settle(execution.request_id, deadline_s))

    def get_stats(self) -> dict[str, Any]:
        """As `ServiceClient.get_stats`."""
        return self._session.stats()

    async def service_stats(self) -> dict[str, Any]:
        """As `ServiceClient.service_stats`."""
        return await self._hold(self._session.figures())

    async def close(self) -> None:
        """As `ServiceClient.close`."""
        deadline_s = self._session.drain_deadline_s()
        if self._session.open:
            async with self._in_turn(deadline_s) as mine:
                if mine:
                    await self._hold(self._session.drain(deadline_s))
        self._session.end()
        await self._wire.close()

    async def _hold(self, talk: Talk[T]) -> T:
        """Have a conversation: do what it yields, tell it what came of it, until it is over."""
        try:
            send = next(talk)
            while True:
                send = talk.send(await self._wire.post(send))
        except StopIteration as over:
            return over.value
        finally:
            talk.close()

    @asynccontextmanager
    async def _in_turn(self, deadline_s: float) -> AsyncIterator[bool]:
        """Whether it is this task's turn, and nothing is closed."""
        mine = self._session.open and await self._acquired(self._session.left_s(deadline_s))
        try:
            yield mine
        finally:
            if mine:
                self._turn.release()

    async def _acquired(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                return await self._turn.acquire()
        except TimeoutError:
            return False
