"""A Prefect server for commands that need not start their own, which takes ten seconds."""

import os
from collections.abc import Iterator

import pytest

from flows.server import prefect_server


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API of a running server; this process's own environment stays as it was."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PREFECT_")}

    def restore() -> None:
        for name in ("PREFECT_API_URL", "PREFECT_HOME"):
            os.environ.pop(name, None)
        os.environ.update(before)

    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        restore()
        yield url
    restore()
