"""Every figure is drawn from realistic answers, says its block and units, and touches nothing global."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from arbml.evaluation import Evaluation
from arbml.evaluation.losses import loss
from arbml.evaluation.results import EvaluatedFold, TestBlock
from arbml.plots import plot_evaluation

START = 1_704_067_200_000
N = 500
SHAPES = {
    "lstm": {"lstm-folds", "lstm-forecast", "lstm-calibration"},
    "scorer": {"scorer-folds", "scorer-reliability", "scorer-confusion", "scorer-importance"},
    "volatility": {"volatility-folds", "volatility-forecast", "volatility-calibration"},
}
TARGETS = {"lstm": ("log_return_5s", "log_return_30s"), "scorer": ("success",), "volatility": ("realized_variance",)}


class Forest:
    def feature_importance(self) -> dict[str, float]:
        return {f"feature_{i}": i / 1000 for i in range(43)}


def answers(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    if kind == "lstm":
        y = rng.normal(0, 3e-4, (N, 2))
        half = np.array([-1.0, 0.0, 1.0]) * 5e-4
        return y, 0.3 * y[..., None] + half, np.zeros_like(y)[..., None] + half
    if kind == "scorer":
        p = rng.beta(2, 2, N)
        return (rng.random(N) < p).astype(float)[:, None], p, np.full(N, 0.5)
    v = np.exp(rng.normal(-14, 1, N))
    return (v * rng.gamma(4, 0.25, N))[:, None], v, np.full(N, v.mean())


def evaluation(kind: str) -> Evaluation:
    y, model, baseline = answers(kind)
    quantiles = (0.05, 0.5, 0.95)
    block = TestBlock(START + 5000 * np.arange(N), y, model, baseline, loss(kind, y, model, quantiles), loss(kind, y, baseline, quantiles))
    headline = {"lstm": "pinball_bps", "scorer": "brier", "volatility": "qlike"}[kind]
    folds = [
        EvaluatedFold(i, START + i * 3_600_000, START + (i + 1) * 3_600_000, 4000 * i, N, {headline: 0.2 / i}, {headline: 0.22}, block)
        for i in (1, 2, 3)
    ]
    return Evaluation.of(kind, TARGETS[kind], folds, quantiles)


@pytest.mark.parametrize("kind", SHAPES)
def test_every_figure_is_a_png_of_some_size(kind: str, tmp_path: Path) -> None:
    paths = plot_evaluation(evaluation(kind), tmp_path / "plots", Forest() if kind == "scorer" else None)
    assert {path.stem for path in paths} == SHAPES[kind]
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000, "more than empty axes"


def test_importing_plots_loads_no_matplotlib() -> None:
    code = "import sys, arbml.plots; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
