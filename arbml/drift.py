"""Have the inputs moved since the champion was trained? The only door to evidently.

Drift is judged by an effect size, the population stability index (PSI) of each feature between the champion's frozen reference
and current rows, never by a p-value: with many rows those flag what does not matter.
"""

import io
import json
import warnings
from collections.abc import Collection
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from arbml.config import MonitorConfig
from arbml.errors import NotEnoughData

MIN_ROWS = 100


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """One feature's population stability index: below 0.1 stable, above 0.2 moved (the usual reading)."""

    feature: str
    psi: float
    drifted: bool


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What moved. `share` is the share of compared features that drifted; `skipped` says why some were not compared."""

    model: str
    rows_reference: int
    rows_current: int
    features: tuple[FeatureDrift, ...]
    skipped: dict[str, str]
    share: float
    drifted: bool
    html: str
    json: str

    @property
    def worst(self) -> tuple[FeatureDrift, ...]:
        """The features that drifted, largest first."""
        return tuple(sorted((f for f in self.features if f.drifted), key=lambda f: -f.psi))

    def text(self) -> str:
        """One line for people."""
        worst = ", ".join(f"{f.feature} {f.psi:.2f}" for f in self.worst[:3])
        count = sum(f.drifted for f in self.features)
        verdict = "DRIFT" if self.drifted else "no drift"
        return f"{self.model}: {verdict}, {count} of {len(self.features)} features moved" + (f" (PSI: {worst})" if worst else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def detect_drift(
    model: str,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    monitor: MonitorConfig,
    out_dir: Path,
    by_design: Collection[str] = (),
) -> DriftReport:
    """Compare current feature rows with the champion's frozen reference and write HTML and JSON reports.

    Args:
        model: which champion, for names and titles.
        reference: feature rows the champion was trained on, (n, f).
        current: feature rows of now, (m, f); columns are matched by name.
        monitor: thresholds: `feature_drift_psi` for one feature, `max_drift` for the share of features.
        out_dir: gets `drift-<model>.html` and `drift-<model>.json`.
        by_design: features that move by construction (time of day over a short window): named in `skipped`.

    Raises:
        NotEnoughData: with fewer than 100 rows on either side, or no feature in common.
    """
    for name, frame in (("reference rows", reference), ("current rows", current)):
        if len(frame) < MIN_ROWS:
            raise NotEnoughData(f"{name} for the drift report of {model}", len(frame), MIN_ROWS)
    columns, skipped = _comparable(reference, current, by_design)
    if not columns:
        raise NotEnoughData(f"features in common for the drift report of {model}", 0, 1, "check that both come from one source")
    out_dir.mkdir(parents=True, exist_ok=True)
    html, js = out_dir / f"drift-{model}.html", out_dir / f"drift-{model}.json"
    values = _run_evidently(reference[columns], current[columns], monitor, html)
    features = tuple(FeatureDrift(c, values[c], values[c] > monitor.feature_drift_psi) for c in columns)
    share = float(np.mean([f.drifted for f in features]))
    report = DriftReport(
        model, len(reference), len(current), features, skipped, share, share > monitor.max_drift, str(html), str(js)
    )
    js.write_text(json.dumps(report.to_dict(), indent=2) + "\n")
    return report


def _comparable(
    reference: pd.DataFrame, current: pd.DataFrame, by_design: Collection[str]
) -> tuple[list[str], dict[str, str]]:
    columns, skipped = [], {}
    for column in reference.columns:
        if column in by_design:
            skipped[column] = "moves by design"
        elif column not in current.columns:
            skipped[column] = "not in the current rows"
        elif reference[column].notna().sum() < MIN_ROWS or current[column].notna().sum() < MIN_ROWS:
            skipped[column] = "missing in the reference or now"
        else:
            columns.append(str(column))
    return columns, skipped


def _run_evidently(reference: pd.DataFrame, current: pd.DataFrame, monitor: MonitorConfig, html: Path) -> dict[str, float]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    columns = list(reference.columns)
    definition = DataDefinition(numerical_columns=columns)
    preset = DataDriftPreset(
        columns=columns, num_method="psi", num_threshold=monitor.feature_drift_psi, drift_share=monitor.max_drift
    )
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # it warns of every constant column
        warnings.simplefilter("ignore")
        snapshot = Report([preset]).run(
            Dataset.from_pandas(current, data_definition=definition), Dataset.from_pandas(reference, data_definition=definition)
        )
        snapshot.save_html(str(html))
        metrics = snapshot.dict()["metrics"]
    return {m["config"]["column"]: float(m["value"]) for m in metrics if "column" in m["config"]}
