"""What the Bento carries: whole or not at all, checked, and enough to start warm."""

import hashlib
import json
from pathlib import Path

import pytest

from arbml.config import Config
from arbml.errors import FeatureSetMismatch, ModelFileError
from arbml.frames import ticks_to_frame
from arbml.serving import Bundle
from arbml.serving.warm import MAX_WARM_ROWS, warm_ticks
from tests.serving.kit import CONFIG, LENGTH, NOW_MS, Kit, ask, market, save_scorer, tick


def test_a_bundle_gives_back_what_was_put_in(kit: Kit) -> None:
    bundle = Bundle.load(kit.bundle())
    assert {kind: entry.model.meta.model for kind, entry in bundle.entries.items() if entry.model} == {
        "scorer": "OpportunityScorer", "lstm": "LSTMPredictor", "volatility": "VolatilityPredictor",
    }  # fmt: skip
    assert {kind: entry.baseline.meta.model for kind, entry in bundle.entries.items() if entry.baseline} == {
        "scorer": "BaseRate", "lstm": "ZeroChange", "volatility": "RealizedVolatility",
    }  # fmt: skip
    assert bundle.config.costs == CONFIG.costs
    assert bundle.manifest["trained_to_ms"] == NOW_MS
    sent = market()
    assert bundle.ticks() == sent[-len(bundle.ticks()) :], "bit for bit"


def test_it_needs_nothing_but_itself(kit: Kit, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    kit.bundle().rename(moved)
    assert kit.predictor(moved).predict(ask()).prediction.variant == "champion"


def test_no_secret_goes_along(kit: Kit) -> None:
    secret = Config.model_validate({"store": {"connection_string": "postgresql://user:hunter2@db/arbml"}})
    bundle = kit.bundle(config=secret)
    assert not [file for file in bundle.rglob("*") if file.is_file() and b"hunter2" in file.read_bytes()]


def test_writing_again_replaces_it_as_a_whole(kit: Kit) -> None:
    kit.bundle()
    path = kit.bundle(models={})
    assert not (path / "models").exists()
    assert [entry.name for entry in path.parent.iterdir() if entry.name.endswith(".part")] == []


def test_what_a_killed_write_left_is_cleared_away(kit: Kit) -> None:
    path = kit.bundle()
    left = path.parent / f".{path.name}.abc123.part"
    (left / "models").mkdir(parents=True)
    assert kit.bundle() == path
    assert not left.exists()


def test_a_failed_write_leaves_the_old_one(kit: Kit) -> None:
    path = kit.bundle()
    before = (path / "manifest.json").read_bytes()
    with pytest.raises(ModelFileError, match=r"holds a model of kind 'scorer', not 'lstm'"):
        kit.bundle(models={"lstm": kit.trained.models["scorer"]})
    assert (path / "manifest.json").read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir() if entry.name.endswith(".part")] == []


@pytest.mark.parametrize("name", ["ticks.json", "models/scorer/model.onnx", "baselines/lstm/meta.json"])
def test_a_damaged_file_is_named(kit: Kit, name: str) -> None:
    path = kit.bundle()
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[:-5])
    with pytest.raises(ModelFileError, match=f"{name}: cut short or changed"):
        Bundle.load(path)
    (path / name).unlink()
    with pytest.raises(ModelFileError, match=f"{name}: missing"):
        Bundle.load(path)


def test_a_manifest_that_was_edited_is_refused(kit: Kit) -> None:
    path = kit.bundle()
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["config"]["scorer"]["confidence_threshold"] = 0.01
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelFileError, match="changed since it was written"):
        Bundle.load(path)
    with pytest.raises(ModelFileError, match="no such file"):
        Bundle.load(path / "nowhere")


def test_a_bundle_of_another_feature_set_is_refused(kit: Kit) -> None:
    path = kit.bundle()
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["checksum"]
    manifest["feature_set_id"] = "other"
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest | {"checksum": digest}))
    with pytest.raises(FeatureSetMismatch, match="built for feature set other, this version computes"):
        Bundle.load(path)


def test_a_model_of_another_feature_set_does_not_get_in(kit: Kit) -> None:
    model = save_scorer(kit.root / "other", feature_set="other")
    with pytest.raises(FeatureSetMismatch, match="OpportunityScorer was trained on feature set other"):
        kit.bundle(models={"scorer": model})


def test_warm_ticks_reach_back_as_far_as_the_slowest_stream_needs() -> None:
    fast = market(n=600, step_ms=5000)
    slow = [tick(NOW_MS - i * 60_000, "slow", 2000.0) for i in range(100)]
    dead = [tick(NOW_MS - 40 * 3_600_000, "dead", 2000.0)]
    kept = warm_ticks(ticks_to_frame(fast + slow + dead), LENGTH)
    counts = kept.groupby("venue").size().to_dict()
    assert set(counts) == {"cheap", "dear", "slow"}
    assert counts["slow"] >= LENGTH + 19, "its window, and 20 minutes for the features of the oldest row"
    assert kept["ts_known_ms"].is_monotonic_increasing
    only_fast = warm_ticks(ticks_to_frame(fast), LENGTH)
    assert NOW_MS - int(only_fast["ts_known_ms"].iloc[0]) < (20 * 60 + 5 * LENGTH) * 1000


def test_warm_ticks_are_bounded() -> None:
    busy = ticks_to_frame([tick(NOW_MS - i, "cheap", 2000.0) for i in range(1000)])
    assert len(warm_ticks(busy, LENGTH)) == 1000 <= MAX_WARM_ROWS
    assert warm_ticks(ticks_to_frame([]), LENGTH).empty
