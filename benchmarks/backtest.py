"""The backtest beside hftbacktest: the event loop without decisions on the same ticks, then with decisions of a rule."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from hftbacktest.types import BUY_EVENT, DEPTH_EVENT, EXCH_EVENT, LOCAL_EVENT, SELL_EVENT, event_dtype
from numba import njit

from arbml.backtest import Backtester, Order, RuleStrategy, Tape, View, Wake, make_tape
from arbml.backtest.bot_strategy import BotStrategy
from arbml.collectors.simulator import Simulator, SimulatorConfig
from arbml.config import BacktestConfig, Config, CostsConfig
from arbml.dataset import opportunity_dataset
from arbml.features import compute_features
from arbml.frames import TICKS, TickFrame
from arbml.market import Execution, Tick
from arbml.models import OpportunityScorer
from arbml.serving import write_bundle
from benchmarks.figures import Figure, median_seconds

FEES_BPS = (5.0, 30.0, 30.0, 10.0)
VENUES = tuple(f"venue{v}" for v in range(len(FEES_BPS)))
STEP_MS, LATENCY_MS = 1_000, 250
TICK_SIZE = 0.01
PEER = "hftbacktest"
# speed is measured here, not skill: a few successes are enough for a forest of full size
BOT = Config.model_validate({"scorer": {"min_samples": 10, "min_positive": 2}, "bot": {"without_ml": "hold"}})


class Silent:
    """Hears nothing and sends nothing."""

    name, wakes, listens = "silent", Wake.NONE, False

    def start(self, view: View) -> None:
        pass

    def observe(self, ticks: Sequence[Tick]) -> None:
        pass

    def decide(self, now_ms: int) -> list[Order]:
        return []

    def settle(self, execution: Execution) -> None:
        pass


class Listening(Silent):
    """Is given every tick and asked at every moment, and sends nothing: what the interface costs."""

    name, wakes, listens = "listening", Wake.ALL, True


def run(rows: int = 1_000_000, decided: int = 100_000, repeats: int = 3, hours: float = 6.0) -> list[Figure]:
    """Measure the loop on `rows` ticks, runs with decisions on `decided` of them, the bot on simulated `hours`."""
    costs, config = CostsConfig(), BacktestConfig(step_ms=STEP_MS)
    backtester, ticks = Backtester(costs, config), _ticks(rows)
    tape, part = make_tape(ticks), make_tape(ticks.head(decided))
    backtester.run(part, Silent())  # compiled, or loaded, before the clock starts
    peer = _Peer(ticks)
    peer.edges()  # the same for the peer
    ours, theirs = median_seconds(repeats, lambda: backtester.run(tape, Silent()), peer.edges)
    moments = backtester.run(tape, Silent()).n_moments
    whole, = median_seconds(1, lambda: backtester.run(ticks, Silent()))
    figures = [
        Figure(
            "event loop without decisions", rows / ours, "ticks/s", PEER, rows / theirs,
            f"{rows:,} ticks of {len(VENUES)} venues, {moments:,} moments at which all are compared after fees; data prepared before. "
            "The peer needs four depth events for a tick, and keeps books and a matching engine that pools do not need",
        ),
        Figure("the same with checking and sorting the frame", rows / whole, "ticks/s", note="`make_tape` does it once for many runs"),
    ]  # fmt: skip
    figures += [_decided(name, backtester, part, make, note) for name, make, note in (
        ("run with decisions of the rule", lambda: RuleStrategy(costs), "woken where there is an edge after fees"),
        ("run that hands over every tick", Listening, "asked at every moment, sends nothing"),
    )]  # fmt: skip
    return [*figures, _bot(hours)]


def _decided(name: str, backtester: Backtester, tape: Tape, make: Callable[[], Any], note: str) -> Figure:
    result = backtester.run(tape, make())
    taken, = median_seconds(1, lambda: backtester.run(tape, make()))
    size = f"{len(tape):,} ticks, {result.n_moments:,} moments, {result.counts['sent']:,} orders"
    return Figure(name, len(tape) / taken, "ticks/s", note=f"{size}; {note}")


@dataclass(frozen=True)
class _OneBundle:
    """The same bundle all the time."""

    path: Path

    def stage(self, now_ms: int) -> int:
        return 1

    def bundle(self, now_ms: int, kinds: Sequence[str]) -> Path:
        return self.path

    def trainings(self, now_ms: int) -> tuple[()]:
        return ()


def _bot(hours: float) -> Figure:
    """The bot with its scorer over the last quarter of a simulated market, everything but training in the time."""
    simulator = Simulator(SimulatorConfig(seed=1, hours=hours), BOT.costs)
    ticks = pd.concat(list(simulator.ticks()), ignore_index=True)
    executions = pd.concat(list(simulator.executions()), ignore_index=True)
    before, later = ticks.head(len(ticks) * 3 // 4), make_tape(ticks.tail(len(ticks) // 4))
    known = opportunity_dataset(before, compute_features(before), executions, BOT.costs, BOT.scorer)
    scorer, n = OpportunityScorer(BOT.scorer, BOT.training), len(known)
    scorer.fit(known.take(np.arange(n * 3 // 4)), known.take(np.arange(n * 3 // 4, n)))
    with tempfile.TemporaryDirectory(prefix="arbml-bench-") as folder:
        scorer.save(Path(folder) / "scorer")
        bundle = write_bundle({"scorer": Path(folder) / "scorer"}, {}, BOT, before, Path(folder) / "bundle", versions={"scorer": "1"})
        bots: list[BotStrategy] = []

        def make() -> BotStrategy:
            bots.append(BotStrategy("bot", BOT, bundles=_OneBundle(bundle), kinds=("scorer",)))
            return bots[-1]

        backtester = Backtester(BOT.costs, BOT.backtest)
        figure = _decided("run of the bot with its scorer", backtester, later, make, "features, finder, forest, all as live")
        judged = len(bots[-1].decisions)
        for bot in bots:
            bot.close()
    return replace(figure, note=f"{figure.note}; {judged:,} opportunities found")


class _Peer:
    """The same market as order books of one level: the price less and plus the fee of each venue."""

    def __init__(self, ticks: TickFrame) -> None:
        # hftbacktest reads the arrays in place and does not keep them alive
        self._events = [_events(ticks[ticks["venue"] == venue], fee) for venue, fee in zip(VENUES, FEES_BPS, strict=True)]

    def edges(self) -> int:
        """Step through the whole recording and compare the venues after each second; return how often there was an edge."""
        assets = [
            BacktestAsset().data(events).linear_asset(1.0).constant_order_latency(1_000_000, 1_000_000).risk_adverse_queue_model()
            .no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0).tick_size(TICK_SIZE).lot_size(1.0).last_trades_capacity(0)
            for events in self._events
        ]  # fmt: skip
        return int(_elapse(HashMapMarketDepthBacktest(assets), len(VENUES), STEP_MS * 1_000_000))


@njit  # type: ignore[untyped-decorator]
def _elapse(market: Any, venues: int, step_ns: int) -> int:
    edges = 0
    while market.elapse(step_ns) == 0:
        bid, ask = 0.0, np.inf
        for venue in range(venues):
            depth = market.depth(venue)
            bid, ask = max(bid, depth.best_bid), min(ask, depth.best_ask)
        edges += bid > ask
    return edges


def _events(ticks: TickFrame, fee_bps: float) -> "np.typing.NDArray[Any]":
    """Four events for a tick: the old bid and ask go, the new ones come."""
    n, price = len(ticks), ticks["price"].to_numpy()
    events = np.zeros(4 * n, event_dtype)
    for k, (side, factor) in enumerate(((BUY_EVENT, 1 - fee_bps / 1e4), (SELL_EVENT, 1 + fee_bps / 1e4))):
        level = np.round(price * factor / TICK_SIZE) * TICK_SIZE
        for place, (levels, quantity) in enumerate(((np.r_[level[0], level[:-1]], 0.0), (level, 1.0))):
            part = events[2 * place + k :: 4]
            part["ev"] = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT | side
            part["exch_ts"], part["local_ts"] = ticks["ts_ms"] * 1_000_000, ticks["ts_known_ms"] * 1_000_000
            part["px"], part["qty"] = levels, quantity
    return events


def _ticks(rows: int) -> TickFrame:
    """Each venue one tick each two seconds, around one price; with an edge at some moments."""
    rng = np.random.default_rng(0)
    number = np.arange(rows)
    venue, step = number % len(VENUES), number // len(VENUES)
    ts_ms = 1_700_000_000_000 + 2_000 * step + 500 * venue
    price = 2_000 * np.exp(np.cumsum(rng.normal(0, 3e-5, rows)) + rng.normal(0, 1e-3, rows))
    depth = 1e6 * (1.0 + venue)
    return TICKS.check(pd.DataFrame({
        "ts_ms": ts_ms, "ts_known_ms": ts_ms + LATENCY_MS, "venue": np.array(VENUES, dtype=object)[venue], "pair": "WETH/USDC",
        "price": price, "fee_bps": np.array(FEES_BPS)[venue], "gas_price_gwei": rng.gamma(20.0, 0.1, rows),
        "reserve_quote": depth, "reserve_base": depth / price,
    }))  # fmt: skip
