"""A small market, tiny but real ONNX models, and a predictor over them on a clock and a stopwatch that tests move."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from arbml.clock import FixedClock
from arbml.config import Config
from arbml.dataset import Dataset, hashed
from arbml.features import FEATURE_NAMES, SCORER_FEATURE_NAMES, feature_set_id
from arbml.frames import TickFrame, ticks_to_frame
from arbml.market import Tick
from arbml.models import BaseRate, RealizedVolatility, ZeroChange
from arbml.models.base import ONNX, ModelMeta, writing
from arbml.models.calibration import Calibration
from arbml.models.scaler import ColumnScale, InputScaler
from arbml.serving import Bundle, Journal, Ledger, OpportunityRequest, Predictor, write_bundle
from arbml.serving.requests import parse

NOW_MS = 1_704_412_800_000
PAIR = "WETH/USDC"
EDGE_BPS = 60.0
LENGTH = 12
HORIZONS_S = (5, 10, 15, 30)
CONFIG = Config.model_validate(
    {"lstm": {"sequence_length": LENGTH}, "volatility": {"window_minutes": 1}, "costs": {"gas_units_base": 10_000}}
)


def market(now_ms: int = NOW_MS, n: int = 300, edge_bps: float = EDGE_BPS, step_ms: int = 5000, seed: int = 0) -> list[Tick]:
    """Two pools of one pair, "cheap" and "dear", whose last tick is at `now_ms`."""
    rng = np.random.default_rng(seed)
    price, ticks = 2000.0, []
    for i in range(n):
        price *= float(np.exp(rng.normal(0, 2e-4)))
        ts_ms = now_ms - (n - 1 - i) * step_ms
        for venue, shift in (("cheap", 0.0), ("dear", edge_bps / 1e4)):
            ticks.append(tick(ts_ms, venue, price * float(np.exp(shift + rng.normal(0, 1e-5)))))
    return ticks


def tick(ts_ms: int, venue: str, price: float, **changes: Any) -> Tick:
    """One tick of a deep pool with a fee of 5 bps."""
    fields: dict[str, Any] = {"fee_bps": 5.0, "gas_price_gwei": 1.0, "volume": 100.0, "reserve_quote": 1e7, "reserve_base": 1e7 / price}
    return Tick(ts_ms=ts_ms, venue=venue, pair=PAIR, price=price, **{"ts_known_ms": ts_ms, **fields, **changes})


def opportunity(**changes: Any) -> dict[str, Any]:
    """A request that buys on "cheap" and sells on "dear", as JSON data."""
    return {"pair": PAIR, "legs": [{"venue": "cheap", "side": "buy"}, {"venue": "dear", "side": "sell"}], **changes}


def ask(**changes: Any) -> OpportunityRequest:
    """The same as a checked request."""
    return parse(OpportunityRequest, opportunity(**changes))


def save_scorer(directory: Path, high: float = 1e3, feature_set: str = "") -> Path:
    """P(success) = sigmoid(0.05 x net profit in bps); inputs up to `high` were seen in training."""
    from onnx import TensorProto, helper

    kept = ("momentum_1m", "route_edge_bps", "route_net_bps")
    columns = {name: ColumnScale(0.0, 1.0, -1e3, high) for name in kept}
    scaler = InputScaler(SCORER_FEATURE_NAMES, columns, {n: "constant" for n in SCORER_FEATURE_NAMES if n not in kept}, clip=1e4)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["yes"]),
        helper.make_node("Sub", ["one", "yes"], ["no"]),
        helper.make_node("Concat", ["no", "yes"], ["probabilities"], axis=1),
    ]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, [3, 1], [0.0, 0.0, 0.05]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    ]
    onnx = _onnx(nodes, constants, ["n", 3], "probabilities", ["n", 2])
    calibration = Calibration("isotonic", 10_000, x=(0.0, 1.0), y=(0.0, 1.0))
    params = {"scaler": scaler.to_dict(), "calibration": calibration.to_dict(), "threshold": 0.7, "importance": {}}
    return _save(directory, "scorer", "OpportunityScorer", SCORER_FEATURE_NAMES, params, onnx, feature_set)


def save_lstm(directory: Path) -> Path:
    """Log-returns of (-10, 1, 12) bps at every horizon, plus nothing of the input: a network all the same."""
    from onnx import TensorProto, helper

    columns = {"momentum_1m": ColumnScale(0.0, 1.0, -1e3, 1e3)}
    scaler = InputScaler(FEATURE_NAMES, columns, {n: "constant" for n in FEATURE_NAMES if n != "momentum_1m"})
    quantiles = [-1.0, 0.1, 1.2] * len(HORIZONS_S)
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "quantiles"], ["y"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        helper.make_tensor("zero", TensorProto.FLOAT, [1, len(quantiles)], [0.0] * len(quantiles)),
        helper.make_tensor("quantiles", TensorProto.FLOAT, [len(quantiles)], quantiles),
    ]
    onnx = _onnx(nodes, constants, ["n", LENGTH, 1], "y", ["n", len(quantiles)])
    params = {
        "sequence_length": LENGTH, "scaler": scaler.to_dict(), "horizons_s": list(HORIZONS_S), "quantiles": [0.05, 0.5, 0.95],
        "target_scale": [1e-3] * len(HORIZONS_S), "conformal": [[1.0, 1.0]] * len(HORIZONS_S),
    }  # fmt: skip
    return _save(directory, "lstm", "LSTMPredictor", FEATURE_NAMES, params, onnx)


def volatility_data(n: int = 600, step_s: int = 5, window_s: int = 60) -> Dataset:
    """Bars of "cheap" up to now."""
    rng = np.random.default_rng(1)
    bars = window_s // step_s
    returns = rng.normal(0, 2e-4, n + bars)
    future = np.array([np.square(returns[i + 1 : i + 1 + bars]).sum() for i in range(n)])
    ts_ms = NOW_MS - (n - 1 - np.arange(n, dtype=np.int64)) * step_s * 1000
    return hashed(
        Dataset(
            "volatility", returns[:n, None], future[:, None], ts_ms, ts_ms + window_s * 1000, ("log_return",),
            (f"realized_variance_{window_s}s",), feature_set_id(), (f"cheap|{PAIR}",), ts_ms * 0, np.full(n, 2000.0), step_s=step_s,
        )
    )  # fmt: skip


def save_volatility(directory: Path) -> Path:
    """A fitted GARCH(1,1)."""
    from arbml.models import VolatilityPredictor

    data = volatility_data()
    model = VolatilityPredictor(CONFIG.volatility)
    model.fit(data.take(np.arange(500)), data.take(np.arange(500, 600)))
    model.save(directory)
    return directory


def save_baselines(root: Path, successes: int = 24) -> dict[str, Path]:
    """Zero change, realized volatility, and a base rate of (successes + 1) / 100."""
    rng = np.random.default_rng(2)
    n = 98
    ts_ms = NOW_MS - np.arange(n, dtype=np.int64)[::-1]
    X = rng.normal(size=(n, len(SCORER_FEATURE_NAMES)))
    shared: tuple[Any, ...] = (feature_set_id(), (f"cheap|{PAIR}",), ts_ms * 0, np.ones(n))
    won = (np.arange(n) < successes).astype(float)[:, None]
    moves = rng.normal(0, 1e-3, (n, len(HORIZONS_S)))
    names = tuple(f"log_return_{h}s" for h in HORIZONS_S)
    data = {
        "scorer": Dataset("scorer", X, won, ts_ms, ts_ms, SCORER_FEATURE_NAMES, ("success",), *shared),
        "lstm": Dataset("lstm", X[:, : len(FEATURE_NAMES)], moves, ts_ms, ts_ms, FEATURE_NAMES, names, *shared),
        "volatility": volatility_data(),
    }
    fitted: dict[str, Any] = {"scorer": BaseRate(), "lstm": ZeroChange(), "volatility": RealizedVolatility(CONFIG.volatility)}
    for kind, model in fitted.items():
        last = len(data[kind]) - 20
        model.fit(data[kind].take(np.arange(last)), data[kind].take(np.arange(last, last + 20)))
        model.save(root / kind)
    return {kind: root / kind for kind in fitted}


def save_models(root: Path) -> dict[str, Path]:
    """One of each kind."""
    return {
        "scorer": save_scorer(root / "scorer"),
        "lstm": save_lstm(root / "lstm"),
        "volatility": save_volatility(root / "volatility"),
    }


@dataclass(frozen=True)
class Trained:
    """Directories of models and baselines by kind, made once for all tests."""

    models: dict[str, Path]
    baselines: dict[str, Path]


class Stopwatch:
    """Seconds that pass only when told, or by `step` at each look."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.step_s = 0.0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


