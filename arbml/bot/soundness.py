"""Which ticks the service would take: the limits of its schema on all that counts, without building one: a bot sees millions."""

import re
from collections.abc import Iterable, Sequence

from arbml.bot.requests import to_tick
from arbml.errors import InvalidRequest
from arbml.market import Tick

_VENUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:@/()+-]{0,63}")
_PAIR = re.compile(r"[A-Za-z0-9.$_-]{1,32}/[A-Za-z0-9.$_-]{1,32}")
_EARLIEST_MS, _LATEST_MS = 1_000_000_000_000, 10_000_000_000_000
MAX_AHEAD_MS = 60_000  # clocks differ; a tick farther ahead would make all true ones late


class TickSieve:
    """Lets sound ticks through, and remembers how many were not, and why the last one was not.

    Names are checked once for each stream. Not for several threads at a time.
    """

    def __init__(self) -> None:
        self._named: set[tuple[str, str]] = set()
        self.refused = 0
        self.last_refusal = ""

    def sound(self, ticks: Iterable[Tick], now_ms: int | None) -> Sequence[Tick]:
        """Return the ticks that can be.

        Args:
            ticks: in any order.
            now_ms: nothing happens more than MAX_AHEAD_MS after it; None where the ticks themselves are the clock.
        """
        latest_ms = _LATEST_MS - 1 if now_ms is None else now_ms + MAX_AHEAD_MS
        kept = []
        for tick in ticks:
            if self._fits(tick) and tick.ts_ms <= latest_ms:
                kept.append(tick)
            else:
                self.refuse(_why(tick, latest_ms))
        return kept

    def refuse(self, why: str) -> None:
        """Count a tick that is none."""
        self.refused += 1
        self.last_refusal = why

    def _fits(self, tick: Tick) -> bool:
        try:
            return self._known(tick.venue, tick.pair) and _in_range(tick)
        except TypeError:  # None or text where a number belongs
            return False

    def _known(self, venue: str, pair: str) -> bool:
        if (venue, pair) in self._named:
            return True
        if _VENUE.fullmatch(venue) is None or _PAIR.fullmatch(pair) is None:
            return False
        self._named.add((venue, pair))
        return True


def _in_range(tick: Tick) -> bool:
    base, quote = tick.reserve_base, tick.reserve_quote
    return (
        1e-15 <= tick.price <= 1e15
        and _EARLIEST_MS <= tick.ts_ms <= tick.ts_known_ms < _LATEST_MS
        and 0 <= tick.log_index < 2**53
        and (tick.fee_bps is None or 0.0 <= tick.fee_bps < 10_000.0)
        and (base is None) is (quote is None)
        and (base is None or 1e-12 <= base <= 1e21)
        and (quote is None or 1e-12 <= quote <= 1e21)
        and (tick.gas_price_gwei is None or 0.0 <= tick.gas_price_gwei <= 1e9)
        and (tick.liquidity is None or 0.0 <= tick.liquidity <= 1e21)
        and (tick.volume is None or 0.0 <= tick.volume <= 1e21)
    )


def _why(tick: Tick, latest_ms: int) -> str:
    try:
        to_tick(tick)
    except InvalidRequest as error:
        return f"{tick.venue} {tick.pair}: {error}"
    if tick.ts_ms > latest_ms:
        ahead_s = (tick.ts_ms - latest_ms + MAX_AHEAD_MS) / 1000
        return f"{tick.venue} {tick.pair}: ts_ms is {ahead_s:.0f} s ahead of this clock; times are UTC"
    return f"{tick.venue} {tick.pair}: {tick.price!r} at {tick.ts_ms!r} cannot be"
