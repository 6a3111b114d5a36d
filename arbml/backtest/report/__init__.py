"""A backtest as text, as JSON and as one self-contained HTML page."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arbml import __version__
from arbml.backtest.comparison import Arm, Comparison, compare
from arbml.backtest.metrics import metrics
from arbml.backtest.report.content import content_of, headline, main_arm, notes_of
from arbml.backtest.report.page import html_of
from arbml.backtest.report.text import text_of
from arbml.backtest.results import BacktestResult
from arbml.clock import iso

__all__ = ["Report", "generate_report", "headline", "notes_of", "to_dict"]


@dataclass(frozen=True, slots=True)
class Report:
    """One report in three forms."""

    text: str
    json: str
    html: str


def generate_report(found: Comparison | BacktestResult, path: Path | None = None, title: str = "") -> Report:
    """Write a backtest up.

    Args:
        found: a comparison, or one result.
        path: where the HTML page goes; the JSON goes beside it, with the ending .json. Nothing is written without it.
        title: for people, e.g. where the ticks come from.

    Returns:
        All three forms; JSON has neither NaN nor infinity.
    """
    comparison = found if isinstance(found, Comparison) else compare([Arm(found.name, "other", found, metrics(found))])
    content = content_of(comparison, title)
    plain = json.dumps(_finite(to_dict(comparison)), indent=1, allow_nan=False) + "\n"
    report = Report(text_of(content), plain, html_of(content))
    if path is not None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report.html, encoding="utf-8")
        path.with_suffix(".json").write_text(report.json, encoding="utf-8")
    return report


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """Return everything but ticks and ledger as plain data: the period, all arms, their equity curves, the trades of the main one."""
    arm = main_arm(comparison)
    result = arm.result
    return {
        "arbml_version": __version__,
        "token": result.token,
        "capital": result.capital,
        "start": iso(result.start_ms),
        "end": iso(result.end_ms),
        "step_ms": result.step_ms,
        "ticks": result.n_ticks,
        "moments": result.n_moments,
        "opportunities": result.n_opportunities,
        **comparison.to_dict(),
        "settings": result.settings,
        "equity": {one.name: one.result.equity[["ts_ms", "equity"]].to_dict("list") for one in comparison.arms},
        "trades": {"arm": arm.name, "rows": result.trades.to_dict("records")},
    }


def _finite(value: Any) -> Any:
    """Return plain data without NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.item() if hasattr(value, "item") else value
