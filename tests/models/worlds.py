"""Made-up opportunities whose patterns are known, because they were planted."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from arbml.config import PatternsConfig
from arbml.dataset import Dataset, hashed
from arbml.frames import FeatureFrame
from arbml.models.patterns import Case, Detection, PatternDetector
from arbml.models.patterns.conditions import DAY_MS, HOUR_MS

START_MS = 1_704_067_200_000  # Monday, 1 January 2024
PAIR = "WETH/USDC"
ROUTES = tuple(f"buy:{a}>sell:{b} {PAIR}" for a in "abc" for b in "abc" if a != b)
CONFIG = PatternsConfig(clusters=3)
NAMES = ("x0", "x1", "x2", "hour_of_day_sin")
MARKET = ("mempool_congestion", "gas_trend")
SIGNALLING_S = 10  # seconds between two ticks of a market

Chance = Callable[["World", int, list[bool]], float]


@dataclass(frozen=True, eq=False)
class World:
    """n opportunities before anybody knows what becomes of them."""

    ts_ms: npt.NDArray[np.int64]
    route: list[str]
    X: npt.NDArray[np.float64]

    def hour(self, i: int) -> int:
        return int(self.ts_ms[i] % DAY_MS // HOUR_MS)


def world(n: int = 1500, seed: int = 0, every_s: float = 120.0) -> World:
    """Random routes and inputs at random times, `every_s` apart on average."""
    rng = np.random.default_rng(seed)
    ts_ms = START_MS + np.cumsum(rng.exponential(1000 * every_s, n)).astype(np.int64) + np.arange(n)
    return World(ts_ms, rng.choice(ROUTES, n).tolist(), rng.normal(size=(n, len(NAMES))))


def plain(_: World, __: int, ___: list[bool]) -> float:
    """Nothing matters."""
    return 0.4


def lived(made: World, chance: Chance = plain, seed: int = 0, earns: float = 10.0, label_s: float = 5.0) -> Dataset:
    """Let `chance(world, row, successes before)` decide what becomes of each opportunity."""
    draws = np.random.default_rng(seed + 1).random(len(made.ts_ms))
    won: list[bool] = []
    for i, draw in enumerate(draws.tolist()):
        won.append(draw < chance(made, i, won))
    success = np.array(won, dtype=np.float64)
    n = len(success)
    routes = pd.DataFrame({
        "route": made.route, "venues": [route.split()[0] for route in made.route], "pair": PAIR, "chain_id": np.arange(n) % 2 + 1.0,
        "token": "USDC",
    })  # fmt: skip
    profit = np.where(success > 0, earns, -2.0)
    economics = pd.DataFrame({"net_profit": np.where(np.arange(n) % 3, 5.0, -1.0), "revert_cost": 2.0, "profit": profit})
    end_ms = made.ts_ms + int(1000 * label_s)
    return hashed(
        Dataset(
            "scorer", made.X, success[:, None], made.ts_ms, end_ms, NAMES, ("success",), "fs-1", (f"a|{PAIR}",), np.zeros(n, np.int64),
            np.ones(n), economics=economics, routes=routes,
        )
    )  # fmt: skip


def ticks_of(made: World, spikes_ms: npt.NDArray[np.int64]) -> FeatureFrame:
    """Feature rows every `SIGNALLING_S`, whose gas jumps at `spikes_ms` and is quiet otherwise."""
    known_ms = np.arange(made.ts_ms[0] - 600_000, made.ts_ms[-1], 1000 * SIGNALLING_S)
    rng = np.random.default_rng(5)
    congestion = np.abs(rng.normal(0, 0.01, len(known_ms)))
    congestion[np.searchsorted(known_ms, spikes_ms)] = 0.5
    congestion[::17] = np.nan
    return pd.DataFrame({
        "ts_known_ms": known_ms, "ts_ms": known_ms, "venue": "a", "pair": PAIR, "price": 1.0,
        "mempool_congestion": congestion, "gas_trend": rng.normal(0, 0.1, len(known_ms)),
    })  # fmt: skip


def detected(ds: Dataset, features: FeatureFrame | None = None, config: PatternsConfig = CONFIG, seed: int = 0) -> Detection:
    """Run a detection."""
    return PatternDetector(config, seed).detect(ds, features)


def case(ds: Dataset, i: int) -> Case:
    """Row i as the service would see it."""
    assert ds.routes is not None
    assert ds.economics is not None
    row, pays = ds.routes.iloc[i], bool(ds.economics["net_profit"][i] > 0)
    return Case(int(ds.ts_ms[i]), row["route"], row["venues"], row["pair"], int(row["chain_id"]), pays, ds.X[i])


def with_success(ds: Dataset, success: npt.NDArray[np.float64]) -> Dataset:
    """The same opportunities with another fate."""
    assert ds.economics is not None
    return replace(ds, y=success[:, None], economics=ds.economics.assign(profit=np.where(success > 0, 10.0, -2.0)))
