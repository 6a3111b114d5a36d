"""Where a model came from: code, environment, the process that trained it, and the digest of its files."""

import hashlib
import json
import os
import platform
import socket
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import arbml

LIBRARIES = (
    "arbml", "numpy", "pandas", "scipy", "numba", "scikit-learn", "tensorflow-cpu", "tensorflow", "keras", "arch",
    "onnx", "onnxruntime", "skl2onnx", "tf2onnx", "mlflow",
)  # fmt: skip
SERVING_LIBRARIES = ("arbml", "numpy", "pandas", "onnxruntime")


def code_version(package: Path | None = None) -> str:
    """Return the package's version and, in a checkout, its commit: "0.1.0+g1a2b3c4d5e6f", ".dirty" if files were changed.

    Args:
        package: the folder of the package; that of arbml without it.
    """
    top = (package or Path(arbml.__file__).parent).resolve().parent
    if not (top / ".git").exists():  # installed, perhaps inside somebody else's checkout
        return arbml.__version__
    commit = _git(top, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return arbml.__version__
    changed = _git(top, "status", "--porcelain", "--untracked-files=no")
    return f"{arbml.__version__}+g{commit}" + (".dirty" if changed or changed is None else "")


def _git(top: Path, *arguments: str) -> str | None:
    # named outright, because inside a git hook GIT_DIR names another repository
    command = ["git", "-c", f"safe.directory={top}", f"--git-dir={top / '.git'}", f"--work-tree={top}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False, cwd=top)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def environment() -> dict[str, str]:
    """Return python, platform and the versions of the libraries that a model depends on."""
    found = {name: installed for name in LIBRARIES if (installed := _installed(name))}
    return {"python": platform.python_version(), "platform": platform.platform(), **found}


def requirements() -> list[str]:
    """Return what a logged model needs to answer, pinned to what is installed (MLflow would take seconds to guess)."""
    return [f"{name}=={installed}" for name in SERVING_LIBRARIES if (installed := _installed(name))]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def digest(directory: Path) -> str:
    """Return the sha256 over names and contents of all files below `directory`."""
    total = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(directory).as_posix()}\0{path.stat().st_size}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Process:
    """A process that can still be told from its namesakes after a restart of the machine or a reuse of its number."""

    pid: int
    host: str
    boot: str      # id of the machine's start, "" where the system has none
    started: str   # start of the process in ticks since then, "" where the system does not say

    def to_json(self) -> str:
        """Write it as a tag."""
        return json.dumps(asdict(self))

    @classmethod
    def this(cls) -> "Process":
        """Return the running one."""
        return cls(os.getpid(), socket.gethostname(), _boot(), _started(os.getpid()))

    @classmethod
    def from_json(cls, text: str) -> "Process | None":
        """Read a tag back; None if it is not one."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return None

    def gone(self) -> bool:
        """True if it certainly runs no more; False also where that cannot be known, as on another host."""
        if self.host != socket.gethostname():
            return False
        if self.boot != _boot():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it runs, for another user
        return self.started != _started(self.pid)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    try:
        # the name of the program, in brackets, may hold blanks: count from the bracket
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return "ended" if fields[0] in "ZX" else fields[19]  # a zombie still has a number, but runs no more
    except (OSError, IndexError):
        return ""
