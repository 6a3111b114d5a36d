"""`arbml run` twice in one home, all three models at a small size: what it says, what it left, and that again is the same."""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from arbml.config import RegistryConfig
from arbml.registry import Event, Registry, Version
from tests.e2e.kit import SMALL, Done, answer, arbml, eventually_gone, figures, query, rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KINDS = ("lstm", "scorer", "volatility")
RUN = ("--json", "run", "--hours", "4")  # a size at which one model beats its baseline and two do not
FLOWS = {"cycle": 1, "collect": 1, "validate": 1, "features": 1, "train": 3, "promote": 1, "drift": 1, "patterns": 1, "build": 1, "ask": 1}
TASKS = {
    "check_sources": 1, "collect_source": 1, "validate_frame": 3, "build_features": 1, "save_features": 1, "build_dataset": 9,
    "train_model": 3, "promote_model": 3, "report_drift": 3, "detect_patterns": 1, "keep_patterns": 1, "retire_patterns": 1,
    "fit_baseline": 3, "write_bundle_of": 1, "build_service": 1, "question": 1, "ask": 1,
}  # fmt: skip
KEY = "v3rys3cretk3y"
MAIN = {"lstm": "pinball_bps", "scorer": "brier", "volatility": "qlike"}


@dataclass(frozen=True)
class Seen:
    """One run and what stood in its home when it had ended."""

    home: Path
    done: Done
    rows: dict[str, int]
    versions: dict[str, list[Version]]
    history: dict[str, list[Event]]
    left: dict[int, str]

    @property
    def facts(self) -> dict[str, Any]:
        return self.done.facts


def run(home: Path, settings: dict[str, str]) -> Seen:
    done = arbml(*RUN, home=home, settings=SMALL | settings)
    assert (done.code, done.errors) == (0, ())
    registry = Registry(RegistryConfig(), home)
    return Seen(
        home, done, rows(home), {kind: registry.versions(kind) for kind in KINDS}, {kind: registry.history(kind) for kind in KINDS},
        eventually_gone(home),
    )  # fmt: skip


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """In a fresh home, with nothing running."""
    return run(tmp_path_factory.mktemp("cycle") / "home", {"ETH_RPC_URL": f"https://node.example/{KEY}"})


@pytest.fixture(scope="module")
def again(first: Seen, prefect_url: str) -> Seen:
    """The same command in the same home, this time with a Prefect server given."""
    return run(first.home, {"PREFECT_API_URL": prefect_url})


def test_every_step_is_measured(first: Seen) -> None:
    steps = first.facts["steps"]
    assert [step["name"] for step in steps] == [
        "collect", "validate", "features", *(f"train {kind}" for kind in KINDS), "promote", "drift", "patterns", "build", "serve and ask",
    ]  # fmt: skip
    for step in steps:
        assert step["seconds"] > 0, step
        assert 50 < step["peak_mb"] < 4096, step
        assert step["detail"], step
    assert first.done.seconds > sum(step["seconds"] for step in steps)


def test_what_was_collected_is_stored(first: Seen) -> None:
    assert first.rows["ticks"] == 4 * 3600 // 5 * 3
    ticks, executions = first.rows["ticks"], first.rows["executions"]
    assert first.facts["steps"][0]["detail"].startswith(f"{ticks} new ticks, 0 known, {executions} new executions")
    assert first.rows["predictions"] == 1, "the served answer reached the store"


def test_figures_stand_beside_their_baseline(first: Seen) -> None:
    found = figures(first.facts)
    for kind, metric in MAIN.items():
        value, baseline = found[kind, metric]
        assert value != baseline
        assert baseline is not None
    assert {kind for kind, _ in found} == set(KINDS)
    assert set(first.facts["data_hashes"]) == set(KINDS)
    assert len(set(first.facts["data_hashes"].values())) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_versions_and_aliases_are_what_was_decided(first: Seen, kind: str) -> None:
    decision = first.facts["decisions"][kind]
    (version,) = first.versions[kind]
    (event,) = first.history[kind]
    promoted = decision["promote"]
    assert version.number == 1
    assert version.aliases == (("champion",) if promoted else ("challenger",))
    assert (version.decision, str(event.action)) == (("promote",) * 2 if promoted else ("reject",) * 2)
    assert event.reason == "; ".join(decision["reasons"])
    assert version.data_hash == first.facts["data_hashes"][kind]
    for (model, metric), (value, baseline) in figures(first.facts).items():
        if model == kind:
            assert version.metrics[f"final.{metric}"] == value
            assert version.metrics.get(f"baseline.final.{metric}") == baseline
    comparison = decision["comparisons"][0]
    better = comparison["interval"]["upper_bound"] < 0
    assert better is promoted, "promoted on evidence only"
    assert comparison["loss"] == pytest.approx(version.metrics["final.loss"], rel=1e-9), "decided on the version that was evaluated"
    kept = json.loads(Registry(RegistryConfig(), first.home).artifact(version, "decision.json").read_text())
    assert kept["comparisons"] == decision["comparisons"]


def test_both_kinds_of_decision_are_among_them(first: Seen) -> None:
    """Otherwise the tests here would see one half only; choose another size then."""
    assert {decision["promote"] for decision in first.facts["decisions"].values()} == {True, False}


