"""Walk-forward: nothing that became known later changes what was trained, gated or served before."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arbml.backtest import Wake
from arbml.backtest.bot_strategy import BotStrategy
from arbml.backtest.comparative import Contender, run_comparative
from arbml.backtest.engine import Backtester
from arbml.backtest.recording import Asked, Observed, Told
from arbml.backtest.retraining import HOUR_MS, Schedule, WalkForward, refuse_lookahead
from arbml.backtest.training import Champion
from arbml.collectors.simulator import SimulatedFate, Simulator, SimulatorConfig
from arbml.config import Config
from arbml.errors import ConfigError
from arbml.frames import ExecutionFrame, TickFrame
from arbml.serving import Bundle

HOURS = 8.0
CONFIG = Config.model_validate(
    {
        "scorer": {"trees": 20, "min_samples": 100, "min_positive": 10, "confidence_threshold": 0.5},
        "promotion": {"min_samples": 20, "bootstrap_rounds": 200, "confidence": 0.6},
        "training": {"folds": 1},
        "volatility": {"max_samples": 500},
        "bot": {"without_ml": "hold"},
    }
)


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator(SimulatorConfig(seed=11, hours=HOURS))


@pytest.fixture(scope="module")
def ticks(simulator: Simulator) -> TickFrame:
    return pd.concat(list(simulator.ticks()), ignore_index=True)


@pytest.fixture(scope="module")
def executions(simulator: Simulator) -> ExecutionFrame:
    return pd.concat(list(simulator.executions()), ignore_index=True)


@pytest.fixture(scope="module")
def start_ms(ticks: TickFrame) -> int:
    return int(ticks["ts_known_ms"].min()) + 5 * HOUR_MS


Walk = Callable[..., WalkForward]


@pytest.fixture
def make_walk(ticks: TickFrame, executions: ExecutionFrame, start_ms: int, tmp_path: Path) -> Walk:
    def make(name: str = "walk", **changes: Any) -> WalkForward:
        fields: dict[str, Any] = {
            "ticks": ticks, "executions": executions, "config": CONFIG, "schedule": Schedule({"scorer": 1.5}), "folder": tmp_path / name,
            "start_ms": start_ms, "end_ms": start_ms + 3 * HOUR_MS,
        }  # fmt: skip
        return WalkForward(**{**fields, **changes})

    return make


def test_the_schedule_is_that_of_the_configuration() -> None:
    assert dict(Schedule.of(Config()).every_h) == {"lstm": 24, "scorer": 168, "volatility": 24}
    assert dict(Schedule.of(Config(), ("scorer",), 6.0).every_h) == {"scorer": 6.0}
    assert dict(Schedule.of(Config.model_validate({"lstm": {"enabled": False}})).every_h) == {"scorer": 168, "volatility": 24}
    with pytest.raises(ConfigError, match="positive number of hours"):
        Schedule.of(Config(), None, 0.0)
    assert Schedule({}).times(0, HOUR_MS) == []


def test_trainings_come_when_they_are_due_and_each_once(make_walk: Walk, start_ms: int) -> None:
    heard: list[str] = []
    walk = make_walk(progress=lambda stage, fraction: heard.append(stage) if fraction == 0 else None)
    assert walk.stage(start_ms - 1) == 0
    assert walk.trainings(start_ms - 1) == ()
    first = walk.bundle(start_ms, ("scorer",))
    assert len(heard) == 1
    assert walk.bundle(start_ms, ("scorer",)) == first
    assert [one.due_ms for one in walk.trainings(start_ms + 2 * HOUR_MS)] == [start_ms, start_ms + int(1.5 * HOUR_MS)]
    assert len(heard) == 2
    assert walk.trainings(start_ms)[0].rows > 100


def test_the_future_changes_nothing_that_was_trained(make_walk: Walk, ticks: TickFrame, executions: ExecutionFrame, start_ms: int) -> None:
    """The same past with another future, or with none, gives the same model and the same bundle, to the bit."""
    later = ticks["ts_known_ms"] > start_ms
    other = ticks.copy()
    other.loc[later, "price"] *= np.exp(np.random.default_rng(0).normal(0, 0.01, int(later.sum())))
    lied = executions.copy()
    lied.loc[lied["ts_known_ms"] > start_ms, ["result", "profit"]] = ["success", 1e6]
    found = []
    for name, changes in (
        ("true", {}),
        ("other", {"ticks": other, "executions": lied}),
        ("none", {"ticks": ticks[~later], "executions": executions[executions["ts_known_ms"] <= start_ms]}),
    ):
        manifest = json.loads((make_walk(name, **changes).bundle(start_ms, ("scorer",)) / "manifest.json").read_text())
        found.append((manifest["files"], manifest["models"], manifest["baselines"]))
    assert found[0] == found[1] == found[2]


def test_a_bundle_starts_warm_with_what_was_known(make_walk: Walk, ticks: TickFrame, start_ms: int) -> None:
    at_ms = start_ms + 12_345
    bundle = Bundle.load(make_walk().bundle(at_ms, ("scorer",)))
    known = [tick.ts_known_ms for tick in bundle.ticks()]
    assert max(known) == int(ticks["ts_known_ms"][ticks["ts_known_ms"] <= at_ms].max())
    assert bundle.entries["scorer"].baseline is not None


def test_a_model_serves_only_if_it_wins(make_walk: Walk, start_ms: int) -> None:
    walk = make_walk()
    (training,) = walk.trainings(start_ms)
    assert training.promoted, training.reason
    bundle = Bundle.load(walk.bundle(start_ms, ("scorer",)))
    assert bundle.entries["scorer"].model is not None
    assert bundle.manifest["trained_to_ms"] <= start_ms
    without = Bundle.load(walk.bundle(start_ms, ()))
    assert without.entries["scorer"].model is None
    assert without.entries["scorer"].baseline is not None

    strict = make_walk("strict", config=Config.model_validate({**CONFIG.model_dump(), "promotion": {"min_samples": 10_000}}))
    (kept,) = strict.trainings(start_ms)
    assert not kept.promoted
    assert "not enough evidence" in kept.reason
    assert kept.serves == "the baseline"
    assert Bundle.load(strict.bundle(start_ms, ("scorer",))).entries["scorer"].model is None


def test_too_little_is_noted_and_the_baseline_answers(make_walk: Walk, ticks: TickFrame, executions: ExecutionFrame) -> None:
    begin = int(ticks["ts_known_ms"].min())
    walk = make_walk(start_ms=begin + 60_000, executions=executions.iloc[:0])
    (one,) = walk.trainings(begin + 60_000)
    assert one.reason.startswith("not trained: not enough")
    nothing = make_walk("nothing", start_ms=begin - 1)
    (none,) = nothing.trainings(begin - 1)
    assert "not enough ticks known before" in none.reason
    assert none.rows == 0


def test_volatility_is_trained_on_the_past_alone(make_walk: Walk, ticks: TickFrame, start_ms: int) -> None:
    schedule = Schedule({"volatility": 24})
    whole, cut = (
        make_walk(name, schedule=schedule, ticks=rows).trainings(start_ms)[0]
        for name, rows in (("whole", ticks), ("cut", ticks[ticks["ts_known_ms"] <= start_ms]))
    )
    assert (whole.reason, whole.rows) == (cut.reason, cut.rows)
    assert whole.rows > 500


def test_models_that_know_the_period_are_refused(make_walk: Walk, start_ms: int) -> None:
    walk = make_walk()
    path = walk.bundle(start_ms, ("scorer",)) / "models" / "scorer"
    refuse_lookahead({"scorer": path}, start_ms)
    with pytest.raises(ConfigError, match=r"the champion of scorer was trained on data up to 2024-01-01T0\d:.* start later \(--start\)"):
        refuse_lookahead({"scorer": path}, start_ms - 4 * HOUR_MS)


def test_given_models_serve_throughout(make_walk: Walk, start_ms: int) -> None:
    path = make_walk().bundle(start_ms, ("scorer",)) / "models" / "scorer"
    walk = make_walk("given", given={"scorer": Champion(path, "v7", {})})
    assert walk.kinds == ("scorer",)
    assert walk.stage(start_ms + 2 * HOUR_MS) == 1
    bundle = Bundle.load(walk.bundle(start_ms, ("scorer",)))
    assert bundle.entries["scorer"].version == "v7"
    assert {one.kind: one.promoted for one in walk.trainings(start_ms)} == {"lstm": False, "scorer": True, "volatility": False}


def run(walk: WalkForward, ticks: TickFrame, simulator: Simulator, start_ms: int, **changes: Any) -> BotStrategy:
    strategy = BotStrategy("ML on", CONFIG, ("USDC",), walk, walk.kinds, **{"wakes": Wake.EDGE, **changes})
    Backtester(CONFIG.costs, CONFIG.backtest, SimulatedFate(simulator)).run(ticks, strategy, start_ms, start_ms + 2 * HOUR_MS)
    strategy.close()
    return strategy


def test_the_bot_is_repeatable_and_takes_over_new_models_warm(
    make_walk: Walk, ticks: TickFrame, simulator: Simulator, start_ms: int
) -> None:
    strategies = [run(make_walk(name), ticks, simulator, start_ms, record=True) for name in ("one", "two")]
    assert strategies[0].decisions == strategies[1].decisions
    assert strategies[0].events == strategies[1].events
    assert len(strategies[0].trainings) == 2
    assert len(strategies[0].decisions) > 30
    assert not any(decision.code in ("not_ready", "refused", "not_warm", "market_stale") for decision in strategies[0].decisions)
    asked = [event for event in strategies[0].events if isinstance(event, Asked)]
    assert {prediction.latency_ms for event in asked for prediction in event.predictions} == {0.0}
    assert {prediction.model_versions["scorer"] for event in asked for prediction in event.predictions} != {"baseline"}
    assert any(isinstance(event, Told) for event in strategies[0].events)
    known = [tick.ts_known_ms for event in strategies[0].events if isinstance(event, Observed) for tick in event.ticks]
    assert known == sorted(known)


def test_a_comparison_of_bots(make_walk: Walk, ticks: TickFrame, simulator: Simulator, start_ms: int) -> None:
    walk = make_walk()
    contenders = [
        Contender("ML on", "ml", lambda: BotStrategy("ML on", CONFIG, ("USDC",), walk, ("scorer",), wakes=Wake.EDGE)),
        Contender("ML off", "rule", lambda: BotStrategy("ML off", CONFIG, ("USDC",), wakes=Wake.EDGE)),
        Contender("ML without scorer", "without", lambda: BotStrategy("ML without scorer", CONFIG, ("USDC",), walk, (), wakes=Wake.EDGE)),
    ]
    stages: list[str] = []
    found = run_comparative(
        ticks, contenders, lambda: Backtester(CONFIG.costs, CONFIG.backtest, SimulatedFate(simulator)),
        start_ms=start_ms, end_ms=start_ms + 2 * HOUR_MS, trials=3, progress=lambda stage, fraction: stages.append(stage),
    )  # fmt: skip
    ml, rule, without = found.arms
    assert [arm.metrics.trials for arm in found.arms] == [3, 3, 3]
    assert ml.mix is not None
    assert rule.mix is not None
    assert set(rule.mix.recommended) == {"RULE"}
    assert rule.metrics.attempts >= ml.metrics.attempts > 0
    assert without.metrics.attempts == 0
    assert "the bot holds" in without.notes[0]
    assert ml.metrics.judged == ml.metrics.attempts
    assert len(found.differences) == 2
    assert stages[0] == "backtest 1 of 3: ML on"
    assert len({arm.result.start_ms for arm in found.arms}) == 1


def test_contenders_have_different_names(ticks: TickFrame) -> None:
    one = Contender("bot", "rule", lambda: BotStrategy("bot", CONFIG, ("USDC",)))
    with pytest.raises(ConfigError, match="different names, got bot, bot"):
        run_comparative(ticks, [one, one], lambda: Backtester(CONFIG.costs, CONFIG.backtest))
