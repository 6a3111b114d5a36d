"""The bot's own head: finds cycles over all pools it sees, has them judged while ML is on, and says which to send."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from arbml.bot.advisor import Advisor
from arbml.bot.desk import Desk
from arbml.bot.enhanced import EnhancedOpportunity, decided, ranked
from arbml.bot.memory import TickMemory
from arbml.bot.ml import new_request_id
from arbml.bot.soundness import TickSieve
from arbml.clock import Clock, ReplayClock, stopwatch_s
from arbml.config import BotConfig, CostsConfig
from arbml.errors import ConfigError, DataError
from arbml.market import Execution, Opportunity, Pool, PoolBook, Tick
from arbml.market.native import exchange_rate, quote_token

WINDOW = 1000         # latest questions whose waiting time is kept
MAX_JUDGED = 100_000  # requests whose outcome is awaited
MAX_DESKS = 4         # advisors that are told what became of their judgements


class Finder(Protocol):
    """What `arbml.market.cycles.CycleFinder` is."""

    def update(self, pool: Pool) -> None:
        """Take in a new pool, or the new state of one."""
        ...

    def find(
        self, tokens: Sequence[str], ts_ms: int, start_amount: float | None = None, limit: int = 10, max_age_ms: int | None = None
    ) -> list[Opportunity]:
        """Return routes that start and end in one of `tokens`, best net profit first."""
        ...


class ArbitrageOrchestrator:
    """Finds opportunities, and enhances them while ML is on. Safe to share between threads.

    With ML off, or while nobody answers, it goes on finding at the same pace: an advisor that raises, hangs or is gone costs
    at most `bot.max_wait_ms` a question, and nothing once it is known to be busy. What is decided then, `bot.without_ml` says.

    Args:
        costs: what the finder reckons with.
        bot: limits, floor, and what to do without a judgement.
        clock: for the moment of a decision and the age of pools. A `ReplayClock` is moved on by the ticks.
        advisor: who judges; ML is on from the start with one. It is initialized here, and closed by whoever made it.
        finder: of cycles; `arbml.market.cycles.CycleFinder` without it.
        stopwatch: for latencies.
        new_id: makes request ids.
    """

    def __init__(
        self,
        costs: CostsConfig,
        bot: BotConfig,
        clock: Clock,
        advisor: Advisor | None = None,
        *,
        finder: Finder | None = None,
        stopwatch: Callable[[], float] = stopwatch_s,
        new_id: Callable[[], str] = new_request_id,
    ) -> None:
        self._costs, self._bot, self._clock = costs, bot, clock
        self._finder = finder or _cycle_finder(costs, bot)
        self._stopwatch, self._new_id = stopwatch, new_id
        self._book, self._memory, self._sieve = PoolBook(), TickMemory(), TickSieve()
        self._guard = threading.Lock()      # finder, book and memory
        self._switching = threading.Lock()  # desks
        self._desk: Desk | None = None
        self._desks: list[Desk] = []
        self._judges: OrderedDict[str, Desk] = OrderedDict()  # who judged what, for its outcome
        self._held: dict[tuple[str, str], Pool] = {}
        self._on = False
        self._counts: Counter[str] = Counter()
        self._waited_ms: deque[float] = deque(maxlen=WINDOW)
        if advisor is not None:
            self.enable_ml(advisor)

    @property
    def ml_enabled(self) -> bool:
        """Whether opportunities are put to the advisor."""
        return self._on

    def enable_ml(self, advisor: Advisor | None = None) -> None:
        """Have opportunities judged from now on, by the same advisor as before if none is given. Returns at once.

        The advisor is shown all ticks that it missed, as far as they are remembered, before the first question: until then answers
        are `absent`.

        Raises:
            ConfigError: if there never was an advisor.
        """
        with self._switching:
            desk = self._desk if advisor is None else self._desk_of(advisor)
            if desk is None:
                raise ConfigError("there is no advisor to ask; pass one: enable_ml(MLOrchestrator(...)) or enable_ml(ServiceClient(...))")
            if self._desk is not None and self._desk is not desk:
                self._desk.turn_off()
            self._desk, self._on = desk, True
            desk.turn_on()

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until the advisor can be asked; false if that takes longer, or ML is off. A bot need not wait."""
        desk = self._desk if self._on else None
        return desk is not None and desk.wait_until_ready(timeout_s)

    def disable_ml(self) -> None:
        """Leave the advisor alone, but for outcomes of what it judged. What is found is decided by the rule."""
        with self._switching:
            self._on = False
            if self._desk is not None:
                self._desk.turn_off()

    def observe(self, ticks: Sequence[Tick]) -> None:
        """Take in ticks, in the order in which they became known. Late ones change no pool; impossible ones are counted."""
        with self._guard:
            replay = self._clock if isinstance(self._clock, ReplayClock) else None
            sound = self._sieve.sound(ticks, None if replay else self._clock.now_ms())
            if replay and sound:
                replay.see(max(tick.ts_known_ms for tick in sound))
            self._memory.extend(sound)
            for tick in sound:
                self._take_in(tick)
        if (desk := self._desk) is not None:
            desk.saw()

    def observe_pools(self, pools: Sequence[Pool]) -> None:
        """Take in states that a tick cannot tell, such as the liquidity curve of a v3 pool; the next tick replaces them."""
        with self._guard:
            for pool in pools:
                self._finder.update(pool)

    def find_opportunities(
        self, tokens: Sequence[str], start_amount: float | None = None, unjudged: bool = False
    ) -> list[EnhancedOpportunity]:
        """Return what there is now: what to send first, then by value.

        Args:
            tokens: routes start and end in one of them.
            start_amount: put in; the best amount of each route without it.
            unjudged: also return, at the end, what does not even pay after costs; nobody is asked about that.

        Raises:
            ConfigError: if the price of gas is unknown in one of the tokens. DataError: if `start_amount` is not positive.
        """
        now_ms = self._clock.now_ms()
        with self._guard:
            found = self._finder.find(tokens, now_ms, start_amount, self._bot.limit, self._bot.max_pool_age_ms)
        pays = [one for one in found if one.net_profit > self._bot.min_profit]
        rates = self._rates(found)
        answers = ranked(self._judged(pays), rates)
        with self._guard:
            self._counts.update(found=len(found), pays=len(pays), to_send=sum(answer.execute for answer in answers))
        if unjudged:
            left = [one for one in found if not one.net_profit > self._bot.min_profit]
            answers += ranked((decided(one, self._new_id(), None, self._bot) for one in left), rates)
        return answers

    def record_outcome(self, execution: Execution) -> None:
        """Say what became of an opportunity; also while ML is off, for what was judged before."""
        with self._guard:
            self._counts[f"outcome_{execution.result.value}"] += 1
            desk = self._judges.pop(execution.request_id, self._desk)
        if desk is not None:
            desk.tell(execution)

    def get_stats(self) -> dict[str, Any]:
        """Return figures of the bot, and those of its advisor, as plain data."""
        desk = self._desk
        waited = sorted(self._waited_ms)
        return {
            "ml_enabled": self._on,
            "pools": len(self._held),
            "ticks": {"accepted": self._counts["ticks"], "late": self._counts["late"], "refused": self._sieve.refused},
            "last_tick_refused": self._sieve.last_refusal,
            **{name: self._counts[name] for name in ("found", "pays", "asked", "to_send")},
            "outcomes": {name: self._counts[f"outcome_{name}"] for name in ("success", "failed", "reverted")},
            "waited_ms": {f"p{q}": waited[len(waited) * q // 100] if waited else None for q in (50, 95, 99)},
            "desk": desk.figures() if desk is not None else None,
            "advisor": _stats_of(desk.advisor) if desk is not None else None,
        }

    def close(self) -> None:
        """Hand over the outcomes that wait, and let the advisors go. They stay open; outcomes told after this go nowhere."""
        with self._switching:
            self._on = False
            for desk in self._desks:
                desk.close()
            self._desk = None
            self._desks.clear()

    def _desk_of(self, advisor: Advisor) -> Desk:
        for desk in self._desks:
            if desk.advisor is advisor:
                return desk
        if len(self._desks) == MAX_DESKS:  # who was replaced long ago hears no more of what became of its judgements
            gone = next(desk for desk in self._desks if desk is not self._desk)
            self._desks.remove(gone)
            with self._guard:
                self._judges = OrderedDict((name, desk) for name, desk in self._judges.items() if desk is not gone)
            gone.close(wait=False)
        self._desks.append(Desk(advisor, self._memory, self._guard, self._bot.max_wait_ms / 1000, self._stopwatch))
        return self._desks[-1]

    def _take_in(self, tick: Tick) -> None:
        stream = (tick.venue, tick.pair)
        pool = self._book.update(tick)
        if pool is self._held.get(stream):  # the book gives back what it held
            self._counts["late"] += 1
            return
        self._held[stream] = pool
        try:
            self._finder.update(pool)
            self._counts["ticks"] += 1
        except DataError as error:  # e.g. a pair of one token with itself: no reason to lose the other ticks
            self._sieve.refuse(str(error))

    def _rates(self, found: Sequence[Opportunity]) -> dict[str, float] | None:
        """What each start token is worth in one of them; None where there is only one."""
        tokens = dict.fromkeys(one.token for one in found)
        if len(tokens) < 2:
            return None
        with self._guard:
            pools = list(self._held.values())
        unit = quote_token(pools, self._costs)
        unit = unit if unit in tokens else next(iter(tokens))
        rates = {token: exchange_rate(token, unit, pools) for token in tokens}
        return {token: rate for token, rate in rates.items() if rate is not None}

    def _judged(self, pays: Sequence[Opportunity]) -> list[EnhancedOpportunity]:
        request_ids = [self._new_id() for _ in pays]
        desk = self._desk if self._on else None
        if desk is None or not pays:
            return [decided(one, request_id, None, self._bot, asked=False) for one, request_id in zip(pays, request_ids, strict=True)]
        started_s = self._stopwatch()
        predictions = desk.ask(pays, request_ids)
        waited_ms = (self._stopwatch() - started_s) * 1000
        with self._guard:
            self._waited_ms.append(waited_ms)
            self._counts["asked"] += len(pays)
            self._judges.update(dict.fromkeys(request_ids, desk))
            while len(self._judges) > MAX_JUDGED:
                self._judges.popitem(last=False)
        return [decided(*one, self._bot) for one in zip(pays, request_ids, predictions, strict=True)]


def _cycle_finder(costs: CostsConfig, bot: BotConfig) -> Finder:
    from arbml.market.cycles import CycleFinder  # compiles: not at import

    return CycleFinder(costs, bot.max_legs)


def _stats_of(advisor: Advisor) -> dict[str, Any]:
    try:
        return advisor.get_stats()
    except Exception as error:  # an advisor promises not to raise; a bot does not depend on promises
        return {"ready": False, "problems": [f"advisor_failed: {type(error).__name__}: {error}"]}
