"""Names, units, the name of the set, and the values that it stands for."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from arbml.features import FEATURE_NAMES, FEATURES, ROUTE_FEATURES, feature_set_id, spec
from tests.features import regenerate


def test_names_are_unique_and_documented() -> None:
    names = [one.name for one in FEATURES + ROUTE_FEATURES]
    assert len(set(names)) == len(names)
    for one in FEATURES + ROUTE_FEATURES:
        assert one.name.isidentifier()
        assert one.description
        assert one.formula
        assert 0 <= one.lookback_s <= spec.WINDOW_S
        assert one.name not in {"ts_ms", "ts_known_ms", "venue", "pair", "price"}


def test_the_set_has_a_name_that_follows_its_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {feature_set_id()}
    first, second, *rest = FEATURES
    others = [replace(first, unit="bps"), replace(first, formula="p")]
    for changed in ((second, first, *rest), (first, *rest), *((other, second, *rest) for other in others)):
        monkeypatch.setattr(spec, "FEATURES", changed)
        names.add(feature_set_id())
    monkeypatch.setattr(spec, "FEATURES", (replace(first, description="other words"), second, *rest))
    assert feature_set_id() in names, "words may change"
    assert len(names) == 5
    monkeypatch.setattr(spec, "KERNEL_VERSION", 10**6)
    assert feature_set_id() not in names
    assert len(feature_set_id()) == 12


def test_golden_values() -> None:
    """Kernels give what they gave when the set got its name; if that is meant to change: `tests.features.regenerate` says how."""
    kept, now = json.loads(regenerate.GOLDEN.read_text()), regenerate.golden()
    assert now["names"] == kept["names"] == list(FEATURE_NAMES)
    np.testing.assert_allclose(np.array(now["rows"], float), np.array(kept["rows"], float), rtol=1e-9, atol=1e-13)
    assert now["feature_set_id"] == kept["feature_set_id"]
    assert np.isfinite(np.array(kept["rows"], float)).mean() > 0.95


def test_docs_are_up_to_date() -> None:
    text = regenerate.DOCS.read_text()
    assert regenerate.documented(text) == text, "run python -m tests.features.regenerate"


def test_names_cost_no_compiler() -> None:
    code = "import sys, arbml.features; print('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
