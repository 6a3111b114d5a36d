"""Whatever a CSV file holds, the answer is rows or one of our errors in one line."""

import contextlib
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbml.collectors import FileCollector, load_map, read_executions
from arbml.errors import ArbmlError, ConfigError
from arbml.frames import EXECUTIONS, TICKS

CELLS = st.one_of(
    st.sampled_from(
        [
            "",
            "NaN",
            "inf",
            "-1",
            "0",
            "1e400",
            "2000.5",
            "1704067200000",
            "1704067200",
            "WETH/USDC",
            "a",
            "success",
            "null",
            "True",
            '"',
            "2024-01-01",
            "0x10",
            "٣",
        ]
    ),
    st.integers(-(2**70), 2**70).map(str),
    st.text(max_size=6),
)
HEADERS = st.lists(st.sampled_from([*TICKS.names, *EXECUTIONS.names, "x", ""]), min_size=1, max_size=8)
GOOD = ["ts_ms", "venue", "pair", "price"]


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A header and rows, mostly of the right width; the required columns are there half of the time."""
    header = [*(GOOD if draw(st.booleans()) else []), *draw(HEADERS)]
    row = st.tuples(*(_cell(name) for name in header)).map(",".join)
    return "\n".join([",".join(header), *draw(st.lists(st.one_of(row, st.text(max_size=20)), max_size=6))])


def _cell(name: str) -> st.SearchStrategy[str]:
    likely = {"ts_ms": "1704067200000", "venue": "a", "pair": "WETH/USDC", "price": "2000", "result": "success"}
    return st.one_of(st.just(likely.get(name, "1")), CELLS)


def _refusal(path: Path, kind: str) -> str | None:
    try:
        if kind == "ticks":
            for frame in FileCollector(path, sort=True, dedupe=True).ticks():
                TICKS.check(frame)
        else:
            EXECUTIONS.check(read_executions(path, sort=True, known_venues={"a"}))
    except ArbmlError as error:
        return str(error)
    return None


def _assert_good(path: Path, kind: str) -> None:
    refusal = _refusal(path, kind)
    assert refusal is None or (len(refusal.splitlines()) == 1 and str(path) in refusal), refusal


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=tables(), kind=st.sampled_from(["ticks", "executions"]))
def test_any_table(text: str, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.csv"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        _assert_good(path, kind)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200), suffix=st.sampled_from([".csv", ".parquet", ".csv.gz"]))
def test_any_bytes(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"any{suffix}"
        path.write_bytes(content)
        _assert_good(path, "ticks")


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=30))
def test_any_map_text(text: str) -> None:
    # only our own errors may come out
    with contextlib.suppress(ConfigError):
        load_map(text)
