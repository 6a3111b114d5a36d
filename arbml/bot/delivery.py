"""Ticks and outcomes on their way to the service: kept while it is gone, sent again in order. No network; see `arbml.bot.link`.

Sending twice does no harm: the service ignores a tick that it has, and an outcome that it has is a duplicate to it. So what
was sent is taken off only when the service said that it took it in; and a service that was started anew, which knows the
market of its build only, is shown again what its features look back on.
"""

import logging
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from arbml.bot.advisor import AbsentCode
from arbml.bot.backlog import Backlog
from arbml.bot.link import Fault, Link, Refusal, Send, Talk
from arbml.bot.reading import Seen, read_seen, read_settled
from arbml.bot.requests import to_json, to_outcome
from arbml.bot.soundness import TickSieve
from arbml.clock import Clock
from arbml.config import ClientConfig
from arbml.market import Execution, Tick

log = logging.getLogger(__name__)

MAX_TICKS = 1000   # in one request
FIRST_TICKS = 250  # grows while the service is quick, shrinks while it is late
MIN_TICKS = 25
MAX_REFUSED = 10   # ticks of one request refused one by one, before it is given up as a whole
MAX_BREAKS = 3     # times that the service may break down over the same ticks or outcome
_TICK_FIELDS = (
    "ts_ms", "venue", "pair", "price", "ts_known_ms", "fee_bps", "volume", "liquidity", "gas_price_gwei", "reserve_base",
    "reserve_quote", "log_index",
)  # fmt: skip
MEMORY_MS = 1_200_000  # twice the longest lookback of a feature: from there on, a start does not show in any of them
_TICK_PLACE = re.compile(r"ticks\[(\d+)\]")


