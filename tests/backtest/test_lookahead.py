"""Nothing that a strategy can reach from what it is given tells it of the future."""

import gc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arbml.backtest import Backtester, BacktestResult, Order, RuleStrategy, View, Wake
from arbml.config import BacktestConfig, changed
from arbml.errors import DataError
from arbml.frames import TickFrame
from arbml.market import Execution, Tick, best_opportunity
from tests.backtest.markets import COSTS, PLAIN, START_MS, Scripted, found, two_venues, walk

FULL = changed(PLAIN, competitors_per_minute=2.0, impact_half_life_s=60.0, priority_gwei=1.0)


def reachable(thing: object, seen: set[int], depth: int = 12) -> Iterator[object]:
    """Everything that attributes (private ones too), items and the bases of arrays lead to."""
    if id(thing) in seen or depth == 0 or isinstance(thing, type(gc) | type | str | int | float | bool | None):
        return
    seen.add(id(thing))
    yield thing
    inner: list[object] = []
    if isinstance(thing, dict):
        inner += [*thing.keys(), *thing.values()]
    elif isinstance(thing, list | tuple | set | frozenset):
        inner += list(thing)
    elif isinstance(thing, np.ndarray):
        inner.append(thing.base)
    else:
        if hasattr(thing, "__self__"):
            inner.append(thing.__self__)
        inner += list(getattr(thing, "__dict__", {}).values())
        slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        inner += [getattr(thing, name) for name in slots if hasattr(thing, name)]
    for one in inner:
        yield from reachable(one, seen, depth - 1)


class Clairvoyant:
    """Looks everywhere for a time or a price that is not known yet, and would trade on it.

    The prices of its market are the seconds at which they happen, so a price from the future gives itself away.
    """

    name, wakes, listens = "clairvoyant", Wake.ALL, True

    def __init__(self, latest_ms: int) -> None:
        self.latest_ms, self.looked, self.caught = latest_ms, 0, []  # type: ignore[var-annotated]

    def start(self, view: View) -> None:
        self.view, self.given = view, []  # type: ignore[var-annotated]
        self._look(view.now_ms)

    def observe(self, ticks: Sequence[Tick]) -> None:
        self.given = [ticks]

    def decide(self, now_ms: int) -> list[Order]:
        self._look(now_ms)
        return [Order(f"o{now_ms}", best)] if (best := found(self.view)) is not None else []

    def settle(self, execution: Execution) -> None:
        self.given.append(execution)

    def _look(self, now_ms: int) -> None:
        view = self.view
        public: list[Any] = [getattr(view, name) for name in dir(view) if not name.startswith("__")]
        public += [view.pools(pair) for pair in view.pairs] + [view.history(stream, 500) for stream in view.streams]
        for thing in reachable([view, public, self.given], set()):
            assert not isinstance(thing, pd.DataFrame), "no frame is ever in reach"
            if isinstance(thing, np.ndarray):
                self.looked += 1
                if thing.size and thing.dtype.kind in "if":
                    self._check(float(np.nanmax(thing, initial=0.0)), now_ms)
            for value in getattr(thing, "__dict__", {}).values():
                if isinstance(value, int | float):
                    self._check(value, now_ms)
            if isinstance(thing, Tick | Execution):
                self._check(thing.ts_known_ms, now_ms)

    def _check(self, value: float, now_ms: int) -> None:
        seconds = (now_ms - START_MS) / 1000
        if START_MS < value <= self.latest_ms and value > now_ms:
            self.caught.append((now_ms, value))
        if 1e6 + seconds < value <= 1e6 + 1e5:  # a price that comes later
            self.caught.append((now_ms, value))


def telling(n: int = 120) -> TickFrame:
    """Venue a asks its own second (above a million), b bids a little more; both are known half a second later."""
    ticks = two_venues(*((float(2 * i), 1e6 + 2 * i, (1e6 + 2 * i) * 1.002) for i in range(n)))
    late = ticks.assign(ts_known_ms=ticks["ts_ms"] + 500, price=np.where(ticks["venue"] == "b", ticks["price"] + 1e6, ticks["price"]))
    third = late[late["venue"] == "a"].tail(n // 2).assign(venue="newcomer")
    return pd.concat([late, third], ignore_index=True)


def test_a_clairvoyant_finds_nothing_of_the_future() -> None:
    ticks = telling()
    strategy = Clairvoyant(int(ticks["ts_known_ms"].max()))
    result = Backtester(COSTS, FULL).run(ticks, strategy)
    assert strategy.looked > 1_000
    assert result.counts["sent"] > 10
    assert strategy.caught == []


def test_the_look_would_find_it() -> None:
    """The same search over something that does hold the recording."""
    ticks = telling()
    strategy = Clairvoyant(int(ticks["ts_known_ms"].max()))
    strategy.start(Scripted(lambda view, now_ms: []).__class__.__new__(_Leaky))  # type: ignore[arg-type]
    strategy.view.column = ticks["ts_ms"].to_numpy()[:1]  # type: ignore[attr-defined]
    strategy._look(START_MS)
    assert strategy.caught


class _Leaky:
    """A view that hands out slices of everything."""

    now_ms, pairs, streams = START_MS, (), ()


def test_what_is_handed_out_is_a_copy() -> None:
    kept: list[Any] = []

    def send(view: View, now_ms: int) -> list[Order]:
        history = view.history("a|WETH/USDC", 10)
        for values in (history.ts_ms, history.ts_known_ms, history.price, history.volume, history.reserve_base):
            assert values.base is None
            assert values.flags.owndata
        kept.append((history.price.copy(), history.price))
        history.price[:] = -1.0  # vandalism changes nothing
        return []

    Backtester(COSTS, PLAIN).run(telling(), Scripted(send))
    assert [len(before) for before, _ in kept[:12]] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]
    assert all((before > 0).all() and (after == -1.0).all() for before, after in kept)


