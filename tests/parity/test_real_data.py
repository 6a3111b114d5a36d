"""Parity on the recordings that the project is judged on, where they lie beside the checkout."""

from pathlib import Path

import pandas as pd
import pytest

from arbml.collectors import FileCollector
from arbml.features import FEATURE_NAMES, check_parity, compute_features

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["uniswap_v3_weth_usdc_2024-01-05_blocks.parquet", "weth_usdc_polygon_minute_2022.parquet"])
def test_real_ticks(name: str) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"no ../shared/data/{name} beside the checkout: the real recordings are not part of the project")
    ticks = pd.concat(FileCollector(SHARED / name).ticks(), ignore_index=True).iloc[:60_000]
    features = compute_features(ticks)
    report = check_parity(ticks, features, restarts=3)
    assert report.equal, report.text()
    assert report.late == 0
    assert features["realized_volatility"].notna().mean() > 0.9
    assert features[list(FEATURE_NAMES)].notna().any().sum() >= 20
