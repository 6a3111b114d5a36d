"""Writes what is derived from the engine: the table in docs/features.md and the golden values.

`python -m tests.features.regenerate` after a deliberate change of a feature; raise KERNEL_VERSION if a kernel changed.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from arbml.features import FEATURE_NAMES, FEATURES, ROUTE_FEATURES, FeatureSpec, compute_features, feature_set_id
from arbml.frames import ticks_to_frame
from arbml.market import Tick

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "features.md"
GOLDEN = ROOT / "tests" / "golden" / "features.json"
BEGIN, END = "<!-- table: {} -->", "<!-- end of table -->"


def ticks() -> list[Tick]:
    """Ten minutes of two venues, from whole numbers only."""
    out = []
    for i in range(240):
        ts_ms = 1_704_412_823_000 + 2_500 * i + (i % 7) * 100
        wave = (i * i) % 41 - 20
        out.append(Tick(
            ts_ms=ts_ms, ts_known_ms=ts_ms + 50 * (i % 5), venue="ab"[i % 2], pair="WETH/USDC",
            price=2_000 + wave / 8 + (i % 2) * ((i // 30) % 3 - 1), fee_bps=5.0 + 25 * (i % 2),
            volume=None if i % 11 == 0 else 100.0 * ((i * 13) % 9), liquidity=None if i % 6 else 1e6 + 1000 * i,
            gas_price_gwei=10.0 + (i // 5) % 8 + (i % 50 == 0) * 40, reserve_base=500.0 + i, reserve_quote=1e6 - 700 * (i % 9),
        ))
    return out


def golden() -> dict[str, Any]:
    """The features of the last twenty of these ticks."""
    df = compute_features(ticks_to_frame(ticks())).iloc[-20:]
    rows = [[None if v != v else v for v in row] for row in df[list(FEATURE_NAMES)].to_numpy().tolist()]
    return {"feature_set_id": feature_set_id(), "names": list(FEATURE_NAMES), "rows": rows}


def table(specs: Iterable[FeatureSpec]) -> str:
    """The specs as a Markdown table."""
    lines = ["| feature | unit | lookback | meaning | formula | source |", "|---|---|---|---|---|---|"]
    for spec in specs:
        lookback = f"{spec.lookback_s} s" if spec.lookback_s else "the tick"
        cells = (f"`{spec.name}`", spec.unit, lookback, spec.description, spec.formula.replace("|", "\\|"), spec.source)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def documented(text: str) -> str:
    """The text of docs/features.md with its tables brought up to date."""
    for name, specs in (("market", FEATURES), ("route", ROUTE_FEATURES)):
        head, begin, rest = text.partition(BEGIN.format(name))
        _, end, tail = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"{DOCS} lacks the marks of the table '{name}'")
        text = f"{head}{begin}\n{table(specs)}\n{end}{tail}"
    return text


if __name__ == "__main__":
    DOCS.write_text(documented(DOCS.read_text()))
    GOLDEN.parent.mkdir(exist_ok=True)
    head, rows = json.dumps({**golden(), "rows": []}), golden()["rows"]
    GOLDEN.write_text(head.replace('"rows": []', '"rows": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]") + "\n")
