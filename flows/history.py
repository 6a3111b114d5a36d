"""What killed processes left open in Prefect's database is closed by the next one that has the database to itself.

Prefect shows a run whose process was killed as running for ever, and counts it against its concurrency limit.
"""

import fcntl
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from arbml.errors import ServiceError

UNFINISHED = ("RUNNING", "PENDING", "CANCELLING")
_PAGE = 200  # most rows that the server gives at once


@contextmanager
def shared_use(folder: Path) -> "Iterator[tuple[bool, Callable[[], None]]]":
    """Say, until the block ends, that this process uses the Prefect database in `folder`; the kernel lets go of it if we die.

    Yields:
        Whether nobody else does, and a function to call when others need not wait for us any longer.
    """
    with (folder / "users.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except OSError:  # somebody has it, or this file system has no locks
            alone = False

        def share() -> None:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_SH)

        if not alone:
            share()
        yield alone, share


def close_left_open(api_url: str) -> int:
    """Mark every unfinished run as crashed; call only while nobody else uses the database. Return how many there were.

    Raises:
        ServiceError: if the server does not answer.
    """
    crashed = {"type": "CRASHED", "name": "Crashed", "message": "its process ended without finishing it"}
    closed: set[str] = set()
    for kind in ("task_runs", "flow_runs"):
        body = {kind: {"state": {"type": {"any_": UNFINISHED}}}, "limit": _PAGE}
        while found := [run["id"] for run in ask(f"{api_url}/{kind}/filter", body) if run["id"] not in closed]:
            for run_id in found:
                ask(f"{api_url}/{kind}/{run_id}/set_state", {"state": crashed, "force": True})
            closed.update(found)
    return len(closed)


def ask(url: str, body: dict[str, Any]) -> Any:
    """POST to the server's API and return its answer.

    Raises:
        ServiceError: if it does not answer.
    """
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ServiceError(f"the Prefect server at {url} did not answer: {error}") from error
