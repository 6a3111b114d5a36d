"""Prices of centralised exchanges, as a source of ticks."""

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from arbml.clock import Clock, SystemClock
from arbml.collectors.exchange.feeds import Deafness, compare_clocks, keep_time, poll, stream
from arbml.collectors.exchange.opening import book_levels, exchange_class, open_exchange
from arbml.collectors.exchange.quotes import ExchangeClock
from arbml.collectors.exchange.watch import Gap, PairWatch
from arbml.errors import ArbmlError, SourceError, TransientError
from arbml.frames import ExecutionFrame, TickFrame, ticks_to_frame
from arbml.market import Tick

log = logging.getLogger(__name__)

Mode = Literal["poll", "stream"]
WAITING = 10_000        # ticks between the feeds and whoever stores them
_CLOCKS_EVERY_S = 300.0
_START_TRIES = 3


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """What is collected, and how.

    Attributes:
        exchanges: ccxt names; each is a venue. pairs: "BASE/QUOTE".
        mode: poll asks each `interval_ms`; stream listens to websockets, and gives a tick whenever quote or volume change.
        interval_ms: between two rounds of asking. for_s: end after so many seconds; None goes on until stopped.
        silence_s: time without a quote that is recorded as a gap; a stream then connects anew.
        url: asked instead of the exchanges' own hosts.
    """

    exchanges: tuple[str, ...]
    pairs: tuple[str, ...]
    mode: Mode = "poll"
    interval_ms: int = 5000
    for_s: float | None = None
    silence_s: float = 30.0
    url: str | None = field(default=None, repr=False)  # may carry a token


