"""The surroundings in which a command runs its flow: settings checked first, then a Prefect server, then progress."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from arbml.cli.output import Output

if TYPE_CHECKING:  # pydantic takes longer to import than --help may
    from arbml.config import Config


@contextmanager
def session(
    out: Output, flow: str, long_lived: bool = False, ahead: "Callable[[Config], object] | None" = None
) -> "Iterator[Config]":
    """Check the settings, make a Prefect server available, and show progress; yields the configuration.

    Args:
        flow: the module of `flows` that the command needs; imported while the server starts.
        long_lived: let other commands find the server while this one runs.
        ahead: what else can be done while the server starts.

    Raises:
        ConfigError: before anything is started.
    """
    from arbml.settings import load_settings

    config = load_settings()
    _keep_prefect_quiet(out.debug)
    from flows.server import prefect_server

    config.home_path.mkdir(parents=True, exist_ok=True)

    def meanwhile() -> None:
        import_module(f"flows.{flow}")
        if ahead is not None:
            ahead(config)

    with prefect_server(config.home_path, long_lived, meanwhile), out.progress():
        yield config


def _keep_prefect_quiet(debug: bool) -> None:
    """Everything still goes to the server's own record; the terminal gets our lines. Read at prefect's first import."""
    if not debug:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
