"""Alerts that were raised, until and after they are resolved."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Select, select, update

from arbml.store import tables
from arbml.store.batch import Appended, Batch, refuse_bad_text
from arbml.store.engine import Database
from arbml.store.period import within


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should look at.

    Attributes:
        kind: what went wrong, e.g. "accuracy_drop". subject: of what, e.g. "scorer".
        ts_ms: when it happened, UTC ms. ts_known_ms: when it was noticed.
        severity: "info", "warning" or "critical".
        message: one line for people.
        value, threshold: the measured figure and the limit that it crossed, where there is one.
        resolved_ms: when it was over, UTC ms; None while it is active.
    """

    kind: str
    subject: str
    ts_ms: int
    ts_known_ms: int
    severity: str
    message: str
    value: float | None = None
    threshold: float | None = None
    resolved_ms: int | None = None


_NAMES = [field.name for field in fields(Alert)]


class Alerts:
    """All alerts, keyed by kind, subject and event time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, alerts: Iterable[Alert]) -> Appended:
        """Store alerts in one transaction; one that is there already stays as it is, resolved or not.

        Raises:
            StoreError: if the database refuses; then nothing of this call is stored.
        """
        ordered = sorted(alerts, key=lambda alert: alert.ts_known_ms)
        columns = {name: [_stored(getattr(alert, name)) for alert in ordered] for name in _NAMES}
        for name in _NAMES:
            refuse_bad_text(columns[name], name, "alerts")
        with self._database.writing() as connection:
            return self._database.append(connection, tables.alerts, Batch(columns), ignore=("ts_known_ms", "resolved_ms"))

    def active(self) -> list[Alert]:
        """Return the alerts that are not resolved, in the order of knowing."""
        return self._alerts(self._selection().where(tables.alerts.c.resolved_ms.is_(None)))

    def read(self, start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None) -> list[Alert]:
        """Return alerts, active and resolved, in the order of knowing (see `Ticks.read` for the arguments)."""
        return self._alerts(within(self._selection(), tables.alerts.c, start_ms, end_ms, as_of_ms))

    def resolve(self, kind: str, subject: str, at_ms: int) -> int:
        """Mark the active alerts of a kind and subject as over at `at_ms` (UTC ms); return how many there were."""
        c = tables.alerts.c
        change = update(tables.alerts).where(c.kind == kind, c.subject == subject, c.resolved_ms.is_(None)).values(resolved_ms=at_ms)
        with self._database.writing() as connection:
            return connection.execute(change).rowcount

    def _selection(self) -> Select[Any]:
        return select(*(tables.alerts.c[name] for name in _NAMES))

    def _alerts(self, statement: Select[Any]) -> list[Alert]:
        c = tables.alerts.c
        with self._database.reading() as connection:
            return [Alert(*row) for row in connection.execute(statement.order_by(c.ts_known_ms, c.ts_ms, c.kind, c.subject))]


def _stored(value: Any) -> Any:
    return None if value != value else value
