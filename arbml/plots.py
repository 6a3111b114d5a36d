"""Figures of an evaluation, for the run that made it: what was answered against what came.

Drawn without a display, through matplotlib's object interface, so that nothing global is touched. Every axis has its unit and every
title says which block, or which part of the data, and how many rows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from arbml.clock import iso
from arbml.evaluation import LOSS_NAMES, Evaluation, reliability, units
from arbml.evaluation.losses import BPS
from arbml.models.proportion import wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = NDArray[np.intp]

MODEL, BASELINE, ACTUAL = "#1f6feb", "#9aa4b2", "#1b1f24"
SHOWN_ROWS = 240      # of a stream, so that single moves can be seen
SHOWN_STREAMS = 3     # those with most rows, one panel each
SHOWN_FEATURES = 20
BIN_ROWS = 75         # of a reliability bin: fewer say little, more hide the shape
SMALLEST_BPS = 1e-3   # of a volatility on a log axis, which has no zero
HEADLINE = {"lstm": "pinball loss", "scorer": "Brier score", "volatility": "QLIKE"}


def plot_evaluation(evaluation: Evaluation, folder: Path, model: Any = None) -> list[Path]:
    """Draw every figure of a kind of model into `folder`.

    Args:
        evaluation: of that model.
        folder: made if it is not there.
        model: drawn too are its `feature_importance()` and its loss per epoch, `history`, if it has them.

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
        drawn["confusion"] = lambda figure: _confusion(figure, evaluation)
    else:
        drawn["forecast"] = lambda figure: _volatility(figure, evaluation)
        drawn["calibration"] = lambda figure: _variance_calibration(figure, evaluation)
    if hasattr(model, "feature_importance"):
        drawn["importance"] = lambda figure: _importance(figure, model.feature_importance(), evaluation)
    if getattr(model, "history", None):
        drawn["epochs"] = lambda figure: _epochs(figure, model.history, evaluation)
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
    _entitle(figure, title, evaluation)
    axes = figure.add_subplot()
    _dress(axes)
    return axes


def _entitle(figure: "Figure", title: str, evaluation: Evaluation, where: str = "") -> None:
    """Write the title, and under it which rows are meant: the final test block if `where` does not say otherwise."""
    start, end = _moment(evaluation.ts_ms[0]), _moment(evaluation.ts_ms[-1])
    where = where or f"final test block, {start} to {end} UTC, n = {len(evaluation.losses)}"
    figure.suptitle(f"{evaluation.kind}: {title}\n{where}", fontsize=10, x=0.01, ha="left")


def _moment(ts_ms: Any) -> str:
    return iso(int(ts_ms))[:16].replace("T", " ")


def _dress(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def _panels(figure: "Figure", evaluation: Evaluation) -> "list[tuple[Axes, Rows]]":
    """Return one panel for each of the streams with most rows, with its first rows; streams in one panel would hide each other."""
    streams, of = evaluation.final.streams or ("",), evaluation.final.stream_of
    of = of if len(of) else np.zeros(len(evaluation.losses), np.int64)
    counts = np.bincount(of, minlength=len(streams))
    shown = sorted(np.argsort(-counts, kind="stable")[:SHOWN_STREAMS].tolist())
    rows = {streams[stream]: np.flatnonzero(of == stream)[:SHOWN_ROWS] for stream in shown if counts[stream]}
    panels = figure.subplots(len(rows), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, rows, strict=True):
        _dress(axes)
        axes.set_title(name, fontsize=8, loc="left", pad=2)
    panels[-1].set_xlabel("minutes since the start of the block")
    return list(zip(panels, rows.values(), strict=True))


def _minutes(evaluation: Evaluation, rows: Rows) -> Any:
    return (evaluation.ts_ms[rows] - evaluation.ts_ms[0]) / 60_000


def _folds(figure: "Figure", evaluation: Evaluation) -> None:
    name, folds = LOSS_NAMES[evaluation.kind], evaluation.folds
    where = f"test blocks of {len(folds)} folds, {_moment(folds[0].start_ms)} to {_moment(folds[-1].end_ms)} UTC"
    _entitle(figure, f"{HEADLINE[evaluation.kind]} of each walk-forward fold, model beside baseline (lower is better)", evaluation, where)
    axes = figure.add_subplot()
    _dress(axes)
    at = np.arange(len(folds))
    # points, not bars: a loss need not be positive, and the difference is what counts
    for shift, label, color, marker, values in (
        (-0.08, "model", MODEL, "o", [fold.metrics[name] for fold in folds]),
        (0.08, "baseline", BASELINE, "s", [fold.baseline_metrics.get(name, np.nan) for fold in folds]),
    ):
        axes.plot(at + shift, values, marker, color=color, markersize=9, label=label)
        for x, value in zip(at + shift, values, strict=True):
            axes.annotate(f"{value:#.4g}", (x, value), textcoords="offset points", xytext=(10, -3), fontsize=8)
    axes.set_xticks(at, [f"fold {fold.fold}\nfrom {_moment(fold.start_ms)}\nn = {fold.n_test}" for fold in folds], fontsize=8)
    axes.set_xlim(-0.5, len(at) - 0.3)
    axes.set_ylabel(f"mean {HEADLINE[evaluation.kind]} [{units(name)}]")
    axes.margins(y=0.25)
    axes.legend(frameon=False, loc="best")


def _epochs(figure: "Figure", history: dict[str, list[float]], evaluation: Evaluation) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs, best = np.arange(len(history["val_loss"])), int(np.argmin(history["val_loss"]))
    _entitle(figure, "loss by epoch of the last fold's fit", evaluation, "training and validation rows before the final test block")
    axes = figure.add_subplot()
    _dress(axes)
    axes.plot(epochs, history["loss"], ".-", color=BASELINE, label="training, the rows of the epoch, with dropout")
    axes.plot(epochs, history["val_loss"], ".-", color=MODEL, label="validation")
    axes.plot(best, history["val_loss"][best], "o", color=ACTUAL, markersize=9, fillstyle="none", label=f"kept: epoch {best}")
    axes.set_xlabel("epoch (0: the start, at the baseline and the line)")
    axes.set_ylabel("mean pinball loss [standard deviations of the return]")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)


