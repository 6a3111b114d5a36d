"""Training from a dataset to a registered version: what is logged, what is repeatable, and who may train at a time."""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arbml.clock import FixedClock
from arbml.config import Config, changed
from arbml.dataset import Dataset, hashed, walk_forward
from arbml.errors import DataError, NotEnoughData, TrainingBusy
from arbml.evaluation import Evaluation
from arbml.models import load_model
from arbml.promotion import promote
from arbml.registry import Registry
from arbml.training import TrainingResult, _alone, train

MakeRows = Callable[..., Dataset]
CLOCK = FixedClock(1_704_412_800_000)


@pytest.fixture
def run(registry: Registry, small_config: Config) -> Callable[..., TrainingResult]:
    """Return `train` in the test's home."""

    def start(ds: Dataset, config: Config = small_config, progress: Any = None) -> TrainingResult:
        return train(ds.kind, ds, config, registry, registry.home, CLOCK, progress)

    return start


def logged(registry: Registry, result: TrainingResult) -> Any:
    return registry._connection.client().get_run(result.version.run_id)


def test_everything_about_a_training_is_in_the_registry(
    run: Callable[..., TrainingResult], registry: Registry, make_opportunities: MakeRows, small_config: Config
) -> None:
    ds = make_opportunities()
    seen: list[tuple[str, float]] = []
    result = run(ds, progress=lambda stage, fraction: seen.append((stage, fraction)))
    version, kept = result.version, logged(registry, result)

    assert (str(version), version.aliases, version.data_hash) == ("scorer v1", ("challenger",), ds.data_hash)
    assert kept.info.status == "FINISHED"
    assert kept.data.tags["data_hash"] == ds.data_hash, "of the whole dataset, not of the fold's part"
    assert (kept.data.tags["seed"], kept.data.tags["feature_set_id"]) == ("42", "fs-1")
    assert json.loads(kept.data.tags["config"])["scorer"]["trees"] == 20
    assert (kept.data.params["scorer.trees"], kept.data.params["training.folds"], kept.data.params["rows"]) == ("20", "2", "1000")
    final = result.evaluation.folds[-1]
    assert version.metrics["fold2.brier"] == version.metrics["final.brier"] == final.metrics["brier"]
    assert version.metrics["baseline.fold1.brier"] == result.evaluation.folds[0].baseline_metrics["brier"]
    assert version.metrics["final.loss"] == pytest.approx(result.evaluation.losses.mean())
    assert version.metrics["final.rows"] == len(result.evaluation.losses) == 200

    top = {item.path for item in registry._connection.client().list_artifacts(version.run_id)}
    assert top >= {"evaluation.json", "evaluation.npz", "losses.npz", "reference.parquet", "environment.json", "plots", "baseline", "model"}
    plots = {path.name for path in registry.artifact(version, "plots").iterdir()}
    assert plots >= {"scorer-folds.png", "scorer-reliability.png", "scorer-confusion.png", "scorer-importance.png"}
    with np.load(registry.artifact(version, "losses.npz")) as losses:
        assert np.array_equal(losses["model"], result.evaluation.losses)
        assert np.array_equal(losses["baseline"], result.evaluation.baseline_losses)
    assert "labels are made up" in result.notes
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert not (registry.home / "tmp" / "train-scorer").exists()


def test_the_registered_model_is_the_one_of_the_evidence(
    run: Callable[..., TrainingResult], registry: Registry, make_opportunities: MakeRows, small_config: Config, tmp_path: Path
) -> None:
    ds = make_opportunities()
    result = run(ds)
    fold = walk_forward(ds, small_config.training)[-1]
    answer = load_model(registry.model_dir(result.version)).predict(ds.take(fold.test))
    assert np.array_equal(answer, result.evaluation.prediction)
    for name in ("evaluation.json", "evaluation.npz"):
        registry.artifact(result.version, name).rename(tmp_path / name)
    read = Evaluation.load(tmp_path)
    assert np.array_equal(read.losses, result.evaluation.losses)
    assert read.to_dict() == result.evaluation.to_dict()
    baseline = load_model(registry.artifact(result.version, "baseline"))
    assert np.array_equal(baseline.predict(ds.take(fold.test)), result.evaluation.final.baseline_prediction)
    reference = pd.read_parquet(registry.artifact(result.version, "reference.parquet"))
    assert list(reference.columns) == list(ds.feature_names)
    assert len(reference) == len(fold.train) + len(fold.validation), "of the training, without the test block"


@pytest.mark.parametrize("maker", ["make_opportunities", "make_bars"])
def test_the_same_data_and_seed_give_the_same_metrics_and_no_promotion(
    maker: str, run: Callable[..., TrainingResult], registry: Registry, small_config: Config, request: pytest.FixtureRequest
) -> None:
    make: MakeRows = request.getfixturevalue(maker)
    first, second = run(make()), run(make())
    assert first.version.metrics == second.version.metrics
    assert first.version.data_hash == second.version.data_hash
    kind = first.version.kind
    promote(kind, first.version, make(), registry, small_config)
    before = registry.champion(kind)
    decision = promote(kind, second.version, make(), registry, small_config)
    assert not decision.promote
    assert registry.champion(kind) == before


