"""One pair on one exchange: from what the exchange says to ticks, and to the gaps between them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arbml.clock import Clock, iso
from arbml.collectors.data_collector.records import Places
from arbml.collectors.exchange.quotes import BAND_BPS, ExchangeClock, quote_of
from arbml.collectors.exchange.tape import TradeTape
from arbml.market import Tick

SETTLE_MS = 5000


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in what was collected, in the shape of an alert that is over: it cannot be mended any more.

    Attributes:
        kind: "quotes_missing" (value: seconds of silence, threshold: seconds allowed) or "trades_missing" (value: how many).
        subject: "venue|PAIR". ts_ms: when the hole began. ts_known_ms, resolved_ms: when it was noticed, at its end.
    """

    kind: str
    subject: str
    ts_ms: int
    ts_known_ms: int
    message: str
    value: float
    threshold: float
    resolved_ms: int
    severity: str = "warning"


class PairWatch:
    """State of one pair: its trades since the last tick, and when the last quote came.

    Args:
        venue: name of the exchange. pair: "BASE/QUOTE". fee_bps: taker fee, None where the exchange does not say.
        silence_ms: time without a quote above which there is a gap.
        clock: ours. exchange_clock: shared by the pairs of the exchange.
        levels: of the order book that are asked for; None for as many as come unasked.

    Attributes:
        faults: failed requests and unusable answers, by name. largest_page: most trades that one answer held.
    """

    def __init__(
        self, venue: str, pair: str, fee_bps: float | None, silence_ms: int, clock: Clock, exchange_clock: ExchangeClock,
        levels: int | None = None,
    ) -> None:
        self.venue, self.pair, self.levels = venue, pair, levels
        self.tape = TradeTape()
        self.faults: Counter[str] = Counter()
        self.largest_page = 0
        self._fee_bps, self._silence_ms = fee_bps, silence_ms
        self._clock, self._exchange_clock = clock, exchange_clock
        self._places = Places(1000)
        self._last_ms: int | None = None  # our time of the last quote
        self._last: Tick | None = None
        self._holes_since_ms: int | None = None

    @property
    def stream(self) -> str:
        """Name of the series, venue|PAIR."""
        return f"{self.venue}|{self.pair}"

    def quoted(self, book: Mapping[str, Any]) -> list[Tick | Gap]:
        """Take in an order book; return the tick that it makes, after the gaps that it ends. Nothing if it says nothing new."""
        quote, now_ms = quote_of(book), self._clock.now_ms()
        if quote is None:
            self.faults["unusable order book"] += 1
            return []
        if quote.cut:
            self.faults[f"order book ends within {BAND_BPS:g} bps"] += 1
        found: list[Tick | Gap] = list(self._gaps(now_ms))
        first, self._last_ms = self._last_ms is None, now_ms
        volume = self.tape.take()
        last = self._last
        if last is not None and volume == 0 and (quote.price, quote.liquidity) == (last.price, last.liquidity) and quote.ts_ms is not None:
            return found  # a stream says so ten times a second; a poll, whose books carry no time, says it each time
        happened_ms = self._exchange_clock.event_ms(quote.ts_ms, now_ms)
        tick = Tick(
            happened_ms, self.venue, self.pair, quote.price, now_ms, fee_bps=self._fee_bps, volume=None if first else volume,
            liquidity=quote.liquidity, log_index=self._places.next(self.pair, happened_ms),
        )
        self._last = tick
        return [*found, tick]

    def _gaps(self, now_ms: int) -> list[Gap]:
        gaps = []
        if self._last_ms is not None and now_ms - self._last_ms > self._silence_ms:
            silent_s = (now_ms - self._last_ms) / 1000
            message = f"{self.stream}: no quotes for {silent_s:.1f} s up to {iso(now_ms)}"
            gaps.append(
                Gap("quotes_missing", self.stream, self._last_ms, now_ms, message, silent_s, self._silence_ms / 1000, now_ms)
            )
        if not self.tape.missing():
            self._holes_since_ms = None
        elif self._holes_since_ms is None:
            self._holes_since_ms = now_ms  # a trade may come late
        elif now_ms - self._holes_since_ms >= SETTLE_MS:
            since_ms, count = self._holes_since_ms, self.tape.forgive()
            self._holes_since_ms = None
            message = f"{self.stream}: {count} trades before {iso(now_ms)} were never seen; their volume is missing"
            gaps.append(Gap("trades_missing", self.stream, since_ms, now_ms, message, float(count), 0.0, now_ms))
        return gaps