def test_views_show_what_is_known_and_no_stream_to_come() -> None:
    ticks, seen = telling(), []  # type: ignore[var-annotated]
    known = ticks.set_index("ts_known_ms").sort_index()

    def send(view: View, now_ms: int) -> list[Order]:
        past = known.loc[:now_ms]
        assert set(view.streams) == set(past["venue"] + "|" + past["pair"])
        assert view.pairs == ("WETH/USDC",)
        for pool in view.pools("WETH/USDC"):
            newest = past[past["venue"] == pool.venue].iloc[-1]
            assert (pool.price, pool.ts_ms) == (newest["price"], newest["ts_ms"])
        seen.append(now_ms)
        return []

    Backtester(COSTS, PLAIN).run(ticks, Scripted(send))
    assert len(seen) == 120


def test_views_refuse_what_they_have_not_got() -> None:
    def send(view: View, now_ms: int) -> list[Order]:
        with pytest.raises(DataError, match=r"no tick of 'newcomer\|WETH/USDC' is known; there are a\|WETH/USDC, b\|WETH/USDC"):
            view.history("newcomer|WETH/USDC", 1)
        with pytest.raises(DataError, match="at most 1024 ticks, 1025 were asked for"):
            view.history("a|WETH/USDC", 1025)
        assert view.history("a|WETH/USDC", 0).price.size == 0
        assert view.pools("WBTC/USDC") == []
        return []

    Backtester(COSTS, PLAIN).run(two_venues((0, 2000.0, 2020.0), (4, 2000.0, 2020.0)), Scripted(send))


def before(result: BacktestResult, ts_ms: int) -> str:
    """Everything decided, settled and booked before a time."""
    entries, equity = result.ledger.entries, result.equity.iloc[:-1]
    return str([
        result.trades[result.trades["known_ms"] < ts_ms].drop(columns=[]).to_dict("records"),
        entries[entries["ts_ms"] < ts_ms].to_dict("records"), equity[equity["ts_ms"] < ts_ms].to_dict("records"),
    ])  # fmt: skip


@pytest.mark.parametrize("config", [FULL, BacktestConfig(max_open=3, gas="average"), BacktestConfig(inventory=20_000.0, max_open=2)])
@pytest.mark.parametrize("at", [0.3, 0.8])
def test_the_future_changes_nothing_before_it(config: BacktestConfig, at: float) -> None:
    ticks = walk(steps=500, latency_ms=1_900)  # some have happened and are not known yet at each moment
    cut_ms = int(ticks["ts_known_ms"].quantile(at))
    past, future = ticks[ticks["ts_known_ms"] < cut_ms], ticks[ticks["ts_known_ms"] >= cut_ms]
    other = future.assign(price=future["price"] * 1.5, reserve_base=future["reserve_base"] / 1.5, gas_price_gwei=1.0)
    strangers = future.head(50).assign(venue="stranger")
    runs = [
        before(Backtester(COSTS, config).run(frame, RuleStrategy(COSTS)), cut_ms)
        for frame in (ticks, past, pd.concat([past, other]), pd.concat([past, strangers, future]))
    ]
    assert len(runs[0]) > 1_000
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_knowing_the_winner_would_pay() -> None:
    """The market of the tests is one in which foresight gains, so that its absence means something."""
    ticks = walk(steps=500)
    honest = Backtester(COSTS, PLAIN).run(ticks, RuleStrategy(COSTS))
    won = set(honest.trades.loc[honest.trades["result"] == "success", "request_id"])

    def send(view: View, now_ms: int) -> list[Order]:
        best = best_opportunity(view.pools("WETH/USDC", 600_000), COSTS, now_ms)
        return [Order(best.id, best)] if best is not None and best.id in won else []

    assert Backtester(COSTS, PLAIN).run(ticks, Scripted(send)).net_profit > honest.net_profit
