"""Executions: what the bot sent and what became of it."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import Connection, select

from arbml.checkpoint import Checkpoint
from arbml.errors import SchemaError
from arbml.frames import EXECUTIONS, ExecutionFrame, sort_by_knowing
from arbml.market import Execution, Result, opportunity_from_dict
from arbml.store import tables
from arbml.store.batch import Appended, Batch, storable
from arbml.store.chain_tables import orphaned
from arbml.store.checkpoints import save
from arbml.store.engine import Database
from arbml.store.period import orphaned_within, within

_WHOLE = ("chain_id",)
_MAY_DIFFER = ("ts_known_ms", "block_number")


class Executions:
    """All executions, keyed by request id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, executions: ExecutionFrame | Iterable[Execution], checkpoint: Checkpoint | None = None) -> Appended:
        """Store executions in one transaction; what was known first wins (see `Ticks.append`).

        Args:
            executions: an unchecked frame, or executions; in any order.
            checkpoint: written in the same transaction.

        Raises:
            SchemaError: if a value is missing, out of range, not one of `Result`, or not JSON of an opportunity.
            StoreError: if the database refuses; then nothing of this call is stored.
        """
        df = checked_executions(executions if isinstance(executions, pd.DataFrame) else executions_to_frame(executions))
        with self._database.writing() as connection:
            appended = self.write(connection, df)
            save(self._database, connection, checkpoint)
        return appended

    def write(self, connection: Connection, df: ExecutionFrame, blocks: Sequence[int] | None = None) -> Appended:
        """Store executions that `checked_executions` gave, in a transaction of the caller.

        Args:
            blocks: number of the stored block in which each was found; None if they do not come from blocks.
        """
        if df.empty:
            return Appended()
        columns: dict[str, Any] = {name: df[name].to_numpy() for name in EXECUTIONS.names}
        if blocks is not None:
            columns["block_number"] = list(blocks)
        return self._database.append(connection, tables.executions, Batch(columns, whole=_WHOLE), _MAY_DIFFER)

    def read(self, start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None) -> ExecutionFrame:
        """Return executions in the order of knowing (see `Ticks.read` for the arguments)."""
        gone, c = orphaned["executions"].c, tables.executions.c
        statement = within(select(*(c[name] for name in EXECUTIONS.names)), c, start_ms, end_ms, as_of_ms).order_by(c.request_id)
        with self._database.reading() as connection:
            rows = list(connection.execute(statement))
            if as_of_ms is not None:
                believed = orphaned_within(select(*(gone[name] for name in EXECUTIONS.names)), gone, as_of_ms, start_ms, end_ms)
                rows = sorted([*rows, *connection.execute(believed)], key=lambda row: row.request_id)
        df_ = pd.DataFrame([tuple(row) for row in rows], columns=EXECUTIONS.names) if rows else EXECUTIONS.empty()
        return sort_by_knowing(EXECUTIONS.check(df_, "stored executions"))


def checked_executions(executions_: ExecutionFrame) -> ExecutionFrame:
    """Return executions that can be stored exactly, in the order of `ts_known_ms`.

    Raises:
        SchemaError: if a value is missing, out of range, not one of `Result`, or not JSON of an opportunity.
    """
    df = EXECUTIONS.check(executions_)
    _refuse_unknown_results(df)
    df["opportunity"] = [_canonical(value, row) for row, value in enumerate(df["opportunity"])]
    return storable(df, "executions", _WHOLE)


def executions_to_frame(executions: Iterable[Execution]) -> ExecutionFrame:
    """Return executions as a checked frame, in the given order."""
    rows = [tuple(getattr(execution, name) for name in EXECUTIONS.names) for execution in executions]
    if not rows:
        return EXECUTIONS.empty()
    df_ = pd.DataFrame(rows, columns=EXECUTIONS.names)
    df_["result"] = [str(result) for result in df_["result"]]
    df_["opportunity"] = [None if found is None else orjson.dumps(found.to_dict()).decode() for found in df_["opportunity"]]
    return EXECUTIONS.check(df_)


def frame_to_executions(df: ExecutionFrame) -> list[Execution]:
    """Return the rows of a checked execution frame as executions (NaN becomes None)."""
    return [execution_from_row(dict(zip(df.columns, row, strict=True))) for row in df.itertuples(index=False, name=None)]


def execution_from_row(row: dict[str, Any]) -> Execution:
    """Return one row, with numbers as the database or a frame has them, as an execution."""
    values: dict[str, Any] = {name: None if value != value else value for name, value in row.items()}
    opportunity, chain_id = values.pop("opportunity"), values.pop("chain_id")
    return Execution(
        result=Result(values.pop("result")),
        chain_id=None if chain_id is None else int(chain_id),
        opportunity=None if opportunity is None else opportunity_from_dict(orjson.loads(opportunity)),
        **values,
    )


def _refuse_unknown_results(df: ExecutionFrame) -> None:
    known = [str(result) for result in Result]
    for row, value in enumerate(df["result"]):
        if value not in known:
            raise SchemaError(f"executions: column 'result', row {row}: {value!r} must be one of {', '.join(known)}")


def _canonical(value: Any, row: int) -> str | None:
    """The same opportunity is the same text, whoever wrote the JSON."""
    if value is None:
        return None
    try:
        data = orjson.loads(value) if isinstance(value, str) else value
        opportunity_from_dict(data)
        return orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode()
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(f"executions: column 'opportunity', row {row}: not JSON of an opportunity ({error})") from error
