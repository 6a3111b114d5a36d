"""Figures of an evaluation, for the run that made it: what was answered against what came, on the final test block.

Drawn without a display, through matplotlib's object interface, so that nothing global is touched. Every axis has its unit and every
title says which block and how many rows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arbml.clock import iso
from arbml.evaluation import Evaluation, reliability, units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL, BASELINE, ACTUAL = "#1f6feb", "#9aa4b2", "#1b1f24"
SHOWN_ROWS = 300      # of a series, so that single moves can be seen
SHOWN_FEATURES = 20
HEADLINE = {"lstm": "pinball_bps", "scorer": "brier", "volatility": "qlike"}


def plot_evaluation(evaluation: Evaluation, folder: Path, model: Any = None, threshold: float = 0.7) -> list[Path]:
    """Draw every figure of a kind of model into `folder`.

    Args:
        evaluation: of that model.
        folder: made if it is not there.
        model: asked for `feature_importance()` if it has one.
        threshold: at which the confusion table of a scorer is cut.

    Returns:
        The PNG files, in the order in which one would look at them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Callable[[Figure], None]] = {"folds": lambda figure: _folds(figure, evaluation)}
    if evaluation.kind == "lstm":
        drawn["forecast"] = lambda figure: _forecast(figure, evaluation)
        drawn["calibration"] = lambda figure: _interval_calibration(figure, evaluation)
    elif evaluation.kind == "scorer":
        drawn["reliability"] = lambda figure: _reliability(figure, evaluation)
        drawn["confusion"] = lambda figure: _confusion(figure, evaluation, threshold)
    else:
        drawn["forecast"] = lambda figure: _volatility(figure, evaluation)
        drawn["calibration"] = lambda figure: _variance_calibration(figure, evaluation)
    if hasattr(model, "feature_importance"):
        drawn["importance"] = lambda figure: _importance(figure, model.feature_importance(), evaluation)
    return [_saved(folder / f"{evaluation.kind}-{name}.png", draw) for name, draw in drawn.items()]


def _saved(path: Path, draw: "Callable[[Figure], None]") -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    draw(figure)
    figure.savefig(path)
    return path


def _axes(figure: "Figure", title: str, evaluation: Evaluation) -> "Axes":
    axes = figure.add_subplot()
    _dress(axes)
    start, end = iso(int(evaluation.ts_ms[0])), iso(int(evaluation.ts_ms[-1]))
    axes.set_title(f"{evaluation.kind}: {title}\nfinal test block {start} to {end}, n = {len(evaluation.losses)}", fontsize=10, loc="left")
    return axes


def _dress(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _minutes(evaluation: Evaluation, rows: Any) -> Any:
    return (evaluation.ts_ms[rows] - evaluation.ts_ms[rows][0]) / 60_000


def _folds(figure: "Figure", evaluation: Evaluation) -> None:
    name = HEADLINE[evaluation.kind]
    axes = _axes(figure, f"{name} of each walk-forward fold, model beside baseline (lower is better)", evaluation)
    at = np.arange(len(evaluation.folds))
    # points, not bars: a loss need not be positive, and the difference is what counts
    for shift, label, color, marker, values in (
        (-0.08, "model", MODEL, "o", [f.metrics[name] for f in evaluation.folds]),
        (0.08, "baseline", BASELINE, "s", [f.baseline_metrics.get(name, np.nan) for f in evaluation.folds]),
    ):
        axes.plot(at + shift, values, marker, color=color, markersize=9, label=label)
        for x, value in zip(at + shift, values, strict=True):
            axes.annotate(f"{value:.4g}", (x, value), textcoords="offset points", xytext=(10, -3), fontsize=8)
    axes.set_xticks(at, [f"fold {f.fold}\n{iso(f.start_ms)[5:16]}\nn = {f.n_test}" for f in evaluation.folds], fontsize=8)
    axes.set_xlim(-0.5, len(at) - 0.3)
    axes.set_ylabel(f"{name} [{units(name) or 'score'}]")
    axes.margins(y=0.2)
    axes.legend(frameon=False)


def _forecast(figure: "Figure", evaluation: Evaluation) -> None:
    """The longest horizon over the first rows of the block: outcome, median and interval."""
    h = len(evaluation.target_names) - 1
    horizon = evaluation.target_names[h].rsplit("_", 1)[1]
    axes = _axes(figure, f"log-return over the next {horizon}, forecast against actual (first {SHOWN_ROWS} rows)", evaluation)
    rows = slice(0, SHOWN_ROWS)
    minutes, answer, actual = _minutes(evaluation, rows), evaluation.prediction[rows, h] * 1e4, evaluation.y[rows, h] * 1e4
    label = f"{evaluation.quantiles[0]:.0%} to {evaluation.quantiles[-1]:.0%} interval"
    # rows of several venues share a moment, so nothing is joined by lines
    axes.vlines(minutes, answer[:, 0], answer[:, -1], color=MODEL, alpha=0.15, linewidth=3, label=label)
    axes.plot(minutes, actual, ".", color=ACTUAL, markersize=3, label="actual")
    axes.plot(minutes, answer[:, 1], "_", color=MODEL, markersize=5, label="median forecast")
    axes.set_xlabel("minutes since the start of the block")
    axes.set_ylabel("log-return [bps]")
    axes.legend(frameon=False, ncols=3, fontsize=8)


def _interval_calibration(figure: "Figure", evaluation: Evaluation) -> None:
    """Share of outcomes inside the interval, per horizon, beside what it promises."""
    axes = _axes(figure, "share of outcomes inside the forecast interval, by horizon", evaluation)
    promised = evaluation.quantiles[-1] - evaluation.quantiles[0]
    names = [name.rsplit("_", 1)[1] for name in evaluation.target_names]
    bars = axes.bar(names, evaluation.coverage, 0.5, color=MODEL, label="measured")
    axes.bar_label(bars, fmt="%.3f", fontsize=9, padding=2)
    axes.axhline(promised, color=ACTUAL, linewidth=1, linestyle="--", label=f"promised {promised:.0%}")
    axes.set_ylim(min(0.5, min(evaluation.coverage) - 0.05), 1.02)
    axes.set_xlabel("horizon")
    axes.set_ylabel("coverage [share]")
    axes.set_xlim(-0.6, len(names) + 0.2)
    axes.legend(frameon=False, loc="center right")


def _reliability(figure: "Figure", evaluation: Evaluation) -> None:
    axes = _axes(figure, "reliability: of those given probability p, how many succeeded?", evaluation)
    found = reliability(evaluation.y[:, 0], evaluation.prediction)
    axes.plot([0, 1], [0, 1], "--", color=ACTUAL, linewidth=1, label="perfect")
    axes.plot(found.predicted, found.observed, "o-", color=MODEL, label=f"model (calibration error {found.error:.3f})")
    for x, y, n in zip(found.predicted, found.observed, found.counts, strict=True):
        axes.annotate(f"n={n}", (x, y), textcoords="offset points", xytext=(6, -10), fontsize=8)
    base = float(evaluation.y[:, 0].mean())
    axes.axhline(base, color=BASELINE, linewidth=1, label=f"base rate {base:.2f}")
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="predicted success probability", ylabel="observed success rate [share]")
    axes.legend(frameon=False, loc="upper left")