@dataclass
class Kit:
    """Makes predictors under one folder."""

    root: Path
    trained: Trained
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW_MS))
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    journals: list[Journal] = field(default_factory=list)

    def bundle(
        self,
        models: Mapping[str, Path | None] | None = None,
        baselines: Mapping[str, Path] | None = None,
        config: Config = CONFIG,
        ticks: list[Tick] | None = None,
    ) -> Path:
        """Write a bundle: one model and baseline of each kind without arguments."""
        found = self.trained.models if models is None else models
        stand_in = self.trained.baselines if baselines is None else baselines
        frame: TickFrame = ticks_to_frame(market() if ticks is None else ticks)
        versions = dict.fromkeys(found, "7")
        return write_bundle(found, stand_in, config, frame, self.root / "bundle", versions=versions, coverage={5: 0.91}, clock=self.clock)

    def predictor(self, bundle: Path | None = None, config: Config = CONFIG, warm: bool = True) -> Predictor:
        """A predictor over a bundle, with its own journal under the root."""
        loaded = Bundle.load(bundle or self.bundle())
        journal = Journal.open(self.root / "home" / "journal")
        self.journals.append(journal)
        predictor = Predictor(loaded, config, Ledger(journal), self.clock, self.stopwatch)
        if warm:
            predictor.warm_up()
        return predictor

    def restart(self) -> None:
        """Let go of the journal lanes, as the end of the process would."""
        while self.journals:
            self.journals.pop().close()


def lines(journal: Journal) -> list[dict[str, Any]]:
    """What the journal holds, as plain data."""
    return [json.loads(line) for _, line in journal.lines()]


def with_costs(**changes: Any) -> Config:
    """The kit's configuration with other costs."""
    return Config.model_validate({**CONFIG.model_dump(), "costs": {**CONFIG.costs.model_dump(), **changes}})


def with_inference(**changes: Any) -> Config:
    """The kit's configuration with another inference section."""
    return Config.model_validate({**CONFIG.model_dump(), "inference": {**CONFIG.inference.model_dump(), **changes}})


def _onnx(nodes: list[Any], constants: list[Any], shape: list[Any], output: str, out_shape: list[Any]) -> bytes:
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, out_shape)
    graph = helper.make_graph(nodes, "tiny", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def _save(
    directory: Path, kind: str, model: str, names: tuple[str, ...], params: dict[str, Any], onnx: bytes, feature_set: str = ""
) -> Path:
    period_ms = (NOW_MS - 1000, NOW_MS)
    known = feature_set or feature_set_id()
    meta = ModelMeta(kind, model, tuple(names), ("target",), known, "hash", *period_ms, 1, 1, params=params)
    with writing(directory, meta) as folder:
        (folder / ONNX).write_bytes(onnx)
    return directory