def _forecast(figure: "Figure", evaluation: Evaluation) -> None:
    """The longest horizon over the first rows of each stream: outcome, median and interval."""
    h = len(evaluation.target_names) - 1
    horizon = evaluation.target_names[h].rsplit("_", 1)[1]
    _entitle(figure, f"log-return over the next {horizon}, forecast against actual, first {SHOWN_ROWS} rows of each stream", evaluation)
    promised = f"{evaluation.quantiles[0]:.0%} to {evaluation.quantiles[-1]:.0%} interval"
    for axes, rows in _panels(figure, evaluation):
        minutes, answer = _minutes(evaluation, rows), evaluation.prediction[rows, h] * BPS
        axes.fill_between(minutes, answer[:, 0], answer[:, -1], step="mid", color=MODEL, alpha=0.18, linewidth=0, label=promised)
        axes.plot(minutes, answer[:, 1], color=MODEL, linewidth=1, label="median forecast")
        axes.plot(minutes, evaluation.y[rows, h] * BPS, ".", color=ACTUAL, markersize=3, label="actual")
        axes.set_ylabel("log-return [bps]")
    figure.axes[0].legend(frameon=False, ncols=3, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0.0)


def _interval_calibration(figure: "Figure", evaluation: Evaluation) -> None:
    """Share of outcomes inside the interval, per horizon, beside what it promises."""
    axes = _axes(figure, "share of outcomes inside the forecast interval, by horizon", evaluation)
    promised = evaluation.quantiles[-1] - evaluation.quantiles[0]
    names = [name.rsplit("_", 1)[1] for name in evaluation.target_names]
    at, found = np.arange(len(names)), np.array(evaluation.coverage)
    axes.axhspan(promised - 0.02, promised + 0.02, color=BASELINE, alpha=0.15, linewidth=0, label="within 2 points")
    axes.axhline(promised, color=ACTUAL, linewidth=1, linestyle="--", label=f"promised {promised:.0%}")
    axes.plot(at, found, "o", color=MODEL, markersize=9, label="measured")
    for x, value in zip(at, found, strict=True):
        axes.annotate(f"{value:.1%}", (x, value), textcoords="offset points", xytext=(9, 5), fontsize=9)
    axes.set_xticks(at, names)
    axes.set_xlim(-0.5, len(at) - 0.3)
    axes.set_ylim(min(promised - 0.1, found.min() - 0.03), 1.005)
    axes.set_xlabel("horizon")
    axes.set_ylabel("coverage [share]")
    axes.legend(frameon=False, loc="lower right")


def _reliability(figure: "Figure", evaluation: Evaluation) -> None:
    _entitle(figure, "reliability: of those given probability p, how many succeeded?", evaluation)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    success, probability = evaluation.y[:, 0], evaluation.prediction
    found = reliability(success, probability, bins=int(np.clip(len(success) / BIN_ROWS, 5, 20)))
    low, high = wilson(found.observed, found.counts)
    _dress(axes)
    axes.plot([0, 1], [0, 1], "--", color=ACTUAL, linewidth=1, label="perfect")
    axes.axhline(float(success.mean()), color=BASELINE, linewidth=1, label=f"base rate {success.mean():.1%}")
    axes.errorbar(
        found.predicted, found.observed, yerr=[found.observed - low, high - found.observed], fmt="o", color=MODEL, elinewidth=1,
        label=f"model, {len(found.counts)} bins with 95% interval (calibration error {reliability(success, probability).error:.3f})",
    )
    axes.set(ylim=(-0.02, 1.02), ylabel="succeeded [share]")
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    _dress(below)
    below.hist(probability, bins=np.linspace(0, 1, 41).tolist(), color=MODEL)
    below.set(yscale="log", xlim=(-0.01, 1.01), xlabel="predicted success probability", ylabel="rows (log)")


