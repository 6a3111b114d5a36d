"""What a strategy sees."""

from typing import Any

from arbml.backtest import buffers as sizes
from arbml.backtest.buffers import Buffers
from arbml.backtest.strategy import History
from arbml.errors import DataError
from arbml.market import UNKNOWN_FEE_BPS, Pool

PRICE, FEE, VOLUME, LIQUIDITY, GAS, RESERVE_BASE, RESERVE_QUOTE, CHAIN = range(sizes.N_VALUES)  # as in `scan`


class MarketView:
    """The market as known now, with what the bot's own trades did to it (implements `strategy.View`).

    It holds no part of the recording: its buffers have as many streams as were seen, and only ticks that are known were
    ever written into them. What it hands out are copies. (A strategy that goes through the interpreter's own heap or
    stack finds what the process holds; that is not reached from here.)

    Args:
        token: of the routes.
        buffers: what the event loop writes.
    """

    def __init__(self, token: str, buffers: Buffers) -> None:
        self._token, self._buffers = token, buffers
        self._now_ms, self._free, self._in_flight = 0, 0.0, 0
        self._built: dict[int, tuple[int, Pool]] = {}
        self._members: dict[str, tuple[int, tuple[int, ...]]] = {}

    @property
    def now_ms(self) -> int:
        """The moment of the decision, UTC ms."""
        return self._now_ms

    @property
    def token(self) -> str:
        """What routes start and end in."""
        return self._token

    @property
    def free_capital(self) -> float:
        """What is not in flight, token."""
        return self._free

    @property
    def in_flight(self) -> int:
        """Orders sent whose outcome is not known yet."""
        return self._in_flight

    @property
    def pairs(self) -> tuple[str, ...]:
        """Pairs seen so far, sorted."""
        return tuple(sorted(self._buffers.pairs))

    @property
    def streams(self) -> tuple[str, ...]:
        """Names "venue|PAIR" of the streams seen so far, sorted."""
        return tuple(sorted(self._buffers.names))

    def pools(self, pair: str, max_age_ms: int | None = None) -> list[Pool]:
        """Return the states of a pair by venue name, without those that happened more than `max_age_ms` ago."""
        pools = [self._pool(stream) for stream in self._streams_of(pair)]
        return [pool for pool in pools if max_age_ms is None or pool.ts_ms >= self._now_ms - max_age_ms]

    def history(self, stream: str, n: int) -> History:
        """Return the last `n` ticks of a stream, fewer if there were fewer.

        Raises:
            DataError: if the stream was not seen yet, or `n` is more than is kept.
        """
        kept = self._buffers
        if stream not in kept.names:
            raise DataError(f"no tick of '{stream}' is known; there are {', '.join(self.streams) or 'none at all'}")
        if not 0 <= n <= sizes.HISTORY:
            raise DataError(f"the history of '{stream}' has at most {sizes.HISTORY} ticks, {n} were asked for")
        number = kept.names.index(stream)
        count = int(kept.count[number])
        rows = [i % sizes.HISTORY for i in range(max(0, count - n), count)]
        ms, values = kept.ring_ms[number, rows], kept.ring[number, rows]
        columns = (values[:, k].copy() for k in (PRICE, VOLUME, GAS, RESERVE_BASE, RESERVE_QUOTE))
        return History(ms[:, 0].copy(), ms[:, 1].copy(), *columns)

    def show(self, now_ms: int, free: float, in_flight: int) -> None:
        """Move to a moment; the engine does."""
        self._now_ms, self._free, self._in_flight = now_ms, free, in_flight

    def _streams_of(self, pair: str) -> tuple[int, ...]:
        """Numbers of the streams of a pair, by name."""
        names = self._buffers.names
        at, members = self._members.get(pair, (0, ()))
        if at != len(names):
            members = tuple(sorted((k for k, name in enumerate(names) if name.partition("|")[2] == pair), key=names.__getitem__))
            self._members[pair] = (len(names), members)
        return members

    def _pool(self, stream: int) -> Pool:
        count = int(self._buffers.count[stream])
        built = self._built.get(stream)
        if built is not None and built[0] == count:
            return built[1]
        place = (count - 1) % sizes.HISTORY
        venue, _, pair = self._buffers.names[stream].partition("|")
        ts_ms, known_ms = self._buffers.ring_ms[stream, place].tolist()
        values: list[Any] = [None if value != value else value for value in self._buffers.ring[stream, place].tolist()]
        pool = Pool(
            venue=venue,
            pair=pair,
            price=values[PRICE],
            fee_bps=UNKNOWN_FEE_BPS if values[FEE] is None else values[FEE],
            ts_ms=ts_ms,
            ts_known_ms=known_ms,
            reserve_base=values[RESERVE_BASE],
            reserve_quote=values[RESERVE_QUOTE],
            liquidity=values[LIQUIDITY],
            gas_price_gwei=values[GAS],
            chain_id=None if values[CHAIN] is None else int(values[CHAIN]),
        )
        self._built[stream] = (count, pool)
        return pool
