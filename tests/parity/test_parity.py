"""Batch and stream give the same bits."""

import numpy as np
import pytest

from arbml.features import FEATURE_NAMES, FeatureStream, check_parity, compute_features
from arbml.frames import TICKS, frame_to_ticks
from tests.features.series import random_ticks


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spacing_ms", [50.0, 4000.0, 60_000.0])
def test_batch_equals_stream(seed: int, spacing_ms: float) -> None:
    report = check_parity(random_ticks(seed, rows=3000, spacing_ms=spacing_ms), restarts=5)
    assert report.equal, report.text()
    assert report.late > 0
    assert report.rows + report.late == 3000
    assert len(report.restarts_at) == 5
