"""Bars: open, high, low, close, volume and gas of each series, computed by the database from the ticks."""

from collections.abc import Sequence

import pandas as pd
from sqlalchemy import BigInteger, Double, case, cast, func, select

from arbml.frames import Column, Schema, sort_by_knowing
from arbml.store import tables
from arbml.store.engine import Database
from arbml.store.period import within
from arbml.store.ticks import chosen_streams

BARS = Schema(
    "bars",
    (
        Column("ts_known_ms", "int64", "UTC ms", required=True),
        Column("ts_ms", "int64", "UTC ms", required=True),
        Column("venue", "object", required=True),
        Column("pair", "object", "BASE/QUOTE", required=True),
        *(Column(name, "float64", "quote per base", required=True, positive=True) for name in ("open", "high", "low", "close")),
        Column("volume", "float64", "quote", non_negative=True),
        Column("gas_price_gwei", "float64", "gwei", non_negative=True),
        Column("ticks", "int64", required=True, positive=True),
    ),
)


class Bars:
    """Bars of any width, of what is stored now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(
        self,
        width_ms: int = 60_000,
        venues: Sequence[str] | None = None,
        pairs: Sequence[str] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> pd.DataFrame:
        """Return bars in the order of knowing; a period without ticks has none.

        Args:
            width_ms: length of a bar, ms; bars start at its multiples since 1970.
            venues, pairs: only these; None for all.
            start_ms, end_ms: event time of the ticks that count, UTC ms, start included, end excluded; None is open.

        Returns:
            A frame by `BARS`: `ts_ms` is the start of the bar, and it is known (`ts_known_ms`) at its end, or when its last tick
            was, whichever is later. `volume` is the sum and `gas_price_gwei` the mean over the ticks that have one, NaN without.

        Raises:
            ValueError: if `width_ms` is not positive. StoreError: if the database cannot be read.
        """
        if width_ms < 1:
            raise ValueError(f"width_ms is {width_ms}; a bar takes at least 1 ms")
        with self._database.reading() as connection:
            names = chosen_streams(connection, venues, pairs)
            t = within(select(tables.ticks).where(tables.ticks.c.stream_id.in_(list(names))), tables.ticks.c, start_ms, end_ms).subquery().c
            start = (t.ts_ms - ((t.ts_ms % width_ms) + width_ms) % width_ms).label("ts_ms")  # also before 1970
            bar = (t.stream_id, start)
            place = func.row_number().over(partition_by=bar, order_by=(t.ts_ms, t.log_index))
            from_end = func.row_number().over(partition_by=bar, order_by=(t.ts_ms.desc(), t.log_index.desc()))
            r = select(
                t.stream_id, start, t.ts_known_ms, t.price, t.volume, t.gas_price_gwei,
                place.label("place"), from_end.label("from_end"),
            ).subquery().c  # fmt: skip
            bars = select(
                r.stream_id, r.ts_ms, func.max(r.ts_known_ms), func.max(case((r.place == 1, r.price))), func.max(r.price),
                func.min(r.price), func.max(case((r.from_end == 1, r.price))), func.sum(r.volume),
                func.avg(cast(r.gas_price_gwei, Double)), cast(func.count(), BigInteger),
            ).group_by(r.stream_id, r.ts_ms)  # fmt: skip
            rows = [tuple(row) for row in connection.execute(bars)] if names else []
        return sort_by_knowing(BARS.check(pd.DataFrame(
            [
                (max(known, ts + width_ms), ts, *names[stream], *prices, volume, gas, ticks)
                for stream, ts, known, *prices, volume, gas, ticks in rows
            ],
            columns=BARS.names,
        ) if rows else BARS.empty()))  # fmt: skip
