"""A command that runs until a signal."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def interrupted(arguments: Sequence[str], cwd: Path, enough: Callable[[], bool], number: int, timeout_s: float) -> tuple[str, str]:
    """Run `arbml` until it has done enough, send it a signal, and return what it wrote to stdout and stderr; it must end well."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ML_")} | {"ML_DATA_INTERVAL": "1000"}
    command = [sys.executable, "-m", "arbml", *arguments]
    with subprocess.Popen(command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + timeout_s
        while not enough():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(number)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return out, said
