"""Every figure is drawn from realistic answers, says its block and units, and touches nothing global."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from arbml.evaluation import Evaluation
from arbml.evaluation.losses import loss
from arbml.evaluation.results import EvaluatedFold, TestBlock
from arbml.plots import _folds, _forecast, _reliability, _volatility, plot_evaluation

START = 1_704_067_200_000
N = 500
SHAPES = {
    "lstm": {"lstm-folds", "lstm-forecast", "lstm-calibration", "lstm-epochs"},
    "scorer": {"scorer-folds", "scorer-reliability", "scorer-confusion", "scorer-importance"},
    "volatility": {"volatility-folds", "volatility-forecast", "volatility-calibration"},
}
TARGETS = {"lstm": ("log_return_5s", "log_return_30s"), "scorer": ("success",), "volatility": ("realized_variance",)}


class Network:
    history: ClassVar = {"loss": [0.21, 0.2, 0.19, 0.18], "val_loss": [0.2, 0.19, 0.185, 0.19]}


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
    losses = [loss(kind, y, answer, quantiles) for answer in (model, baseline)]
    streams = ("a|W/U", "b|W/U", "never|W/U")
    block = TestBlock(START + 5000 * np.arange(N), y, model, baseline, *losses, 6, streams, np.arange(N) % 3 % 2)
    headline = {"lstm": "pinball_bps", "scorer": "brier", "volatility": "qlike"}[kind]
    folds = [
        EvaluatedFold(i, START + i * 3_600_000, START + (i + 1) * 3_600_000, 4000 * i, N, {headline: 0.2 / i}, {headline: 0.22}, block)
        for i in (1, 2, 3)
    ]
    return Evaluation.of(kind, TARGETS[kind], folds, quantiles)


@pytest.mark.parametrize("kind", SHAPES)
def test_every_figure_is_a_png_of_some_size(kind: str, tmp_path: Path) -> None:
    model = {"scorer": Forest(), "lstm": Network(), "volatility": None}[kind]
    paths = plot_evaluation(evaluation(kind), tmp_path / "plots", model)
    assert {path.stem for path in paths} == SHAPES[kind]
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000, "more than empty axes"


def test_answers_at_the_edge_are_drawn_too(tmp_path: Path) -> None:
    """No move at all, one probability for everything, streams not known, a model that says nothing of itself."""
    for kind in SHAPES:
        usual = evaluation(kind)
        y = np.zeros_like(usual.y)
        constant = np.full_like(usual.prediction, 0.3 if kind == "scorer" else 1e-8)
        losses = loss(kind, y, constant, (0.05, 0.5, 0.95))
        block = replace(usual.final, y=y, prediction=constant, losses=losses, streams=(), stream_of=np.empty(0, np.int64))
        assert len(plot_evaluation(replace(usual, final=block), tmp_path / kind)) == 3


def test_every_axis_says_what_it_shows_and_every_title_where_from() -> None:
    from matplotlib.figure import Figure

    for kind in SHAPES:
        found = evaluation(kind)
        for draw in (_folds, _forecast if kind == "lstm" else _volatility if kind == "volatility" else _reliability):
            figure = Figure(figsize=(9, 5), layout="constrained")
            draw(figure, found)
            title = figure.get_suptitle()
            assert title.startswith(f"{kind}: ")
            assert "2024-01-01" in title
            assert all(axes.get_ylabel() for axes in figure.axes)
            assert figure.axes[-1].get_xlabel() or draw is _folds


def test_importing_plots_loads_no_matplotlib() -> None:
    code = "import sys, arbml.plots; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