def _confusion(figure: "Figure", evaluation: Evaluation, threshold: float = 0.5) -> None:
    axes = _axes(figure, "confusion: what was thought more likely, and what happened", evaluation)
    axes.grid(visible=False)
    called, success = evaluation.prediction >= threshold, evaluation.y[:, 0] > 0.5
    counts = np.array([[np.sum(~success & ~called), np.sum(~success & called)], [np.sum(success & ~called), np.sum(success & called)]])
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=max(1, int(counts.max() * 1.6)), aspect="auto")
    for i in range(2):
        of_outcome = max(1, int(counts[i].sum()))
        for j in range(2):
            text = f"{counts[i, j]} rows\n{counts[i, j] / of_outcome:.1%} of this outcome"
            axes.text(j, i, text, ha="center", va="center", fontsize=12)
    axes.set_xticks([0, 1], [f"p < {threshold:g}: no success", f"p >= {threshold:g}: success"])
    axes.set_yticks([0, 1], ["did not succeed", "succeeded"], rotation=90, va="center")
    axes.set_xlabel("what the model thinks more likely (whether to send depends on what is at stake, too)")
    axes.set_ylabel("what happened")


def _importance(figure: "Figure", importance: dict[str, float], evaluation: Evaluation) -> None:
    title = f"feature importance, the largest {min(SHOWN_FEATURES, len(importance))} of {len(importance)}"
    _entitle(figure, title, evaluation, "measured on the training rows before the final test block")
    axes = figure.add_subplot()
    _dress(axes)
    top = sorted(importance.items(), key=lambda item: item[1])[-SHOWN_FEATURES:]
    axes.barh([name for name, _ in top], [value for _, value in top], color=MODEL)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlabel("mean decrease in impurity [share of the total]")


def _volatility(figure: "Figure", evaluation: Evaluation) -> None:
    _entitle(figure, f"volatility over the window, forecast against realized, first {SHOWN_ROWS} rows of each stream", evaluation)
    for axes, rows in _panels(figure, evaluation):
        minutes = _minutes(evaluation, rows)
        for values, style, color, label in (
            (evaluation.final.baseline_prediction[rows], "-", BASELINE, "baseline"),
            (evaluation.prediction[rows], "-", MODEL, "model"),
            (evaluation.y[rows, 0], ".", ACTUAL, "realized"),
        ):
            shown = np.where(values > 0, np.sqrt(np.maximum(values, 0)) * BPS, np.nan)  # a log axis has no zero
            axes.plot(minutes, shown, style, color=color, markersize=3, linewidth=1.2, label=label)
        axes.set_yscale("log")
        _plain_log(axes.yaxis)
        axes.set_ylabel("[bps]")
    figure.supylabel("standard deviation of the log-return over the window", fontsize=9)
    figure.axes[0].legend(frameon=False, ncols=3, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0.0)


def _plain_log(axis: Any) -> None:
    """Write 10, 15, 20, 30 rather than powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _variance_calibration(figure: "Figure", evaluation: Evaluation) -> None:
    """Rows sorted by forecast into ten bins: is the realized variance of each what was forecast?"""
    axes = _axes(figure, "realized against forecast volatility, in ten bins of forecast", evaluation)
    ends: list[float] = []
    for label, color, marker, answer in (
        ("baseline", BASELINE, "s", evaluation.final.baseline_prediction), ("model", MODEL, "o", evaluation.prediction),
    ):
        bins = [rows for rows in np.array_split(np.argsort(answer, kind="stable"), 10) if len(rows)]
        forecast = np.array([np.sqrt(answer[rows].mean()) for rows in bins]) * BPS
        realized = np.array([np.sqrt(evaluation.y[rows, 0].mean()) for rows in bins]) * BPS
        realized = np.maximum(realized, SMALLEST_BPS)
        axes.plot(forecast, realized, marker, color=color, label=f"{label}, one bin of rows each")
        ends += [*forecast, *realized]
    axes.plot([min(ends), max(ends)], [min(ends), max(ends)], "--", color=ACTUAL, linewidth=1, label="perfect")
    axes.set(xscale="log", yscale="log")
    _plain_log(axes.xaxis)
    _plain_log(axes.yaxis)
    axes.set_xlabel("forecast volatility of the window [bps]")
    axes.set_ylabel("realized volatility of the window [bps]")
    axes.legend(frameon=False)
