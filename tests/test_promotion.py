"""The offline gate: the arithmetic on made-up losses, and the whole way with a real registry and real models."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from arbml.config import Config, PromotionConfig, changed
from arbml.dataset import Dataset, walk_forward
from arbml.errors import DataError, FeatureSetMismatch, RegistryError
from arbml.models import BaseRate, OpportunityScorer
from arbml.promotion import Decision, Reference, decide, promote
from arbml.registry import Registry, Version

RULES = PromotionConfig(bootstrap_rounds=300)
LOSSES = arrays(np.float64, 120, elements=st.floats(0, 10, allow_nan=False))

MakeRows = Callable[..., Dataset]


@given(LOSSES, LOSSES, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_never_promotes_what_is_nowhere_better(reference: np.ndarray, worse_by: np.ndarray, seed: int) -> None:
    decision = decide(reference + worse_by, [Reference("the baseline", reference)], RULES, seed=seed)
    assert not decision.promote
    assert decision.reasons[0].startswith("not better than the baseline")


@given(LOSSES, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_never_promotes_the_same_losses(losses: np.ndarray, seed: int) -> None:
    decision = decide(losses, [Reference("champion v1", losses.copy())], RULES, seed=seed)
    assert (decision.promote, decision.interval) == (False, None)
    assert decision.reason == "not better than champion v1: the same losses on all 120 rows"


@given(LOSSES, st.floats(0.01, 5))
@settings(max_examples=40, deadline=None)
def test_promotes_what_is_better_everywhere_by_the_same(reference: np.ndarray, gain: float) -> None:
    assert decide(reference - gain, [Reference("the baseline", reference)], RULES).promote


def test_a_model_that_is_no_better_is_promoted_in_at_most_about_one_of_twenty_cases() -> None:
    rng, n, cases = np.random.default_rng(7), 200, 400
    promoted = sum(
        decide(rng.normal(size=n), [Reference("r", rng.normal(size=n))], RULES, seed=case).promote for case in range(cases)
    )
    assert promoted / cases < 0.05 + 3 * np.sqrt(0.05 * 0.95 / cases)


def test_dependent_losses_do_not_fool_it() -> None:
    rng, n, cases = np.random.default_rng(8), 300, 200
    promoted = 0
    for case in range(cases):
        noise = rng.normal(size=n)
        for i in range(1, n):
            noise[i] += 0.7 * noise[i - 1]
        promoted += decide(noise, [Reference("r", np.zeros(n))], RULES, seed=case).promote
    assert promoted / cases < 0.05 + 3 * np.sqrt(0.05 * 0.95 / cases)


def test_a_real_gain_is_found_and_every_reference_must_be_beaten() -> None:
    rng = np.random.default_rng(1)
    champion = rng.normal(1.0, 0.3, 400)
    challenger, baseline = champion - rng.normal(0.05, 0.1, 400), champion - rng.normal(0.2, 0.1, 400)
    assert decide(challenger, [Reference("champion v3", champion)], RULES).promote
    both = decide(challenger, [Reference("champion v3", champion), Reference("the baseline", baseline)], RULES, unit="of Brier score")
    assert not both.promote
    assert both.reference == "the baseline"
    assert both.interval
    assert both.interval.mean > 0
    assert both.reasons[0].startswith("not better than the baseline: ")
    assert "of Brier score on 400 rows" in both.reasons[0]
    assert both.reasons[1].startswith("better than champion v3: ")
    assert "with 95% confidence" in both.reasons[1]


def test_too_few_rows_and_broken_losses_do_not_promote() -> None:
    few = decide(np.zeros(99), [Reference("the baseline", np.ones(99))], RULES)
    assert few.reason == "not enough evidence against the baseline: 99 paired rows, 100 needed; collect more"
    assert few.n == 99
    broken = decide(np.r_[np.nan, np.zeros(199)], [Reference("the baseline", np.ones(200))], RULES)
    assert broken.reason == "not comparable with the baseline: 1 of 200 losses are not finite numbers"
    assert not few.promote
    assert not broken.promote
    with pytest.raises(ValueError, match="same rows"):
        decide(np.zeros(200), [Reference("the baseline", np.zeros(199))], RULES)


def test_only_the_named_rows_count() -> None:
    losses, reference = np.r_[np.zeros(150), np.full(150, 9.0)], np.ones(150)
    assert decide(losses, [Reference("champion v1", reference, np.arange(150))], RULES).promote
    assert not decide(losses, [Reference("champion v1", reference, np.arange(150, 300))], RULES).promote


def test_a_decision_is_plain_data_and_the_same_seed_gives_the_same() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 300))
    first, second = (decide(a, [Reference("r", b)], RULES, seed=5, notes=["a note"]) for _ in range(2))
    assert json.loads(json.dumps(first.to_dict())) == first.to_dict() == second.to_dict()
    assert first.reasons[-1] == "a note"


# the whole way: saved models, a real registry, the same final block


@pytest.fixture
def put(registry: Registry, small_config: Config, tmp_path: Path) -> Callable[..., Version]:
    """Return a function that fits a scorer on the last fold of a dataset and registers it."""

    def fit_and_register(ds: Dataset, trees: int = 20, model: OpportunityScorer | BaseRate | None = None) -> Version:
        fold = walk_forward(ds, small_config.training)[-1]
        model = model or OpportunityScorer(changed(small_config.scorer, trees=trees), small_config.training)
        model.fit(ds.take(fold.train), ds.take(fold.validation))
        model.save(tmp_path / "model")
        example = pd.DataFrame(ds.X[:2], columns=list(ds.feature_names))
        return registry.register("scorer", tmp_path / "model", example=example)

    return fit_and_register


def decided(registry: Registry, version: Version) -> dict[str, object]:
    path = registry.artifact(version, "decision.json")
    data: dict[str, object] = json.loads(path.read_text())
    return data


def test_a_skilful_model_replaces_the_baseline_and_then_its_twin_does_not_replace_it(
    registry: Registry, put: Callable[..., Version], make_opportunities: MakeRows, small_config: Config
) -> None:
    ds = make_opportunities()
    first = promote("scorer", put(ds), ds, registry, small_config)
    assert first.promote
    assert first.reference == "the baseline (BaseRate)"
    assert registry.champion("scorer") == registry.version("scorer", 1)
    kept = decided(registry, registry.version("scorer", 1))
    assert (kept["decision"], kept["champion"], kept["data_hash"]) == ("promote", None, ds.data_hash)

    second = promote("scorer", put(ds), ds, registry, small_config)
    assert not second.promote
    assert second.reasons[0] == f"not better than champion v1: the same losses on all {second.n} rows"
    assert second.reasons[1].startswith("better than the baseline (BaseRate)")
    champion, rejected = registry.champion("scorer"), registry.version("scorer", 2)
    assert champion
    assert champion.number == 1
    assert rejected.decision == "reject"
    assert decided(registry, rejected)["champion"] == 1
    assert [(event.action, event.number) for event in registry.history("scorer")] == [("promote", 1), ("reject", 2)]


def test_noise_is_not_promoted(
    registry: Registry, put: Callable[..., Version], make_opportunities: MakeRows, small_config: Config
) -> None:
    ds = make_opportunities(skill=0.0, seed=4)
    decision = promote("scorer", put(ds), ds, registry, small_config)
    assert not decision.promote
    assert registry.champion("scorer") is None


def test_a_better_model_replaces_a_poor_champion(
    registry: Registry, put: Callable[..., Version], make_opportunities: MakeRows, small_config: Config
) -> None:
    ds = make_opportunities()
    poor = put(ds, model=BaseRate())
    registry.promote("scorer", poor.number, "by hand")
    decision = promote("scorer", put(ds).number, ds, registry, small_config)
    assert decision.promote
    assert [one.reference for one in decision.comparisons] == ["champion v1", "the baseline (BaseRate)"]
    champion = registry.champion("scorer")
    assert champion
    assert champion.number == 2
    assert registry.rollback("scorer").number == 1


def test_a_champion_of_another_feature_set_is_not_compared_with(
    registry: Registry, put: Callable[..., Version], make_opportunities: MakeRows, small_config: Config
) -> None:
    old, new = make_opportunities(feature_set_id="fs-0"), make_opportunities()
    registry.promote("scorer", put(old).number, "by hand")
    decision = promote("scorer", put(new), new, registry, small_config)
    assert decision.promote
    assert [one.reference for one in decision.comparisons] == ["the baseline (BaseRate)"]
    note = "compared with the baseline only: champion v1 cannot answer this data (scorer v1 knows feature set fs-0, the data has fs-1)"
    assert decision.reasons[-1] == note
    with pytest.raises(FeatureSetMismatch, match="scorer v1 knows feature set fs-0"):
        promote("scorer", 1, new, *_without_champion(registry, small_config))


def _without_champion(registry: Registry, config: Config) -> tuple[Registry, Config]:
    registry.retire("scorer")
    return registry, config


def test_rows_that_the_champion_was_trained_on_do_not_count(
    registry: Registry, put: Callable[..., Version], make_opportunities: MakeRows, small_config: Config
) -> None:
    ds = make_opportunities(2000)
    later = put(ds)  # trained on rows up to 1600
    registry.promote("scorer", later.number, "by hand")
    early = ds.take(np.arange(1000))  # its final block, rows 800 to 1000, was part of the champion's training
    decision = promote("scorer", put(early, trees=30), early, registry, small_config)
    assert not decision.promote
    assert decision.reasons[0] == "not enough evidence against champion v1: 0 paired rows, 100 needed; collect more"


def test_a_torn_champion_does_not_stand_in_the_way(
    registry: Registry, put: Callable[..., Version], make_opportunities: MakeRows, small_config: Config
) -> None:
    ds = make_opportunities()
    registry.promote("scorer", put(ds).number, "by hand")
    (registry.model_dir(registry.version("scorer", 1)) / "model.onnx").write_bytes(b"")
    decision: Decision = promote("scorer", put(ds), ds, registry, small_config)
    assert decision.promote
    assert "champion v1 cannot answer this data (scorer v1: the files in" in decision.reasons[-1]


def test_what_cannot_be_decided_is_refused(
    registry: Registry, put: Callable[..., Version], make_opportunities: MakeRows, small_config: Config
) -> None:
    ds = make_opportunities()
    with pytest.raises(RegistryError, match="cannot find scorer v1"):
        promote("scorer", 1, ds, registry, small_config)
    registry.promote("scorer", put(ds).number, "by hand")
    with pytest.raises(RegistryError, match=r"scorer v1 is the champion already; .* arbml train scorer"):
        promote("scorer", 1, ds, registry, small_config)
    with pytest.raises(DataError, match="a dataset of kind 'scorer' cannot decide on the lstm"):
        promote("lstm", 1, ds, registry, small_config)
