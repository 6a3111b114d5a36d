"""Wrong files given to the real command: exit 2, one line that names file, column, row and mend, and nothing written."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.e2e.kit import Done, arbml, rows

START_MS = 1_704_412_800_000


def ticks(**changes: Sequence[Any]) -> pd.DataFrame:
    """Six rows of two venues, with some columns replaced."""
    whole = {
        "ts_ms": [START_MS + 1000 * i for i in range(6)],
        "venue": ["uniswap", "sushiswap"] * 3,
        "pair": ["WETH/USDC"] * 6,
        "price": [2269.7, 2271.1, 2269.9, 2270.4, 2270.2, 2270.0],
    }
    return pd.DataFrame(whole | changes)


def price(row: int, value: Any) -> pd.DataFrame:
    df = ticks()
    prices = df["price"].astype(object)
    prices[row - 1] = value
    return ticks(price=prices.tolist())


def executions(**changes: Sequence[Any]) -> pd.DataFrame:
    whole = {
        "ts_ms": [START_MS, START_MS + 2000],
        "result": ["success", "reverted"],
        "route": ["buy:uniswap>sell:sushiswap WETH/USDC"] * 2,
    }
    return pd.DataFrame(whole | changes)


def csv(df: pd.DataFrame) -> Callable[[Path], None]:
    return lambda path: df.to_csv(path, index=False, na_rep="NaN")


def parquet(df: pd.DataFrame) -> Callable[[Path], None]:
    return lambda path: df.to_parquet(path, index=False)


def half(df: pd.DataFrame) -> Callable[[Path], None]:
    """Parquet, cut in the middle."""

    def write(path: Path) -> None:
        df.to_parquet(path, index=False)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return write


def cut(path: Path) -> None:
    """CSV, cut in the middle of its fifth row."""
    ticks().to_csv(path, index=False)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], lines[5][:20]]))


DROP = "; mend or drop the row"
AGAIN = "; copy or write it again"
TICK_FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "no column": (
        "t.csv", csv(ticks().drop(columns="price")),
        "column 'price' is missing; the file has ts_ms, venue, pair; say --map \"price=COLUMN\"",
    ),
    "text": ("t.csv", csv(price(3, "cheap")), f"column 'price', row 3: 'cheap' is not a number{DROP}"),
    "text in parquet": (
        "t.parquet", parquet(price(3, "cheap").astype({"price": str})), f"column 'price', row 3: 'cheap' is not a number{DROP}",
    ),
    "negative": ("t.csv", csv(price(2, -2271.1)), f"column 'price', row 2: -2271.1 must be positive{DROP}"),
    "zero": ("t.parquet", parquet(price(6, 0.0).astype({"price": float})), f"column 'price', row 6: 0.0 must be positive{DROP}"),
    "NaN": ("t.csv", csv(price(4, float("nan"))), f"column 'price', row 4: nan is not a number{DROP}"),
    "nothing": ("t.csv", csv(price(2, "")), f"column 'price', row 2: is empty{DROP}"),
    "infinite": ("t.csv", csv(price(5, float("inf"))), f"column 'price', row 5: inf is infinite{DROP}"),
    "unsorted": (
        "t.csv", csv(ticks().iloc[[0, 2, 1, 3, 4, 5]]),
        f"column 'ts_ms', row 3: {START_MS + 1000} comes after {START_MS + 2000}: "
        "the rows are not in order of time; sort the file, or say --sort",
    ),
    "repeated": (
        "t.csv", csv(ticks().iloc[[0, 1, 1, 2, 3, 4]]),
        "columns venue, pair, ts_ms, log_index, row 3: same values as row 2 (1 repeats in all); "
        "drop them, or say --dedupe to keep the first of each, or map log_index",
    ),
    "seconds": (
        "t.csv", csv(ticks(ts_ms=[START_MS // 1000 + i for i in range(6)])),
        f"column 'ts_ms': times are in seconds, not milliseconds (row 1: {START_MS // 1000}); say --map 'ts_ms=ts_ms*1000'",
    ),
    "one in seconds": (
        "t.csv", csv(ticks(ts_ms=[*(START_MS + 1000 * i for i in range(5)), START_MS // 1000])),
        f"column 'ts_ms', row 6: {START_MS // 1000} is not a time in UTC milliseconds{DROP}",
    ),
    "pair": (
        "t.csv", csv(ticks(pair=["WETH/USDC"] * 5 + ["WETHUSDC"])),
        f"column 'pair', row 6: 'WETHUSDC' is not BASE/QUOTE; say --map \"pair='WETH/USDC'\"{DROP}",
    ),
    "empty": ("t.csv", lambda path: path.touch(), f"the file is empty (0 bytes){AGAIN}"),
    "header only": ("t.csv", csv(ticks().head(0)), "no rows, only the header ts_ms, venue, pair, price; write the file again, with rows"),
    "directory": ("t.csv", lambda path: path.mkdir(), "it is a directory; give one file, or repeat the option for each"),
    "half a parquet": ("t.parquet", half(ticks()), "cut short: the Parquet footer is missing; copy or write the file again"),
    "half a csv": ("t.csv", cut, "row 5: expected 4 columns, got 2; the file is cut short there, or a field holds an unquoted comma"),
    "other ending": ("t.xlsx", csv(ticks()), "unknown file type; it must end in .parquet, .pq, .csv, .csv.gz"),
    "missing": ("t.csv", lambda path: None, "no such file; check the path"),
}  # fmt: skip

EXECUTION_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "venue": (
        csv(executions(route=["buy:uniswap>sell:sushiswap WETH/USDC", "buy:uniswop>sell:sushiswap WETH/USDC"])),
        "column 'route', row 2: no tick has venue 'uniswop'; did you mean 'uniswap'?",
    ),
    "result": (
        csv(executions(result=["success", "maybe"])),
        f"column 'result', row 2: 'maybe' is not one of success, failed, reverted{DROP}",
    ),
    "time": (csv(executions(ts_ms=[START_MS, -1])), f"column 'ts_ms', row 2: -1 is not a time in UTC milliseconds{DROP}"),
    "missing": (lambda path: None, "no such file; check the path"),
}  # fmt: skip


def refused(done: Done, message: str, home: Path) -> None:
    assert done.errors == (f"arbml: {message}",)
    assert done.code == 2
    assert done.out == ""
    assert rows(home) == {}
    assert not home.exists(), "nothing at all was written"


@pytest.mark.parametrize("case", TICK_FILES)
def test_a_wrong_tick_file(case: str, tmp_path: Path) -> None:
    name, write, message = TICK_FILES[case]
    path, home = tmp_path / name, tmp_path / "home"
    write(path)
    refused(arbml("collect", "file", str(path), home=home), f"{path}: {message}", home)


@pytest.mark.parametrize("case", EXECUTION_FILES)
def test_a_wrong_execution_file_keeps_the_good_ticks_out_too(case: str, tmp_path: Path) -> None:
    write, message = EXECUTION_FILES[case]
    good, path, home = tmp_path / "good.csv", tmp_path / "bot.csv", tmp_path / "home"
    ticks().to_csv(good, index=False)
    write(path)
    refused(arbml("collect", "file", str(good), "--executions", str(path), home=home), f"{path}: {message}", home)


@pytest.mark.parametrize("case", ["text", "half a parquet"])
def test_a_whole_run_on_a_wrong_file(case: str, tmp_path: Path) -> None:
    name, write, message = TICK_FILES[case]
    good, path, home = tmp_path / "good.csv", tmp_path / name, tmp_path / "home"
    ticks().to_csv(good, index=False)
    write(path)
    done = arbml("run", "--ticks", str(good), "--ticks", str(path), home=home)
    refused(done, f"{path}: {message}", home)


@pytest.mark.parametrize("text", ["ts_ms=", "no-such-map", "price=close*x"])
def test_a_wrong_column_map(text: str, tmp_path: Path) -> None:
    path, home = tmp_path / "t.csv", tmp_path / "home"
    ticks().to_csv(path, index=False)
    done = arbml("collect", "file", str(path), "--map", text, home=home)
    assert (done.code, len(done.errors), home.exists()) == (2, 1, False)
    assert "column map" in done.errors[0]


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A folder with little room, the options of a process that writes there, and how to give it more room."""

    folder: Path
    options: dict[str, Any]
    free: Callable[[], object]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Room for 2 MB: a file system of that size where we may mount one, otherwise a limit on the size of one file."""
    folder = tmp_path / "small"
    folder.mkdir()

    def mount(options: str) -> int:
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False).returncode

    if os.geteuid() == 0 and mount("size=2m") == 0:
        try:
            yield SmallDisk(folder, {}, lambda: mount("remount,size=64m"))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    else:
        options: dict[str, Any] = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))}
        yield SmallDisk(folder, options, options.clear)


@pytest.mark.slow
def test_a_full_disk(small_disk: SmallDisk, prefect_url: str, tmp_path: Path) -> None:
    home, settings = small_disk.folder / "home", {"PREFECT_API_URL": prefect_url}
    path, n = tmp_path / "many.parquet", 60_000
    moments = [START_MS + 1000 * i for i in range(n)]
    parquet(pd.DataFrame({"ts_ms": moments, "venue": "uniswap", "pair": "WETH/USDC", "price": [2000.0 + i % 100 for i in range(n)]}))(path)
    collect = ("--json", "collect", "file", str(path))
    full = arbml(*collect, home=home, settings=settings, **small_disk.options)
    assert (full.code, len(full.errors), full.out) == (1, 1, ""), full
    assert full.errors[0].startswith(f"arbml: {home}")
    assert "free space and try again" in full.errors[0] or "check its space" in full.errors[0]
    kept = rows(home).get("ticks", 0)
    assert kept < n
    small_disk.free()
    again = arbml(*collect, home=home, settings=settings, **small_disk.options)
    assert (again.code, again.errors) == (0, ())
    (report,) = again.facts["collected"]
    assert (report["known"], report["new"]) == (kept, n - kept), "goes on after what was kept"
    assert rows(home) == {"ticks": n}
