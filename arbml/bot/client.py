"""The service over HTTP, for a bot that waits for its answers. What is said and decided is in `arbml.bot.session`."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from arbml.bot.enhanced import EnhancedOpportunity, decided
from arbml.bot.link import Talk
from arbml.bot.ml import new_request_id
from arbml.bot.session import CATCH_UP, Session
from arbml.bot.wire import Wire
from arbml.clock import Clock, SystemClock, stopwatch_s
from arbml.config import BotConfig, ClientConfig
from arbml.market import Execution, Opportunity, Prediction, Tick

T = TypeVar("T")


class ServiceClient:
    """Judges by asking the service; an `Advisor`. Safe to share between threads.

    No call lasts longer than `config.timeout_ms`, tries and waiting for other threads included, and none raises because the
    service is gone, late or broken: its answers are `absent` then, at once while the breaker is open. Ticks and outcomes
    that could not be sent are kept and go out in order with later calls, so that the service catches up when it is back;
    until it has all ticks it is not asked, as it would judge on an old market.

    Args:
        config: where the service is, and how long to wait.
        bot: how `enhance_opportunity` decides.
        strict: raise InvalidRequest or RequestConflict for what the service refuses, naming the field, instead of an absent
            answer with the reason `refused`. For development: a wrong request is the caller's fault, not the service's.
        clock: for ticks that are ahead of their time.
        stopwatch: for deadlines, s.
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
        self._wire = Wire(config, stopwatch)
        self._turn = threading.Lock()  # ticks and outcomes leave in order: one sender at a time

    def __enter__(self) -> Self:
        self.initialize()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def initialize(self) -> None:
        """Begin, and ask who is there. A service that is not there yet may come later."""
        self._session.begin()
        self._hold(self._session.greet())

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Send ticks, in the order in which they became known; kept and sent later where it cannot be now."""
        session, deadline_s = self._session, self._session.deadline_s()
        try:
            session.take(ticks)
        finally:
            with self._in_turn(deadline_s) as mine:
                if mine:
                    self._hold(session.delivery.send_ticks(deadline_s))
                    self._hold(session.delivery.send_outcomes(min(deadline_s, session.deadline_s(CATCH_UP))))

    def enhance_opportunity(self, opportunity: Opportunity, request_id: str | None = None) -> EnhancedOpportunity:
        """Judge one opportunity, and decide on it by the bot section of the configuration."""
        request_id = request_id or new_request_id()
        return decided(opportunity, request_id, self.enhance_opportunities([opportunity], [request_id])[0], self._bot)

    def enhance_opportunities(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str]) -> list[Prediction]:
        """Judge opportunities, in requests of at most 100, each on one market state; see `Advisor`."""
        session, started_s, deadline_s = self._session, self._stopwatch(), self._session.deadline_s()
        questions, until = list(zip(opportunities, request_ids, strict=True)), session.delivery.ticks.end
        if questions and session.delivery.ticks.first < until:
            with self._in_turn(deadline_s) as mine:
                if mine:
                    self._hold(session.delivery.send_ticks(deadline_s, until))
        return self._hold(session.judge(questions, deadline_s, started_s, session.delivery.behind(until)))

    def record_outcome(self, execution: Execution) -> None:
        """Tell what became of an opportunity; kept and sent later where it cannot be now."""
        session, deadline_s = self._session, self._session.deadline_s()
        session.note(execution)
        with self._in_turn(deadline_s) as mine:
            if mine:
                self._hold(session.settle(execution.request_id, deadline_s))

    def get_stats(self) -> dict[str, Any]:
        """Return what happened so far, as plain data; asks nobody."""
        return self._session.stats()

    def service_stats(self) -> dict[str, Any]:
        """Return the service's own figures, {} if it does not answer."""
        return self._hold(self._session.figures())

    def close(self) -> None:
        """Send the outcomes that are left, for at most `config.drain_ms`, and let go of the connections."""
        deadline_s = self._session.drain_deadline_s()
        if self._session.open:
            with self._in_turn(deadline_s) as mine:
                if mine:
                    self._hold(self._session.drain(deadline_s))
        self._session.end()
        self._wire.close()

    def _hold(self, talk: Talk[T]) -> T:
        """Have a conversation: do what it yields, tell it what came of it, until it is over."""
        try:
            send = next(talk)
            while True:
                send = talk.send(self._wire.post(send))
        except StopIteration as over:
            return over.value
        finally:
            talk.close()

    @contextmanager
    def _in_turn(self, deadline_s: float) -> Iterator[bool]:
        """Whether it is this thread's turn, and nothing is closed."""
        mine = self._session.open and self._turn.acquire(timeout=self._session.left_s(deadline_s))
        try:
            yield mine
        finally:
            if mine:
                self._turn.release()
