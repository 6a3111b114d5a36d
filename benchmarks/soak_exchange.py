"""The exchange of a soak, in a process of its own: says its URL, then each second how many events it has sent.

    python -m benchmarks.soak_exchange RATE
"""

import asyncio
import json
import random
import sys
import time

from tests.collectors.exchange.fake_binance import SYMBOL, FakeBinance

TRADES_PER_QUOTE = 3
_KEPT = 5_000  # trades that can be asked for


def main(rate: int) -> None:
    exchange = FakeBinance().start()
    print(exchange.url, flush=True)
    while exchange.sockets < 2:
        time.sleep(0.05)
    asyncio.run_coroutine_threadsafe(_busy(exchange, rate), exchange._loop).result()


async def _busy(exchange: FakeBinance, rate: int) -> None:
    began, count, said = time.perf_counter(), 0, 0.0
    draw = random.Random(1)
    while True:
        passed = time.perf_counter() - began
        while count < passed * rate:
            count += 1
            await (_quote(exchange, draw) if count % (TRADES_PER_QUOTE + 1) == 0 else _trade(exchange, draw))
        del exchange.trades[:-_KEPT]
        if passed > said + 1:
            said = passed
            print(count, flush=True)
        await asyncio.sleep(0.005)


async def _trade(exchange: FakeBinance, draw: random.Random) -> None:
    number, now_ms = exchange._next_trade, exchange.now_ms()
    exchange._next_trade += 1
    one = {"a": number, "p": f"{draw.uniform(1999, 2001):.2f}", "q": "0.500", "f": number, "l": number, "T": now_ms, "m": True, "M": True}
    exchange.trades.append(one)
    await exchange._broadcast(f"{SYMBOL.lower()}@aggTrade", json.dumps({"e": "aggTrade", "E": now_ms, "s": SYMBOL, **one}))


async def _quote(exchange: FakeBinance, draw: random.Random) -> None:
    """Change two levels; the middle of the book moves with them."""
    bid, ask = f"{2000 - draw.randrange(1, 31)}.00", f"{2000 + draw.randrange(1, 31)}.00"
    exchange.bids[bid], exchange.asks[ask] = f"{draw.uniform(1, 3):.3f}", f"{draw.uniform(1, 3):.3f}"
    first, exchange.update_id = exchange.update_id + 1, exchange.update_id + 2
    message = {
        "e": "depthUpdate", "E": exchange.now_ms(), "s": SYMBOL, "U": first, "u": exchange.update_id,
        "b": [[bid, exchange.bids[bid]]], "a": [[ask, exchange.asks[ask]]],
    }  # fmt: skip
    await exchange._broadcast(f"{SYMBOL.lower()}@depth", json.dumps(message))


if __name__ == "__main__":
    main(int(sys.argv[1]))
