"""Builds the Bento: the code of arbml, the service and a bundle of models, in one folder that needs nothing beside it.

`bentoml build` runs in a process of its own: BentoML reads its home when it is imported, and importing the service must not
leave anything behind in the process that builds.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

import arbml
from arbml.errors import ServiceError
from arbml.serving import Bundle

NAME = "arbml"
SERVICE = "bentos.service:ArbmlService"
# What the service imports. Their own requirements follow from them; the training libraries are not among these.
RUNTIME = (
    "bentoml", "fastapi", "pydantic", "numpy", "pandas", "numba", "onnxruntime", "orjson",
    "python-dotenv", "sqlalchemy", "alembic", "psycopg",
)  # fmt: skip
OPTIONAL = ("redis",)  # live ticks; packed where it is installed
BUILD_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class BuiltBento:
    """A Bento in the store: `tag` is "arbml:<version>", `path` its folder, from which `bentoml serve` can run it."""

    tag: str
    path: Path

    @property
    def source(self) -> Path:
        """Where the Bento keeps code and bundle."""
        return self.path / "src"


def build_bento(bundle: Path, home: Path, version: str | None = None) -> BuiltBento:
    """Build a Bento from a bundle.

    Args:
        bundle: what `arbml.serving.write_bundle` wrote; read and checked first.
        home: the Bento goes into `<home>/bentoml`.
        version: made up by BentoML without it.

    Raises:
        ModelFileError, FeatureSetMismatch: if the bundle cannot be served by this code.
        ServiceError: with the end of BentoML's output, if the build fails.
    """
    Bundle.load(bundle)
    store = home.expanduser().absolute() / "bentoml"
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="arbml-bento-") as folder:
        staging = Path(folder)
        stage(bundle, staging)
        command = [sys.executable, "-P", "-m", "bentoml", "build", str(staging), "--output", "tag"]
        if version:
            command += ["--version", version]
        done = subprocess.run(
            command, cwd=staging, env=bentoml_environment(store), capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False
        )
    tag = next((line.removeprefix("__tag__:") for line in done.stdout.splitlines() if line.startswith("__tag__:")), "")
    if done.returncode or not tag:
        raise ServiceError(f"bentoml build failed with code {done.returncode}; the end of its output:\n{_tail(done.stdout + done.stderr)}")
    built = BuiltBento(tag, store / "bentos" / tag.replace(":", "/"))
    _carry_compiled(built.source)
    return built


def stage(bundle: Path, staging: Path) -> None:
    """Lay out what goes into the Bento: packages, bundle and `bentofile.yaml`."""
    package = Path(arbml.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(package, staging / "arbml", ignore=ignore)
    shutil.copytree(Path(__file__).parent, staging / "bentos", ignore=ignore)
    shutil.copytree(bundle, staging / "bundle")
    bentofile = {
        "service": SERVICE,
        "name": NAME,
        "description": "Judges arbitrage opportunities: probability of success, expected profit, EXECUTE, QUEUE or SKIP.",
        "include": ["arbml/**", "bentos/**", "bundle/**"],
        # locking would ask a package index, and there may be none; the versions are pinned here anyway
        "python": {"packages": requirements((*RUNTIME, *filter(_installed, OPTIONAL))), "lock_packages": False},
        "docker": {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
    }
    (staging / "bentofile.yaml").write_text(json.dumps(bentofile, indent=1), encoding="utf-8")  # JSON is YAML


def requirements(names: Iterable[str] = RUNTIME) -> list[str]:
    """Return the libraries of the service with the versions installed here, "name==version".

    Raises:
        ServiceError: if one is not installed.
    """
    found = []
    for name in names:
        try:
            found.append(f"{name}{_extras(name)}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            raise ServiceError(f"the service needs '{name}', which is not installed; install arbml with its dependencies") from None
    return found


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def bentoml_environment(store: Path) -> dict[str, str]:
    """Return the environment for BentoML processes: its home, no telemetry, and no other code path than the Bento's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BENTOML_", "PYTHONPATH"))}
    return {
        **kept,
        "BENTOML_HOME": str(store),
        "BENTOML_DO_NOT_TRACK": "True",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
    }


def _extras(name: str) -> str:
    """Extras that arbml itself asks for, e.g. psycopg[binary]."""
    for line in importlib.metadata.requires("arbml") or ():
        requirement = Requirement(line)
        if requirement.name.lower() == name and requirement.extras:
            return f"[{','.join(sorted(requirement.extras))}]"
    return ""


def _carry_compiled(source: Path) -> None:
    """Give the Bento the compiled feature kernels, so that it starts without compiling for ten seconds.

    numba trusts its cache if the source's time and size are those it was compiled from; on another kind of CPU, or with
    another numba, it compiles again by itself.
    """
    package = Path(arbml.__file__).parent / "features"
    compiled = sorted((package / "__pycache__").glob("kernels.*.nb[ic]"))
    if not compiled:
        return
    target = source / "arbml" / "features"
    stamp = (package / "kernels.py").stat()
    os.utime(target / "kernels.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    (target / "__pycache__").mkdir(exist_ok=True)
    for file in compiled:
        shutil.copy2(file, target / "__pycache__" / file.name)


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])


def latest_bento(home: Path) -> BuiltBento:
    """Return the Bento that was built last.

    Raises:
        ServiceError: if none was built.
    """
    folder = home.expanduser().absolute() / "bentoml" / "bentos" / NAME
    try:
        version = (folder / "latest").read_text(encoding="utf-8").strip()
    except OSError:
        raise ServiceError(f"no Bento was built in {home} yet; build one: arbml run, or arbml build") from None
    if not (folder / version / "bento.yaml").is_file():
        raise ServiceError(f"the last Bento, {NAME}:{version}, is not in {folder}; build one: arbml build")
    return BuiltBento(f"{NAME}:{version}", folder / version)