def test_the_prediction_came_over_http_with_labels(first: Seen) -> None:
    prediction, decisions = first.facts["prediction"], first.facts["decisions"]
    serves = {kind: "v1" if decisions[kind]["promote"] else "baseline" for kind in KINDS}
    assert prediction["model_versions"] == serves
    assert prediction["recommendation"] in ("EXECUTE", "QUEUE", "SKIP")
    assert 0 <= prediction["success_probability"] <= 1
    assert 0 < prediction["latency_ms"] < 1000
    for kind, who in serves.items():
        missing = any(reason.startswith(f"model_missing: {kind} ") for reason in prediction["reasons"])
        assert missing is (who == "baseline"), "says who does not answer"
    assert {one["source"] for one in prediction["price_forecasts"]} == {"baseline" if serves["lstm"] == "baseline" else "model"}
    assert {one["source"] for one in prediction["volatility_forecast"]} == {"baseline" if serves["volatility"] == "baseline" else "model"}
    if serves["scorer"] == "baseline":
        assert prediction["variant"] == "baseline"
        assert prediction["recommendation"] != "EXECUTE"
    log = (first.home / "logs" / "service.log").read_text()
    assert "Traceback" not in log


def test_prefect_keeps_every_flow_and_task(first: Seen) -> None:
    database = first.home / "prefect" / "prefect.db"
    flows = query(database, "select f.name, r.state_name from flow_run r join flow f on f.id = r.flow_id")
    assert Counter(flows) == {(name, "Completed"): n for name, n in FLOWS.items()}
    tasks = query(database, "select task_key, state_name from task_run where task_key not like '%\\_flow-%' escape '\\'")
    assert Counter((key.rpartition("-")[0], state) for key, state in tasks) == {(name, "Completed"): n for name, n in TASKS.items()}


def test_files_are_where_it_says(first: Seen) -> None:
    paths = {name: Path(path) for name, path in first.facts["paths"].items()}
    features = pd.read_parquet(paths["features"])
    assert first.facts["steps"][2]["detail"] == f"{len(features)} rows of {features.shape[1] - 5} features"
    assert (paths["Bento"] / "bento.yaml").is_file()
    assert (paths["Bento"] / "src" / "bundle" / "manifest.json").is_file()
    for suite in ("ticks", "executions", "features"):
        assert json.loads((paths["reports"] / f"validation-{suite}.json").read_text())["success"] is True
        assert (paths["reports"] / f"validation-{suite}.txt").read_text().startswith("validation of")
    for kind in KINDS:
        assert json.loads((paths["reports"] / f"drift-{kind}.json").read_text())
        assert "<html" in (paths["reports"] / f"drift-{kind}.html").read_text()[:2000].lower()
        kept = Registry(RegistryConfig(), first.home).artifact(first.versions[kind][0], "drift")
        assert sorted(path.name for path in kept.iterdir()) == [f"drift-{kind}.html", f"drift-{kind}.json"]


def test_nothing_is_left_running_or_lying_about(first: Seen) -> None:
    assert first.left == {}
    assert list((first.home / "tmp").iterdir()) == []
    assert list(first.home.rglob("*.part")) == []


def test_a_key_in_the_settings_is_kept_nowhere(first: Seen) -> None:
    """Not by MLflow, Prefect, the store, the Bento, a report or a log."""
    assert {"mlflow.db", "prefect.db", "arbml.db", "service.log"} <= {path.name for path in first.home.rglob("*")}

    def holding(text: str) -> str:
        # in a process of its own: closing a database's file here would drop the locks of our connections to it
        return subprocess.run(["grep", "-rl", "--", text, first.home], capture_output=True, text=True, check=False).stdout

    assert "arbml.db" in holding("uniswap"), "it finds what is there"
    assert holding(KEY) == ""
    assert KEY not in first.done.out


def test_a_second_run_is_the_same(first: Seen, again: Seen) -> None:
    assert again.facts["data_hashes"] == first.facts["data_hashes"]
    assert figures(again.facts) == figures(first.facts)
    assert answer(again.facts) == answer(first.facts)


def test_a_second_run_adds_no_rows(first: Seen, again: Seen) -> None:
    assert again.facts["steps"][0]["detail"].startswith(f"0 new ticks, {first.rows['ticks']} known, 0 new executions")
    assert again.rows == first.rows | {"predictions": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_promotes_nothing_that_is_not_better(first: Seen, again: Seen, kind: str) -> None:
    decision = again.facts["decisions"][kind]
    assert decision["promote"] is False
    champion = [version.number for version in again.versions[kind] if "champion" in version.aliases]
    assert champion == ([1] if first.facts["decisions"][kind]["promote"] else [])
    assert [version.number for version in again.versions[kind]] == [1, 2]
    assert again.versions[kind][1].aliases == ("challenger",)
    if champion:
        assert decision["reasons"][0].startswith("not better than champion v1: the same losses on all ")


def test_a_given_server_keeps_the_history(again: Seen, prefect_url: str) -> None:
    def count(kind: str, **where: Any) -> int:
        return int(httpx.post(f"{prefect_url}/{kind}/count", json={kind: where}).json())

    runs = httpx.post(f"{prefect_url}/flow_runs/filter", json={"flows": {"name": {"any_": ["cycle"]}}}).json()
    (cycle,) = [one for one in runs if one["state_name"] == "Completed"]
    began = {"expected_start_time": {"after_": cycle["start_time"]}}
    assert count("task_runs", **began, state={"name": {"any_": ["Completed"]}}) == sum(TASKS.values()) + sum(FLOWS.values()) - 1
    kept = query(again.home / "prefect" / "prefect.db", "select count(*) from flow_run")
    assert kept == [(sum(FLOWS.values()),)], "and the home's own has nothing of it"
