"""A process that writes to a store, for tests that run several of it at once or kill it.

    python writer.py URL HOME append VENUE BATCHES   append batches of 500 ticks, each with its checkpoint
    python writer.py URL HOME hang-append VENUE      write rows, then hang before the commit
    python writer.py URL HOME hang-migrate           make the schema, then hang before the commit

URL is "-" for SQLite. It says READY when everything is imported, waits for a line on its input, then says what it does.
"""

import sys
import time
from pathlib import Path

from pydantic import SecretStr

from arbml.config import StoreConfig
from arbml.errors import StoreError
from arbml.frames import ticks_to_frame
from arbml.market import Tick
from arbml.store import Checkpoint, Store
from arbml.store.engine import connect
from arbml.store.migrations import _upgrade

ROWS = 500


def batch(venue: str, number: int) -> list[Tick]:
    start = number * ROWS
    return [Tick(ts, venue, "WETH/USDC", 100.0 + ts % 7, ts, pool=f"pool of {venue}") for ts in range(start, start + ROWS)]


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(url: str, home: Path, action: str, venue: str = "", batches: str = "0") -> None:
    config = StoreConfig() if url == "-" else StoreConfig(connection_string=SecretStr(url))
    say("READY")
    sys.stdin.readline()
    if action == "hang-migrate":
        database = connect(config, home, 30)
        with database.writing() as connection:
            database.lock_schema(connection)
            _upgrade(connection, None)
            say("HANGING")
            time.sleep(120)
    store = Store.open(config, home)
    if action == "hang-append":
        with store._database.writing() as connection:
            store.ticks.write(connection, ticks_to_frame(batch(venue, 0)))
            say("HANGING")
            time.sleep(120)
    for number in range(int(batches)):
        try:
            done = store.ticks.append(batch(venue, number), Checkpoint(venue, str(number), number * ROWS, number * ROWS))
            say(f"{done.new} {done.known} {done.conflicting}")
        except StoreError as error:
            say(f"StoreError: {error}")
            break


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
