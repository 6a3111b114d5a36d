"""How the world is compiled: at the first call, and kept on disk between processes wherever a folder can be written.

numba looks at the file of a function alone to tell whether its cache is stale, but the world is several files: so what is kept is
named by the content of all of them.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from numba import njit

_OPTIONS: dict[str, Any] = {"error_model": "numpy"}
inner = njit(**_OPTIONS)


def _content() -> str:
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(__file__).parents[1] / "arrays.py"]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile what is called from Python."""
    try:
        function.__qualname__ += f"_{_content()}"
        return cast(Callable[..., Any], njit(cache=True, **_OPTIONS)(function))
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "cannot cache" not in str(error):
            raise
        return cast(Callable[..., Any], njit(**_OPTIONS)(function))  # no sources, or no folder to write to: compile each time