class Delivery:
    """Two queues, each sent in order, by one sender at a time.

    Args:
        link: to the service.
        config: sizes of the queues, time-out.
        clock: ticks far ahead of it are refused.
        stopwatch: s.
    """

    def __init__(self, link: Link, config: ClientConfig, clock: Clock, stopwatch: Callable[[], float]) -> None:
        self.ticks: Backlog[Tick] = Backlog(config.tick_buffer)
        self.outcomes: Backlog[tuple[str, bytes]] = Backlog(config.outcome_buffer)
        self.counts: Counter[str] = Counter()
        self.last_refusal = ""
        self._link = link
        self._quick_s = config.timeout_ms / 4000
        self._clock = clock
        self._stopwatch = stopwatch
        self._sieve = TickSieve()
        self._sieving = threading.Lock()
        self._at_once = FIRST_TICKS
        self._shown: deque[Tick] = deque(maxlen=config.tick_buffer)
        self._instance = ""
        self._breaks: Counter[tuple[str, int]] = Counter()

    def take(self, ticks: Sequence[Tick]) -> str:
        """Queue ticks; return why the last one that cannot be is left out, "" if all can."""
        with self._sieving:
            before = self._sieve.refused
            self.ticks.put(self._sieve.sound(ticks, self._clock.now_ms()))
            refused = self._sieve.refused - before
            self.counts["ticks_refused"] += refused
            if refused:
                self.last_refusal = self._sieve.last_refusal
        return self.last_refusal if refused else ""

    def note(self, execution: Execution) -> None:
        """Queue an outcome. Raises InvalidRequest if it is none that the service takes."""
        body = orjson.dumps(to_json(to_outcome(execution)))
        self.outcomes.put([(execution.request_id, body)])

    def send_ticks(self, deadline_s: float, until: int | None = None) -> Talk[Fault | None]:
        """Send what is queued, up to number `until`; return why not all of it could be sent."""
        until = self.ticks.end if until is None else until
        while self.ticks.first < until:
            if (fault := self._link.left_alone() or self._late(deadline_s)) is not None:
                return fault
            number, chunk = self.ticks.head(self._at_once)
            fault = yield from self._send_chunk(number, chunk, deadline_s)
            if fault is not None:
                return fault
        return None

    def behind(self, until: int) -> Fault | None:
        """Return that the service lacks ticks before number `until`, None if it has them all."""
        return self._owing() if self.ticks.first < until else None

    def send_outcomes(self, deadline_s: float, force: bool = False) -> Talk[dict[str, Refusal]]:
        """Send what is queued, as far as it goes; return what was refused, by request id.

        Args:
            deadline_s: on the stopwatch.
            force: also while the service is left alone, for the last try before closing.
        """
        refused: dict[str, Refusal] = {}
        while self.outcomes and self._late(deadline_s) is None and (force or self._link.left_alone() is None):
            number, [(request_id, body)] = self.outcomes.head(1)
            told = yield from self._link.ask(Send("/outcome", body, deadline_s), read_settled, force)
            if isinstance(told, Fault):
                if not self._broke_down("outcome", number, told):
                    break
                self.lose("outcomes_lost", 1, f"outcome of '{request_id}': {told.detail}")
            elif isinstance(told, Refusal):
                refused[request_id] = told
                kind = "outcomes_conflicting" if told.status == 409 else "outcomes_refused"
                self.lose(kind, 1, f"outcome of '{request_id}': {told.reason}")
            else:
                joined, duplicate = told
                self.counts["outcomes_sent"] += 1
                self.counts["outcomes_duplicate"] += duplicate
                self.counts["outcomes_joined"] += joined
            self.outcomes.done(number + 1)
        return refused

    def lose(self, kind: str, n: int, why: str) -> None:
        """Count what will not be sent, and say why."""
        self.counts[kind] += n
        self.last_refusal = why
        log.warning("%s: %s", kind.replace("_", " "), why)

    def _send_chunk(self, number: int, chunk: list[Tick], deadline_s: float) -> Talk[Fault | None]:
        """Send ticks and take them off; those that the service refuses are left out."""
        left, refused = chunk, 0
        while left:
            started_s = self._stopwatch()
            told = yield from self._link.ask(Send("/observe", _body(left, self._instance), deadline_s), read_seen)
            if isinstance(told, Fault):
                if told.code is AbsentCode.SERVICE_LATE:
                    self._at_once = max(MIN_TICKS, len(left) // 2)
                if not self._broke_down("ticks", number, told):
                    return told
                self.lose("ticks_lost", len(left), f"{len(left)} ticks: {told.detail}")
                break
            if not isinstance(told, Refusal):
                self._took_in(left, told, started_s)
                break
            if self._instance and told.field == "instance":
                self._show_again()
                return None
            refused += 1
            place = _TICK_PLACE.match(told.field)
            if told.status == 413 and len(left) > 1:
                self._at_once = len(left) // 2
                return None  # nothing is taken off; the next request is smaller
            if place is None or int(place[1]) >= len(left) or refused > MAX_REFUSED:
                self.lose("ticks_refused", len(left), f"{len(left)} ticks: {told.reason}")
                break
            self.lose("ticks_refused", 1, told.reason)
            left = [tick for i, tick in enumerate(left) if i != int(place[1])]
        self.ticks.done(number + len(chunk))
        return None

    def _took_in(self, sent: Sequence[Tick], seen: Seen, started_s: float) -> None:
        self.counts["ticks_sent"] += len(sent)
        self.counts["ticks_accepted"] += seen.accepted
        self.counts["ticks_late"] += seen.late
        if len(sent) >= self._at_once and self._stopwatch() - started_s < self._quick_s:
            self._at_once = min(MAX_TICKS, 2 * self._at_once)
        self._instance = seen.instance
        self._shown.extend(sent)
        oldest_ms = sent[-1].ts_ms - MEMORY_MS
        while self._shown and self._shown[0].ts_ms < oldest_ms:
            self._shown.popleft()

    def _show_again(self) -> None:
        """Queue what the service was shown before it was started anew, in front of what it was not."""
        log.warning("the service was started anew; it is shown the last %d ticks again", len(self._shown))
        self._instance = ""
        self.counts["ticks_again"] += len(self._shown)
        self.ticks.put_back(list(self._shown))
        self._shown.clear()

    def _broke_down(self, kind: str, number: int, fault: Fault) -> bool:
        """Whether the service broke down over the same thing often enough to leave it out, so that the rest gets through."""
        if fault.status != 500:
            return False
        self._breaks[kind, number] += 1
        if self._breaks[kind, number] < MAX_BREAKS:
            return False
        del self._breaks[kind, number]
        return True

    def _late(self, deadline_s: float) -> Fault | None:
        return None if self._stopwatch() < deadline_s else self._owing()

    def _owing(self) -> Fault:
        text = f"{len(self.ticks)} ticks are still to be sent, so that it knows an old market only"
        return Fault(AbsentCode.SERVICE_LATE, text)


def _body(ticks: Sequence[Tick], instance: str) -> bytes:
    rows: list[dict[str, Any]] = [
        {name: value for name in _TICK_FIELDS if (value := getattr(tick, name)) is not None} for tick in ticks
    ]
    return orjson.dumps({"ticks": rows, **({"instance": instance} if instance else {})}, option=orjson.OPT_SERIALIZE_NUMPY)
