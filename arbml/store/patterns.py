"""Patterns that were confirmed, each time that they were; active until they are retired."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Select, func, select, update

from arbml.store import tables
from arbml.store.batch import refuse_bad_text
from arbml.store.engine import Database
from arbml.store.period import within


@dataclass(frozen=True, slots=True)
class StoredPattern:
    """One confirmation of a pattern.

    Attributes:
        key: names the pattern for good.
        ts_ms: last opportunity of the period that confirmed it, UTC ms. ts_known_ms: when the detection ran.
        kind: "time", "venue", "sequence" or "cluster".
        description: one line for people.
        content: JSON of the pattern.
        retired_ms: since when it is no longer matched, UTC ms; None while it is active.
    """

    key: str
    ts_ms: int
    ts_known_ms: int
    kind: str
    description: str
    content: str
    retired_ms: int | None = None


_NAMES = [field.name for field in fields(StoredPattern)]


class Patterns:
    """All confirmations, keyed by pattern and end of the data that confirmed it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, patterns: Iterable[StoredPattern]) -> int:
        """Store confirmations in one transaction; return how many of the patterns were not active before.

        A confirmation by the same data replaces the one that is there, and makes the pattern active again if it was retired.

        Raises:
            StoreError: if the database refuses; then nothing of this call is stored.
            SchemaError: for text that a database cannot keep.
        """
        rows = [{name: getattr(one, name) for name in _NAMES} for one in patterns]
        for name in ("key", "kind", "description", "content"):
            refuse_bad_text([row[name] for row in rows], name, "patterns", strict=True)
        with self._database.writing() as connection:
            before = set(connection.execute(select(tables.patterns.c.key).where(tables.patterns.c.retired_ms.is_(None))).scalars())
            for row in sorted(rows, key=lambda row: (row["key"], row["ts_ms"])):  # one order for all writers: no deadlock
                self._database.put(connection, tables.patterns, row)
        return len({row["key"] for row in rows} - before)

    def active(self) -> list[StoredPattern]:
        """Return the latest confirmation of each pattern that is not retired, by key."""
        c = tables.patterns.c
        latest = select(c.key, func.max(c.ts_known_ms).label("ts_known_ms")).where(c.retired_ms.is_(None)).group_by(c.key).subquery()
        statement = self._selection().join(latest, (latest.c.key == c.key) & (latest.c.ts_known_ms == c.ts_known_ms))
        found = self._patterns(statement.where(c.retired_ms.is_(None)).order_by(c.key, c.ts_ms))
        return list({one.key: one for one in found}.values())  # of two by one detection, the one of the later data

    def read(self, start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None) -> list[StoredPattern]:
        """Return every confirmation, of active and retired patterns, in the order of knowing (see `Ticks.read`)."""
        c = tables.patterns.c
        return self._patterns(within(self._selection(), c, start_ms, end_ms, as_of_ms).order_by(c.ts_known_ms, c.ts_ms, c.key))

    def retire(self, before_ms: int, at_ms: int) -> int:
        """Retire the patterns last confirmed by a detection before `before_ms` (UTC ms); return how many patterns that were.

        Their rows stay, marked with `at_ms`.
        """
        c = tables.patterns.c
        latest = select(c.key).where(c.retired_ms.is_(None)).group_by(c.key).having(func.max(c.ts_known_ms) < before_ms)
        with self._database.writing() as connection:
            keys = list(connection.execute(latest).scalars())
            connection.execute(update(tables.patterns).where(c.key.in_(keys), c.retired_ms.is_(None)).values(retired_ms=at_ms))
        return len(keys)

    def _selection(self) -> Select[Any]:
        return select(*(tables.patterns.c[name] for name in _NAMES))

    def _patterns(self, statement: Select[Any]) -> list[StoredPattern]:
        with self._database.reading() as connection:
            return [StoredPattern(*row) for row in connection.execute(statement)]
