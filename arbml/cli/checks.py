"""What `arbml doctor` looks at; each check says what it found and how to mend it."""

import os
import re
import shutil
import socket
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from arbml.config import Config
from arbml.errors import ArbmlError

MIN_FREE_MB = 500


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    ok: bool
    found: str
    mend: str = ""


def run_checks(config: Config) -> list[Check]:
    """Run every check; none of them changes anything but creating the home."""
    checks = [_python(), *_libraries(), _home(config.home_path), _disk(config.home_path), _store(config), _port(config)]
    if config.registry.tracking_uri:
        checks.append(_url("MLflow server", f"{config.registry.tracking_uri}/health", "start it, or unset ML_REGISTRY__TRACKING_URI"))
    prefect = os.environ.get("PREFECT_API_URL")
    if prefect:
        checks.append(_url("Prefect server", f"{prefect}/health", "start it, or unset PREFECT_API_URL"))
    if config.redis.host:
        checks.append(_tcp("Redis", config.redis.host, config.redis.port, "start it, or unset REDIS_HOST"))
    return checks


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", (3, 11) <= sys.version_info[:2] < (3, 13), version, "use Python 3.11 or 3.12")


def _libraries() -> list[Check]:
    """Compare what is installed with the ranges that the project states."""
    from packaging.requirements import Requirement

    checks = []
    for text in metadata.requires("arbml") or []:
        need = Requirement(text)
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            checks.append(Check(need.name, False, "not installed", "make install"))
            continue
        ok = need.specifier.contains(version, prereleases=True)
        checks.append(Check(need.name, ok, version if ok else f"{version}, needed {need.specifier}", "make install"))
    return checks


def _home(home: Path) -> Check:
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".doctor"
        probe.write_text("x")
        probe.unlink()
    except OSError as error:
        return Check("home", False, f"{home}: {error.strerror}", "set ML_HOME to a folder you may write to")
    return Check("home", True, str(home))


def _disk(home: Path) -> Check:
    place = next(p for p in (home, *home.parents) if p.exists())
    free_mb = shutil.disk_usage(place).free // 2**20
    return Check("disk", free_mb >= MIN_FREE_MB, f"{free_mb} MB free", f"free {MIN_FREE_MB} MB, or set ML_HOME elsewhere")


def _store(config: Config) -> Check:
    from arbml.store import Store

    try:
        with Store.open(config.store, config.home_path) as store:
            layout, stats = store.layout(), store.ticks.stats()
    except ArbmlError as error:
        return Check("store", False, str(error), "see TIMESERIES_CONNECTION_STRING")
    found = layout.timescale
    extension = f", TimescaleDB {found.version}" if found.version else ""
    if found.version and "ticks" not in found.hypertables:
        extension += " (not used yet: arbml store setup)"
    return Check("store", True, f"{layout.server}{extension}, {stats.rows} ticks")


def _port(config: Config) -> Check:
    host, port = config.inference.host, config.inference.port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Check("service port", False, f"{host}:{port}: {error.strerror}", "stop what listens there, or set ML_INFERENCE__PORT")
    return Check("service port", True, f"{host}:{port} is free")


def _url(name: str, url: str, mend: str) -> Check:
    shown = re.sub(r"//[^@/]*@", "//", url)

    def ask() -> str:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return f"{shown} answers {answer.status}"

    return _asked(name, ask, shown, mend)


def _tcp(name: str, host: str, port: int, mend: str) -> Check:
    def ask() -> str:
        with socket.create_connection((host, port), timeout=5):
            return f"{host}:{port} accepts connections"

    return _asked(name, ask, f"{host}:{port}", mend)


def _asked(name: str, ask: Callable[[], str], where: str, mend: str) -> Check:
    try:
        return Check(name, True, ask())
    except (OSError, ValueError) as error:
        return Check(name, False, f"{where}: {error}", mend)
