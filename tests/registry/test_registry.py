"""The registry on a real MLflow database: what is kept of a run, versions, aliases, files."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arbml.config import RegistryConfig
from arbml.errors import ModelFileError, RegistryError
from arbml.registry import Registry

SaveModel = Callable[..., Path]


def artifacts(registry: Registry, run_id: str, folder: str | None = None) -> set[str]:
    client = registry._connection.client()
    return {item.path for item in client.list_artifacts(run_id, folder)}


def test_a_version_carries_all_that_is_known_of_its_run(
    registry: Registry, save_model: SaveModel, example: pd.DataFrame, tmp_path: Path
) -> None:
    plot, losses = tmp_path / "calibration.png", tmp_path / "losses.npz"
    plot.write_bytes(b"png")
    np.savez(losses, champion=np.arange(3.0))
    metrics = {"fold1.brier": 0.2, "baseline.fold1.brier": 0.25, "final.auc": None, "final.ece": float("nan")}
    version = registry.register(
        "scorer",
        save_model(),
        example=example,
        params={"trees": 200, "config": "x" * 7000},
        metrics=metrics,
        tags={"seed": 42},
        files={"plots": [plot], "": [losses]},
    )
    assert (version.kind, version.number, str(version)) == ("scorer", 1, "scorer v1")
    assert version.metrics == {"fold1.brier": 0.2, "baseline.fold1.brier": 0.25}, "what is not finite is left out"
    assert version.aliases == ("challenger",)
    assert version.feature_set_id == "fs-1"
    assert len(version.data_hash) == 64
    assert version.tags["seed"] == "42"
    assert version.tags["code_version"].startswith("0.")

    run = registry._connection.client().get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.start_time == run.info.end_time == registry._clock.now_ms(), "times come from the clock"
    assert run.data.params["trees"] == "200"
    assert len(run.data.params["config"]) == 6000
    assert {"process", "python", "platform", "code_version", "feature_set_id", "data_hash", "model_sha256"} <= run.data.tags.keys()
    assert artifacts(registry, version.run_id) >= {"environment.json", "losses.npz", "plots", "model"}
    assert artifacts(registry, version.run_id, "plots") == {"plots/calibration.png"}


def test_reading_an_empty_home_makes_nothing_and_loads_no_mlflow(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from arbml.registry import Registry; from arbml.config import RegistryConfig\n"
        "registry = Registry(RegistryConfig(), Path(sys.argv[1]))\n"
        "print(registry.champion('lstm'), registry.challenger('lstm'), registry.versions('lstm'), registry.history('lstm'))\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "home")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None None [] []"
    assert not (tmp_path / "home").exists()


def test_versions_count_up_and_the_newest_competes(registry: Registry, save_model: SaveModel, example: pd.DataFrame) -> None:
    for successes in (1, 2, 3):
        registry.register("scorer", save_model(successes), example=example)
    assert [(v.number, v.aliases) for v in registry.versions("scorer")] == [(1, ()), (2, ()), (3, ("challenger",))]
    assert registry.versions("lstm") == []
    assert registry.challenger("scorer") == registry.version("scorer", 3)
    assert registry.champion("scorer") is None


def test_model_dir_gives_the_files_that_were_saved(registry: Registry, save_model: SaveModel, example: pd.DataFrame) -> None:
    saved = save_model()
    content = (saved / "meta.json").read_bytes()
    version = registry.register("scorer", saved, example=example)
    (saved / "meta.json").write_text("overwritten by the next training")
    folder = registry.model_dir(version)
    assert (folder / "meta.json").read_bytes() == content
    assert folder.is_relative_to(registry.home)


def test_changed_or_lost_files_are_noticed(registry: Registry, save_model: SaveModel, example: pd.DataFrame) -> None:
    version = registry.register("scorer", save_model(), example=example)
    folder = registry.model_dir(version)
    meta = (folder / "meta.json").read_text()
    (folder / "meta.json").write_text(meta[:-20])
    with pytest.raises(RegistryError, match=r"scorer v1: the files in .* changed .*arbml train scorer"):
        registry.model_dir(version)
    with pytest.raises(RegistryError, match="changed"):
        registry.promote("scorer", 1, "better")
    assert registry.champion("scorer") is None
    (folder / "meta.json").unlink()
    folder.rmdir()
    with pytest.raises(RegistryError, match="gone"):
        registry.model_dir(version)


def test_mlflow_itself_can_load_and_ask_the_champion(registry: Registry, save_model: SaveModel, example: pd.DataFrame) -> None:
    registry.register("scorer", save_model(), example=example)
    registry.promote("scorer", 1, "better")
    program = (
        "import sys, mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/arbml-scorer@champion')\n"
        "frame = pd.DataFrame({'gas_price_gwei': [20.0], 'edge_bps': [3.0]})\n"
        "print(float(model.predict(frame)[0]), model.metadata.signature.inputs.input_names())\n"
        "print(model.input_example.shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, registry.uri], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[0] == f"{(3 + 1) / (10 + 2)} ['edge_bps', 'gas_price_gwei']"
    assert done.stdout.split("\n")[1] == "(2, 2)"


def test_a_run_that_fails_is_kept_with_its_error(registry: Registry) -> None:
    run_ids = []

    def train(error: BaseException) -> None:
        with registry.run("lstm", params={"units": 48}) as run:
            run_ids.append(run.run_id)
            run.log(metrics={"fold1.pinball_bps": 1.5})
            raise error

    with pytest.raises(ValueError, match="boom"):
        train(ValueError("boom"))
    kept = registry._connection.client().get_run(run_ids[0])
    assert (kept.info.status, kept.data.tags["error"]) == ("FAILED", "ValueError: boom")
    assert kept.data.metrics == {"fold1.pinball_bps": 1.5}
    with pytest.raises(KeyboardInterrupt):
        train(KeyboardInterrupt())
    assert registry._connection.client().get_run(run_ids[1]).info.status == "KILLED"
    assert registry.versions("lstm") == []


def test_a_model_of_another_kind_or_a_torn_one_is_refused(
    registry: Registry, save_model: SaveModel, example: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match="a model of kind 'scorer' cannot be registered as 'lstm'"):
        registry.register("lstm", save_model(), example=example)
    with pytest.raises(ModelFileError, match="no such file"):
        registry.register("scorer", tmp_path / "nowhere", example=example)
    with pytest.raises(RegistryError, match=r"nowhere\.png: no such file"):
        registry.register("scorer", save_model(), example=example, files={"plots": [tmp_path / "nowhere.png"]})
    assert registry.versions("scorer") == []


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda r: r.version("scorer", 7), r"cannot find scorer v7: .* see which there are: arbml status"),
        (lambda r: r.promote("scorer", 7, "x"), "cannot find scorer v7"),
        (lambda r: r.champion("forest"), "no model is called 'forest'; there are lstm, scorer, volatility"),
        (lambda r: r.set_alias("scorer", "production", 1), "alias 'production' cannot be set: there are only"),
        (lambda r: r.set_alias("scorer", "champion", 1), "alias 'champion' cannot be set: champion moves by promote"),
        (lambda r: r.set_alias("scorer", "challenger", 1), "cannot find scorer v1"),
        (lambda r: r.rollback("scorer"), "scorer: there has been no champion, so there is none to go back to"),
        (lambda r: r.retire("scorer"), "scorer: there is no champion to retire"),
    ],
)
def test_what_is_not_there_is_one_line_that_says_what_to_do(registry: Registry, act: Callable[[Registry], Any], message: str) -> None:
    with pytest.raises(RegistryError, match=message) as caught:
        act(registry)
    assert "\n" not in str(caught.value)


def test_reports_are_added_to_a_run_that_has_ended(
    registry: Registry, save_model: SaveModel, example: pd.DataFrame, tmp_path: Path
) -> None:
    version = registry.register("scorer", save_model(), example=example)
    report = tmp_path / "drift.html"
    report.write_text("<html>")
    registry.log_report(version, [report], folder="drift")
    assert artifacts(registry, version.run_id, "drift") == {"drift/drift.html"}
    assert registry._connection.client().get_run(version.run_id).info.status == "FINISHED"


def test_decision_is_kept_as_file_and_tags(registry: Registry, save_model: SaveModel, example: pd.DataFrame) -> None:
    registry.register("scorer", save_model(), example=example)
    registry.reject("scorer", 1, "not better than the baseline", {"n": 300})
    version = registry.version("scorer", 1)
    assert (version.decision, version.tags["evidence"]) == ("reject", "not better than the baseline")
    path = registry._connection.client().download_artifacts(version.run_id, "decision.json")
    assert json.loads(Path(path).read_text()) == {"decision": "reject", "reason": "not better than the baseline", "n": 300}


def test_a_moved_home_is_said_so(make_registry: Callable[..., Registry], save_model: SaveModel, example: pd.DataFrame) -> None:
    old = make_registry("old")
    old.register("scorer", save_model(), example=example)
    old.home.rename(old.home.parent / "new")
    moved = Registry(RegistryConfig(), old.home.parent / "new")
    with pytest.raises(RegistryError, match=r"was moved, its registry keeps files in .*; move it back"):
        moved.register("scorer", save_model(), example=example)