class ExchangeCollector:
    """A live `Collector`: polling or streaming quotes, depth and volume through ccxt.

    A tick's price is the middle of best bid and best ask, its volume what was traded since the tick before (quote), its
    liquidity the quote depth within 50 bps on the thinner side, its fee the taker fee of the market.

    Args:
        settings: what and how.
        clock: gives the time of knowing.

    Attributes:
        watches: one for each exchange and pair, with its faults; empty before `ticks`.

    Raises:
        ConfigError: if ccxt is not installed, or does not know an exchange; nothing was asked yet.
    """

    total = None

    def __init__(self, settings: ExchangeSettings, clock: Clock | None = None) -> None:
        for exchange in settings.exchanges:
            exchange_class(exchange, settings.mode == "stream")
        self._settings = settings
        self._clock = clock or SystemClock()
        self._found: queue.Queue[Tick | Gap] = queue.Queue(WAITING)
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deafness: Deafness | None = None
        self._error: Exception | None = None
        self._gaps: list[Gap] = []
        self.watches: list[PairWatch] = []

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"ccxt {','.join(self._settings.exchanges)} {','.join(self._settings.pairs)}"

    def ticks(self) -> Iterator[TickFrame]:
        """Yield ticks as they come, in small frames; ends after `for_s`, or when the generator is closed.

        Raises:
            SourceError: if an exchange does not have a pair, or refuses us. TransientError: if one cannot be reached at all.
        """
        ready = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="exchange-feeds", daemon=True)
        self._error = None
        thread.start()
        ready.wait()
        try:
            while True:
                alive = thread.is_alive()
                ticks = self._waiting()
                if ticks:
                    yield ticks_to_frame(ticks)
                elif not alive:
                    break
        finally:
            self._end()
            thread.join(15)
        if self._error is not None:
            raise self._error

    def executions(self) -> Iterator[ExecutionFrame]:
        """Yield nothing: an exchange knows nothing of what the bot did."""
        return iter(())

    def gaps(self) -> list[Gap]:
        """Return the gaps noticed since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each pair that had faults."""
        return tuple(
            f"{watch.stream}: " + ", ".join(f"{count} x {kind}" for kind, count in sorted(watch.faults.items()))
            for watch in self.watches if watch.faults
        )

    def _waiting(self) -> list[Tick]:
        """Return the ticks that have come, after waiting a moment for the first."""
        found: list[Tick | Gap] = []
        try:
            found.append(self._found.get(timeout=0.1))
            while True:
                found.append(self._found.get_nowait())
        except queue.Empty:
            self._gaps += [one for one in found if isinstance(one, Gap)]
        return [one for one in found if isinstance(one, Tick)]

    def _end(self) -> None:
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _run(self, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._deafness = Deafness(self._loop)
        ready.set()
        settings = self._settings
        opened: list[Any] = []
        tasks: list[asyncio.Task[None]] = []
        self.watches = []
        try:
            opened += [open_exchange(name, settings.mode == "stream", settings.url) for name in settings.exchanges]
            feeds = [await self._prepare(exchange) for exchange in opened]
            for exchange, exchange_clock, watches in feeds:
                tasks.append(asyncio.create_task(keep_time(exchange, exchange_clock, self._clock, self._stop, _CLOCKS_EVERY_S)))
                tasks += [asyncio.create_task(self._feed(exchange, watch)) for watch in watches]
            await asyncio.wait_for(self._stop.wait(), settings.for_s)
        except TimeoutError:
            self._stop.set()
        except Exception as error:
            self._error = error if isinstance(error, ArbmlError) else TransientError(f"exchanges: unexpected {type(error).__name__}")
            log.debug("exchange feeds ended: %s", type(error).__name__)  # texts and traces of ccxt name whole URLs
        self._stop.set()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(exchange.close() for exchange in opened), return_exceptions=True)

    def _feed(self, exchange: Any, watch: PairWatch) -> Any:
        assert self._stop is not None
        assert self._deafness is not None
        if self._settings.mode == "stream":
            return stream(exchange, watch, self._settings.silence_s, self._emit, self._stop, self._deafness)
        return poll(exchange, watch, self._settings.interval_ms / 1000, self._emit, self._stop)

    async def _emit(self, found: list[Tick | Gap]) -> None:
        """Hand on; while nobody takes, the feed waits, and the exchange is asked for less."""
        for one in found:
            while True:
                try:
                    self._found.put_nowait(one)
                    break
                except queue.Full:
                    assert self._stop is not None
                    if self._stop.is_set():
                        return
                    await asyncio.sleep(0.05)

    async def _prepare(self, exchange: Any) -> tuple[Any, ExchangeClock, list[PairWatch]]:
        await _load_markets(exchange)
        for pair in self._settings.pairs:
            if pair not in exchange.markets:
                raise SourceError(f"{exchange.id} has no pair {pair}; {_other_pairs(pair, list(exchange.markets))}")
        exchange_clock = ExchangeClock()
        await compare_clocks(exchange, exchange_clock, self._clock)
        silence_ms = max(round(self._settings.silence_s * 1000), 3 * self._settings.interval_ms if self._settings.mode == "poll" else 0)
        watches = [
            PairWatch(
                exchange.id, pair, _fee_bps(exchange.markets[pair]), silence_ms, self._clock, exchange_clock, book_levels(exchange.id)
            )
            for pair in self._settings.pairs
        ]
        self.watches += watches
        return exchange, exchange_clock, watches


async def _load_markets(exchange: Any) -> None:
    """Learn what an exchange trades.

    Raises:
        SourceError: if it refuses us. TransientError: if it does not answer sensibly after some tries.
    """
    for left in reversed(range(_START_TRIES)):
        try:
            await exchange.load_markets()
            return
        except Exception as error:
            kinds = {kind.__name__ for kind in type(error).__mro__}
            if kinds & {"AuthenticationError", "PermissionDenied", "NotSupported"}:
                raise SourceError(f"{exchange.id} refuses us ({type(error).__name__}); it may not serve this place") from None
            if not left:
                reason = f"{exchange.id} does not answer ({type(error).__name__})"
                raise TransientError(f"{reason}; check the connection, and the exchange's status page") from None
            await asyncio.sleep(1.0)


def _other_pairs(pair: str, symbols: list[str]) -> str:
    """Return what may have been meant: the spot pairs of the same base, or those that are spelt alike."""
    spot = sorted(symbol for symbol in symbols if ":" not in symbol)
    same_base = [symbol for symbol in spot if symbol.partition("/")[0] == pair.upper().partition("/")[0]]
    if same_base:
        return f"it has {', '.join(get_close_matches(pair.upper(), same_base, 5, 0))}"
    alike = get_close_matches(pair.upper(), spot, 3)
    return f"did you mean {' or '.join(alike)}?" if alike else f"none of its {len(spot)} pairs is like it"


def _fee_bps(market: Any) -> float | None:
    taker = market.get("taker")
    return None if taker is None else float(taker) * 1e4
