"""The filters that every table understands."""

from typing import Any

from sqlalchemy import Select


def within(
    statement: Select[Any], columns: Any, start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None
) -> Select[Any]:
    """Return the selection with only the rows of a period and of a state of knowledge.

    Args:
        columns: has `ts_ms` and `ts_known_ms`.
        start_ms, end_ms: event time, UTC ms, start included, end excluded; None is open.
        as_of_ms: only what was known at that moment (included), UTC ms; None for all.
    """
    if start_ms is not None:
        statement = statement.where(columns.ts_ms >= start_ms)
    if end_ms is not None:
        statement = statement.where(columns.ts_ms < end_ms)
    if as_of_ms is not None:
        statement = statement.where(columns.ts_known_ms <= as_of_ms)
    return statement


def orphaned_within(
    statement: Select[Any], columns: Any, as_of_ms: int, start_ms: int | None = None, end_ms: int | None = None
) -> Select[Any]:
    """Return the selection from a twin (see `chain_tables`) with only the rows that were believed at `as_of_ms`.

    That is: known by then, and not yet found orphaned.
    """
    return within(statement, columns, start_ms, end_ms, as_of_ms).where(columns.orphaned_ms > as_of_ms)
