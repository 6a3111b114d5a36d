"""How far each source has been collected."""

from sqlalchemy import Connection, select

from arbml.checkpoint import Checkpoint
from arbml.store import tables
from arbml.store.engine import Database


class Checkpoints:
    """The last checkpoint of every source."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, source: str) -> Checkpoint | None:
        """Return the checkpoint of a source, or None if it was never collected."""
        c = tables.checkpoints.c
        with self._database.reading() as connection:
            row = connection.execute(select(c.source, c.position, c.ts_ms, c.ts_known_ms).where(c.source == source)).first()
        return None if row is None else Checkpoint(*row)

    def set(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint on its own; `append(..., checkpoint=...)` writes it together with the rows."""
        with self._database.writing() as connection:
            save(self._database, connection, checkpoint)


def save(database: Database, connection: Connection, checkpoint: Checkpoint | None) -> None:
    """Write the checkpoint, if there is one, in the transaction of the rows that it stands for."""
    if checkpoint is not None:
        row = {name: getattr(checkpoint, name) for name in ("source", "position", "ts_ms", "ts_known_ms")}
        database.put(connection, tables.checkpoints, row)
