"""Asking and listening: one coroutine for each pair, which goes on whatever the exchange does."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

from arbml.clock import Clock, stopwatch_s
from arbml.collectors.exchange.quotes import ExchangeClock
from arbml.collectors.exchange.watch import Gap, PairWatch
from arbml.market import Tick

log = logging.getLogger(__name__)

_PAGES = 10
_RECOUNT_S, _LOOK_S = 60.0, 1.0
_SMALL_PAGE = 50        # trades; an exchange whose page is smaller has no more of them
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_LIMITED = ("RateLimitExceeded", "DDoSProtection")

Emit = Callable[[list[Tick | Gap]], Awaitable[None]]


class BackOff:
    """Longer and longer pauses while an exchange does not answer, said once when it begins and once when it ends."""

    def __init__(self, watch: PairWatch, stop: asyncio.Event, first_s: float = _FIRST_PAUSE_S) -> None:
        self._watch, self._stop, self._first_s = watch, stop, first_s
        self._failures = 0

    async def failed(self, error: Exception, exchange: Any) -> None:
        """Count a failure and wait; an exchange that says how long gets that long."""
        kind = type(error).__name__  # its text names hosts and queries
        self._watch.faults[kind] += 1
        if self._failures == 0:
            log.warning("%s: %s; asking again until it answers", self._watch.stream, kind)
        self._failures = min(self._failures + 1, 10)
        pause_s = min(self._first_s * 2 ** (self._failures - 1), _LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
        if kind in _LIMITED:
            pause_s = max(pause_s, _asked_pause_s(exchange))
        await resting(self._stop, pause_s)

    def worked(self) -> None:
        """Start over."""
        if self._failures:
            log.warning("%s: answers again", self._watch.stream)
        self._failures = 0


def _asked_pause_s(exchange: Any) -> float:
    headers = getattr(exchange, "last_response_headers", None) or {}
    wanted = next((value for name, value in headers.items() if str(name).lower() == "retry-after"), "")
    return min(float(wanted), 600.0) if str(wanted).isdecimal() else 0.0


async def resting(stop: asyncio.Event, seconds: float) -> None:
    """Wait, or less if it is time to stop."""
    try:
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))
    except TimeoutError:
        return


async def catch_up(exchange: Any, watch: PairWatch) -> None:
    """Ask for the trades since the last known one, page by page as long as there are new ones."""
    tape = watch.tape
    if not exchange.has.get("fetchTrades"):
        return
    if tape.last_ms is None:
        tape.begin(await exchange.fetch_trades(watch.pair))
        return
    await _fetch_since(exchange, watch, tape.last_ms)


async def _fetch_since(exchange: Any, watch: PairWatch, since_ms: int) -> None:
    """Ask for the trades since a time on the exchange's clock."""
    for _ in range(_PAGES):
        # some give only what is later than asked; no limit is asked for: each exchange refuses other ones
        trades = await exchange.fetch_trades(watch.pair, since_ms - 1)
        full = len(trades) >= max(_SMALL_PAGE, watch.largest_page)
        watch.largest_page = max(watch.largest_page, len(trades))
        watch.tape.add(trades)
        newest_ms = max((int(trade["timestamp"]) for trade in trades if trade.get("timestamp")), default=since_ms)
        if not full or newest_ms <= since_ms:
            return
        since_ms = newest_ms


async def poll(exchange: Any, watch: PairWatch, interval_s: float, emit: Emit, stop: asyncio.Event) -> None:
    """Ask for trades and order book each `interval_s`; a round that is late is left out."""
    back_off = BackOff(watch, stop, min(_FIRST_PAUSE_S, interval_s))
    due_s = stopwatch_s()
    while not stop.is_set():
        try:
            await catch_up(exchange, watch)
            book = await exchange.fetch_order_book(watch.pair, watch.levels)
            found = watch.quoted(book)
        except Exception as error:  # whatever an exchange sends: garbage raises what it likes inside ccxt
            await back_off.failed(error, exchange)
            continue
        back_off.worked()
        await emit(found)
        due_s = max(due_s + interval_s, stopwatch_s())
        await resting(stop, due_s - stopwatch_s())


class SocketDeaf(Exception):
    """A message broke the library's receiver: the socket stays open, and nothing comes through it any more."""