@pytest.mark.slow
def test_the_lstm_too(run: Callable[..., TrainingResult], registry: Registry, make_sequences: MakeRows, small_config: Config) -> None:
    config = changed(small_config, training=changed(small_config.training, folds=1))
    first, second = run(make_sequences(), config), run(make_sequences(), config)
    assert first.version.metrics == second.version.metrics
    assert {"final.pinball_bps", "baseline.final.pinball_bps", "final.coverage_5s"} <= first.version.metrics.keys()
    decision = promote("lstm", first.version, make_sequences(), registry, small_config)
    assert decision.comparisons[0].reference == "the baseline (ZeroChange)"
    assert "bps of pinball loss" in decision.reason


@pytest.mark.slow
@pytest.mark.parametrize("maker", ["make_opportunities", "make_bars", "make_sequences"])
def test_mlflow_can_ask_every_kind_what_the_example_shows(
    maker: str, run: Callable[..., TrainingResult], registry: Registry, request: pytest.FixtureRequest
) -> None:
    import mlflow

    result = run(request.getfixturevalue(maker)())
    model = mlflow.pyfunc.load_model(result.version.source)
    example = model.input_example
    assert example is not None
    answer = model.predict(example)
    kind = result.version.kind
    if kind == "scorer":
        assert answer.shape == (5,)
        assert np.all((answer >= 0) & (answer <= 1))
    elif kind == "lstm":
        assert answer.shape == (2, 2, 3)
        assert np.all(np.diff(answer, axis=2) >= 0), "lower, median, upper"
    else:
        assert list(answer.columns) == ["stream", "horizon_s", "variance", "lower", "upper"]
        assert answer["horizon_s"].tolist() == [300.0]
        assert 0 < answer["variance"][0] < 1e-4
    assert model.metadata.signature is not None


def test_too_little_data_registers_nothing(
    run: Callable[..., TrainingResult], registry: Registry, make_opportunities: MakeRows
) -> None:
    with pytest.raises(NotEnoughData, match="labelled opportunities to train the scorer: have 150, need 200"):
        run(make_opportunities(150))
    rare = make_opportunities()
    y = np.zeros_like(rare.y)
    y[:5] = 1.0
    one_sided = hashed(Dataset(**{name: getattr(rare, name) for name in rare.__dataclass_fields__} | {"y": y}))
    with pytest.raises(NotEnoughData, match="successful opportunities"):
        run(one_sided)
    assert registry.versions("scorer") == []
    assert registry._connection.client().get_experiment_by_name("arbml-scorer") is None, "not even a run"


def test_an_early_fold_that_is_too_small_is_left_out(
    run: Callable[..., TrainingResult], make_opportunities: MakeRows, small_config: Config
) -> None:
    config = changed(small_config, scorer=changed(small_config.scorer, min_samples=700))
    result = run(make_opportunities(), config)
    assert [fold.fold for fold in result.evaluation.folds] == [2]
    assert "fold1.brier" not in result.version.metrics
    assert any(note.startswith("fold 1 is left out: not enough labelled opportunities") for note in result.notes)


def test_a_failed_fit_leaves_a_failed_run(
    run: Callable[..., TrainingResult], registry: Registry, make_bars: MakeRows, small_config: Config
) -> None:
    bars = make_bars()
    still = hashed(Dataset(**{name: getattr(bars, name) for name in bars.__dataclass_fields__} | {"X": np.zeros_like(bars.X)}))
    with pytest.raises(Exception, match="no price ever moved"):
        run(still)
    client = registry._connection.client()
    runs = client.search_runs([client.get_experiment_by_name("arbml-volatility").experiment_id])
    assert [(kept.info.status, kept.data.tags["error"].split(":")[0]) for kept in runs] == [("FAILED", "TrainingDiverged")]
    assert registry.versions("volatility") == []


def test_a_dataset_of_another_kind_is_refused(registry: Registry, make_bars: MakeRows, small_config: Config) -> None:
    with pytest.raises(DataError, match="a dataset of kind 'volatility' cannot train the lstm"):
        train("lstm", make_bars(), small_config, registry, registry.home, CLOCK)


def test_two_trainings_of_one_kind_never_run_at_once(
    run: Callable[..., TrainingResult], make_opportunities: MakeRows, make_bars: MakeRows, small_config: Config
) -> None:
    inside, go_on = threading.Event(), threading.Event()
    results: list[TrainingResult] = []

    def stop_at_first_stage(stage: str, fraction: float) -> None:
        inside.set()
        go_on.wait(60)

    first = threading.Thread(target=lambda: results.append(run(make_opportunities(), progress=stop_at_first_stage)))
    first.start()
    try:
        assert inside.wait(60)
        with pytest.raises(TrainingBusy, match=r"the scorer is being trained already, by process \d+ on .* since 2024-01-05T00:00:00Z"):
            run(make_opportunities())
        assert str(run(make_bars()).version) == "volatility v1", "another kind is not held up"
    finally:
        go_on.set()
        first.join(120)
    assert [str(result.version) for result in results] == ["scorer v1"]
    assert str(run(make_opportunities()).version) == "scorer v2", "the lock is free again"


def test_a_killed_training_does_not_hold_up_the_next(
    run: Callable[..., TrainingResult], registry: Registry, make_opportunities: MakeRows, small_config: Config
) -> None:
    ds = make_opportunities()
    pid = os.fork()
    if pid == 0:  # fitting needs no database, so none is taken through the fork
        try:
            with _alone("scorer", registry.home, CLOCK) as scratch:
                (scratch / "half a model").write_text("")
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert (registry.home / "tmp" / "train-scorer" / "half a model").exists()
    assert str(run(ds).version) == "scorer v1"
    assert not (registry.home / "tmp" / "train-scorer").exists()
    assert not (registry.home / "locks" / "train-scorer.json").exists()
