"""What is exported is what is stored, and `FileCollector` reads it back."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arbml.clock import FixedClock
from arbml.collectors import ExecutionFileCollector, FileCollector
from arbml.collectors.data_collector import DataCollector, export, prune
from arbml.config import CollectionConfig, StoreConfig
from arbml.errors import ConfigError, NotEnoughData, SourceError
from arbml.frames import TICKS, sort_by_knowing
from arbml.store import Store

START_MS = 1_704_412_800_000
DAY_MS = 86_400_000


def some_ticks(n: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    happened = START_MS + np.sort(rng.integers(0, 5 * DAY_MS, n))
    df_ = pd.DataFrame(
        {
            "ts_ms": happened, "ts_known_ms": happened + rng.integers(0, 60_000, n),
            "venue": rng.choice(["uniswap", "sushi, \"swap\"", "größe"], n), "pair": rng.choice(["WETH/USDC", "WBTC/USDC"], n),
            "price": np.exp(rng.normal(size=n)) / 3, "chain_id": np.where(rng.random(n) < 0.5, 1.0, np.nan),
            "volume": np.where(rng.random(n) < 0.5, rng.random(n) * 1e9, np.nan), "block_number": 19_000_000.0 + np.arange(n),
            "log_index": np.arange(n),
        }
    )  # fmt: skip
    return TICKS.check(df_)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(StoreConfig(), tmp_path / "home") as opened:
        opened.ticks.append(some_ticks())
        with DataCollector(opened, CollectionConfig(), FixedClock(START_MS)) as collector:
            for i, result in enumerate(("success", "failed", "reverted")):
                collector.record_arbitrage_execution(result, ts_ms=START_MS - i, route="buy:uniswap>sell:größe WETH/USDC", profit=0.1 * i)
                collector.record_gas_price(1, 0.1 + i, ts_ms=START_MS - i * DAY_MS)
        yield opened


def read_json(path: Path) -> list[dict[str, Any]]:
    return json.loads((gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")).read())


@pytest.mark.parametrize("name", ["all.csv", "all.csv.gz", "all.parquet", "ALL.PQ"])
def test_a_file_that_is_read_back_gives_the_same_ticks(store: Store, tmp_path: Path, name: str) -> None:
    done = export(store, tmp_path / name)
    assert (done.rows, done.start_ms, done.end_ms) == (500, int(some_ticks()["ts_ms"].min()), int(some_ticks()["ts_ms"].max()))
    back = pd.concat(FileCollector(tmp_path / name).ticks(), ignore_index=True)
    pd.testing.assert_frame_equal(sort_by_knowing(back), store.ticks.read())


def test_json_is_one_array_with_exact_numbers(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "all.json")
    rows = read_json(tmp_path / "all.json")
    stored = store.ticks.read().sort_values(["ts_ms", "block_number"], kind="stable").reset_index(drop=True)
    assert [row["price"] for row in rows] == stored["price"].tolist()
    assert [row["ts_ms"] for row in rows] == sorted(row["ts_ms"] for row in rows)
    assert {type(row["chain_id"]) for row in rows} == {int, type(None)}
    assert {row["venue"] for row in rows} == {"uniswap", "sushi, \"swap\"", "größe"}
    pd.testing.assert_frame_equal(TICKS.check(pd.DataFrame(rows)), stored)


def test_window_venues_and_pairs_choose(store: Store, tmp_path: Path) -> None:
    start, end = START_MS + DAY_MS, START_MS + 2 * DAY_MS
    done = export(store, tmp_path / "some.json", "ticks", None, start, end, ["größe"], ["WBTC/USDC"])
    rows = read_json(tmp_path / "some.json")
    df = some_ticks()
    wanted = df[(df.ts_ms >= start) & (df.ts_ms < end) & (df.venue == "größe") & (df.pair == "WBTC/USDC")]
    assert [row["price"] for row in rows] == wanted["price"].tolist()
    assert done.rows == len(wanted) > 5


def test_pieces_join_without_seam(store: Store, tmp_path: Path) -> None:
    whole = export(store, tmp_path / "whole.csv")
    told: list[float] = []
    for piece in (1, 7, 100):
        parts = export(store, tmp_path / "parts.csv", progress=told.append, piece=piece)
        assert parts.rows == whole.rows
        assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert told[-1] == 1.0


def test_executions_and_gas_prices(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "done.parquet", "executions")
    back = pd.concat(ExecutionFileCollector(tmp_path / "done.parquet", known_venues=["uniswap", "größe"]).executions())
    assert sorted(back["request_id"]) == sorted(store.executions.read()["request_id"])
    export(store, tmp_path / "gas.json", "gas", start_ms=START_MS - DAY_MS)
    assert [row["gas_price_gwei"] for row in read_json(tmp_path / "gas.json")] == [1.1, 0.1]


def test_what_goes_wrong_leaves_the_file_that_was_there(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "kept.csv"
    path.write_text("before")
    with pytest.raises(NotEnoughData, match="arbml status"):
        export(store, path, end_ms=START_MS - DAY_MS)
    with pytest.raises(ConfigError, match=r"kept\.xlsx: the name says no format; let it end in \.csv"):
        export(store, tmp_path / "kept.xlsx")
    with pytest.raises(SourceError, match=r"none/kept\.csv: cannot be written \(No such file or directory\)"):
        export(store, tmp_path / "none" / "kept.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SourceError, match="cannot be written"):
        export(store, tmp_path / "folder.csv")
    assert path.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.csv", "home", "kept.csv"]


def test_retention_deletes_what_is_older_and_nothing_else(store: Store) -> None:
    df = some_ticks()
    cut = START_MS + 3 * DAY_MS + 12_345
    collector = DataCollector(store, CollectionConfig(retention_days=90), FixedClock(cut + 90 * DAY_MS))
    done = collector.apply_retention()
    assert (done.before_ms, done.ticks, done.gas_prices) == (cut, int((df.ts_ms < cut).sum()), 3)
    assert sorted(collector.prices()["ts_ms"]) == df.ts_ms[df.ts_ms >= cut].tolist()
    assert len(collector.executions()) == 3
    assert prune(store, cut).ticks == 0
