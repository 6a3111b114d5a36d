"""The store as the end of the journal. Imported late: without a store the service needs no database library."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from arbml.config import StoreConfig
from arbml.market import Execution, Prediction
from arbml.serving.flush import Sink

if TYPE_CHECKING:
    from arbml.store import Store

SQLITE_FILE = "arbml.db"


class StoreSink:
    """Predictions and outcomes into the store; what is there already stays as it is."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def predictions(self, predictions: list[Prediction]) -> None:
        """Store predictions."""
        self._store.predictions.append(predictions)

    def executions(self, executions: list[Execution]) -> None:
        """Store outcomes."""
        self._store.executions.append(executions)

    def close(self) -> None:
        """Give back the connections."""
        self._store.close()


def store_opener(store: StoreConfig, home: Path) -> Callable[[], Sink | None]:
    """Return what opens the store, or gives None while there is none.

    There is one if a connection string names it, or once something else has made the embedded one under the home: a service
    that runs all by itself keeps its journal and makes no database.
    """

    def open_store() -> Sink | None:
        if store.connection_string is None and not (home / SQLITE_FILE).is_file():
            return None
        from arbml.store import Store

        return StoreSink(Store.open(store, home))

    return open_store