class Deafness:
    """Tells all streams of an event loop when a callback of a library has failed: nobody else hears of that.

    >>> async def noticed() -> bool:
    ...     deafness = Deafness(asyncio.get_running_loop())
    ...     asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    ...     await asyncio.wait_for(deafness.struck.wait(), 5)
    ...     return True
    >>> asyncio.run(noticed())
    True
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.struck = asyncio.Event()  # the next time that it happens; another one after each
        loop.set_exception_handler(self._strike)

    def _strike(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.debug("exchange feeds: a callback failed: %s", type(context.get("exception")).__name__)
        if "callback" in str(context.get("message", "")):
            struck, self.struck = self.struck, asyncio.Event()
            struck.set()


async def stream(
    exchange: Any, watch: PairWatch, silence_s: float, emit: Emit, stop: asyncio.Event, deafness: Deafness
) -> None:
    """Listen to order book and trades; after an error, or `silence_s` without a quote, connect anew and catch up."""
    back_off = BackOff(watch, stop)
    while not stop.is_set():
        listening: list[asyncio.Task[None]] = []
        try:
            await catch_up(exchange, watch)
            listening = [
                asyncio.create_task(_books(exchange, watch, silence_s, emit, back_off)), asyncio.create_task(_trades(exchange, watch)),
                asyncio.create_task(_until(stop)), asyncio.create_task(_deaf(deafness.struck)),
                asyncio.create_task(_recount(exchange, watch)),
            ]  # fmt: skip
            done, _ = await asyncio.wait(listening, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Exception as error:
            if not stop.is_set():
                await _disconnect(exchange)
                await back_off.failed(error, exchange)
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _deaf(struck: asyncio.Event) -> None:
    await struck.wait()
    raise SocketDeaf


async def _recount(exchange: Any, watch: PairWatch) -> None:
    """Ask for what was missed, and for the latest trades: their socket may be silent because nobody trades, or because it is dead."""
    due_s, asked_ms = stopwatch_s() + _RECOUNT_S, None
    while True:
        await asyncio.sleep(_LOOK_S)
        hole_ms = watch.tape.hole_ms
        if hole_ms is not None and hole_ms != asked_ms:
            await _fetch_since(exchange, watch, hole_ms)
        asked_ms = hole_ms
        if stopwatch_s() >= due_s:
            await catch_up(exchange, watch)
            due_s = stopwatch_s() + _RECOUNT_S


async def _books(exchange: Any, watch: PairWatch, silence_s: float, emit: Emit, back_off: BackOff) -> None:
    while True:
        book = await asyncio.wait_for(exchange.watch_order_book(watch.pair, watch.levels), silence_s)
        back_off.worked()
        await emit(watch.quoted(book))


async def _trades(exchange: Any, watch: PairWatch) -> None:
    while True:
        watch.tape.add(await exchange.watch_trades(watch.pair))


async def _disconnect(exchange: Any) -> None:
    """Close the sockets of the exchange; the next `watch_` opens them again. Books are thrown away: they have missed updates."""
    for client in list(exchange.clients.values()):
        try:
            await asyncio.wait_for(client.close(), 5)
        except Exception as error:  # it is thrown away either way
            log.debug("closing a socket: %s", type(error).__name__)
    exchange.clients.clear()
    exchange.orderbooks.clear()


async def keep_time(exchange: Any, exchange_clock: ExchangeClock, clock: Clock, stop: asyncio.Event, every_s: float) -> None:
    """Compare the exchange's clock with ours every so often."""
    while not stop.is_set():
        await resting(stop, every_s)
        await compare_clocks(exchange, exchange_clock, clock)


async def compare_clocks(exchange: Any, exchange_clock: ExchangeClock, clock: Clock) -> None:
    """Ask an exchange what time it is; one that does not say keeps its last offset."""
    if not exchange.has.get("fetchTime"):
        return
    try:
        for whole in (False, True):
            sent_ms = clock.now_ms()
            server_ms = int(await exchange.fetch_time())
            if whole or server_ms % 1000:
                break  # one whole second may be chance, two are not
        exchange_clock.measured(sent_ms, server_ms, clock.now_ms(), whole=server_ms % 1000 == 0)
    except Exception as error:
        log.debug("%s does not say what time it is: %s", exchange.id, type(error).__name__)