def _confusion(figure: "Figure", evaluation: Evaluation, threshold: float) -> None:
    axes = _axes(figure, f"confusion at threshold {threshold:g}", evaluation)
    axes.grid(visible=False)
    called, success = evaluation.prediction >= threshold, evaluation.y[:, 0] > 0.5
    counts = np.array([[np.sum(~success & ~called), np.sum(~success & called)], [np.sum(success & ~called), np.sum(success & called)]])
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=max(1, int(counts.max() * 1.6)))
    for i in range(2):
        for j in range(2):
            share = counts[i, j] / max(1, counts.sum())
            axes.text(j, i, f"{counts[i, j]}\n({share:.0%})", ha="center", va="center", fontsize=13)
    axes.set_xticks([0, 1], [f"p < {threshold:g}", f"p >= {threshold:g}"])
    axes.set_yticks([0, 1], ["did not succeed", "succeeded"])


def _importance(figure: "Figure", importance: dict[str, float], evaluation: Evaluation) -> None:
    axes = _axes(figure, f"feature importance (largest {min(SHOWN_FEATURES, len(importance))} of {len(importance)})", evaluation)
    top = sorted(importance.items(), key=lambda item: item[1])[-SHOWN_FEATURES:]
    axes.barh([name for name, _ in top], [value for _, value in top], color=MODEL)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel("mean decrease in impurity [share]")


def _volatility(figure: "Figure", evaluation: Evaluation) -> None:
    axes = _axes(figure, f"volatility over the window, forecast against realized (first {SHOWN_ROWS} rows)", evaluation)
    rows = slice(0, SHOWN_ROWS)
    minutes = _minutes(evaluation, rows)
    for values, color, marker, label in (
        (evaluation.y[rows, 0], ACTUAL, ".", "realized"),
        (evaluation.final.baseline_prediction[rows], BASELINE, "_", "baseline"),
        (evaluation.prediction[rows], MODEL, "_", "model"),
    ):
        axes.plot(minutes, np.sqrt(np.maximum(values, 0)) * 1e4, marker, color=color, markersize=4, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("minutes since the start of the block")
    axes.set_ylabel("standard deviation of the log-return over the window [bps]")
    axes.legend(frameon=False, ncols=3, fontsize=8)


def _variance_calibration(figure: "Figure", evaluation: Evaluation) -> None:
    """Rows sorted by forecast into ten bins: is the realized variance of each what was forecast?"""
    axes = _axes(figure, "realized against forecast volatility, in ten bins of forecast", evaluation)
    order = np.array_split(np.argsort(evaluation.prediction, kind="stable"), 10)
    forecast = np.array([np.sqrt(evaluation.prediction[rows].mean()) for rows in order if len(rows)]) * 1e4
    realized = np.array([np.sqrt(evaluation.y[rows, 0].mean()) for rows in order if len(rows)]) * 1e4
    ends = [min(forecast.min(), realized.min()), max(forecast.max(), realized.max())]
    axes.plot(ends, ends, "--", color=ACTUAL, linewidth=1, label="perfect")
    axes.plot(forecast, realized, "o", color=MODEL, label="model, one bin of rows each")
    axes.set_xlabel("forecast volatility [bps]")
    axes.set_ylabel("realized volatility [bps]")
    axes.legend(frameon=False)
