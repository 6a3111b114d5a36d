"""What the Bento carries: models, baselines, costs and enough ticks to start warm. Self-contained: no registry, no store.

    manifest.json        format, versions, feature-set id, configuration, sha256 of every other file
    models/<kind>/       the promoted model, as saved in training; absent where none beats its baseline
    baselines/<kind>/    what answers instead
    ticks.json           the last ticks, by column, to warm features and volatility
    patterns.json        the active patterns that explain answers; a bundle of before has none
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import pandas as pd
from pydantic import ValidationError

from arbml import __version__
from arbml.clock import Clock, SystemClock
from arbml.config import Config, Section, changed
from arbml.errors import FeatureSetMismatch, ModelFileError
from arbml.features.spec import feature_set_id
from arbml.frames import TICKS, TickFrame, frame_to_ticks
from arbml.market import Tick
from arbml.models.base import ServingModel, read_meta
from arbml.models.patterns.pattern import Pattern
from arbml.models.runtime import load_model
from arbml.serving.warm import warm_ticks

FORMAT = 1
MANIFEST = "manifest.json"
TICKS_FILE = "ticks.json"
PATTERNS_FILE = "patterns.json"
KINDS = ("lstm", "scorer", "volatility")
SECTIONS = ("costs", "inference", "lstm", "scorer", "volatility")
_MEND = "build the Bento again: arbml build"


class Saveable(Protocol):
    """A model or baseline that can be written to a directory."""

    def save(self, directory: Path) -> None:
        """Write it, all or nothing."""
        ...


@dataclass(frozen=True)
class Entry:
    """One question of the bundle.

    Attributes:
        kind: "lstm", "scorer" or "volatility".
        model, baseline: None where the bundle has none.
        version: of the model in the registry; "" without a model.
        coverage: measured share of outcomes inside the interval, by horizon in s; empty where not measured.
    """

    kind: str
    model: ServingModel | None
    baseline: ServingModel | None
    version: str
    coverage: Mapping[int, float]


def write_bundle(
    models: Mapping[str, Path | None],
    baselines: Mapping[str, Path | Saveable | None],
    config: Config,
    ticks: TickFrame,
    dest: Path,
    *,
    versions: Mapping[str, str] | None = None,
    coverage: Mapping[int, float] | None = None,
    clock: Clock | None = None,
    patterns: Sequence[Pattern] = (),
) -> Path:
    """Write a bundle to `dest`, all or nothing; what was there before is replaced.

    Args:
        models: directory of the promoted model of each kind, None where there is none.
        baselines: fitted baseline of each kind, or the directory of a saved one.
        config: its costs, inference and model sections go along; no secret does.
        ticks: checked frame; the end of it is kept, enough to start warm.
        dest: directory.
        versions: version of each model in the registry.
        coverage: measured coverage of the price intervals, by horizon in s.
        clock: for the time of writing.
        patterns: active ones; those found in other features than the running code computes are left out.

    Returns:
        `dest`.

    Raises:
        FeatureSetMismatch: if a model was trained on other features than the running code computes.
        ModelFileError: if a model directory is damaged, or of another kind.
    """
    from filelock import FileLock  # the service, which only reads, does without

    dest = Path(dest)
    dest.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(dest.parent / f".{dest.name}.lock"):
        for left in dest.parent.glob(f".{dest.name}.*.part"):  # by a process that was killed in here: whoever has the lock is alone
            shutil.rmtree(left, ignore_errors=True)
        return _write(models, baselines, config, ticks, dest, versions or {}, coverage or {}, clock or SystemClock(), patterns)


def _write(
    models: Mapping[str, Path | None],
    baselines: Mapping[str, Path | Saveable | None],
    config: Config,
    ticks: TickFrame,
    dest: Path,
    versions: Mapping[str, str],
    coverage: Mapping[int, float],
    clock: Clock,
    patterns: Sequence[Pattern],
) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f".{dest.name}.", suffix=".part", dir=dest.parent))
    try:
        entries: dict[str, dict[str, Any]] = {"models": {}, "baselines": {}}
        for kind in KINDS:
            if (source := models.get(kind)) is not None:
                entries["models"][kind] = _add(kind, source, folder / "models" / kind) | {"version": versions.get(kind, "")}
            if (baseline := baselines.get(kind)) is not None:
                entries["baselines"][kind] = _add(kind, baseline, folder / "baselines" / kind)
        kept = warm_ticks(ticks, config.lstm.sequence_length)
        (folder / TICKS_FILE).write_text(json.dumps(_columns(kept), separators=(",", ":")), encoding="utf-8")
        matched = [pattern.to_dict() for pattern in patterns if pattern.feature_set_id == feature_set_id()]
        (folder / PATTERNS_FILE).write_text(json.dumps(matched, allow_nan=False), encoding="utf-8")
        manifest = {
            "format": FORMAT,
            "arbml_version": __version__,
            "created_ms": clock.now_ms(),
            "feature_set_id": feature_set_id(),
            **entries,
            "coverage": {str(horizon_s): share for horizon_s, share in coverage.items()},
            "trained_to_ms": max((entry["trained_to_ms"] for entry in entries["models"].values()), default=None),
            "ticks": len(kept),
            "config": {name: getattr(config, name).model_dump(mode="json") for name in SECTIONS},
            "files": _hashes(folder),
        }
        (folder / MANIFEST).write_text(json.dumps(manifest | {"checksum": _checksum(manifest)}, indent=1), encoding="utf-8")
        folder.chmod(0o755)
        _put_in_place(folder, dest)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return dest


class Bundle:
    """A bundle on disk, read and checked.

    Attributes:
        path: its directory.
        manifest: what `manifest.json` says.
        config: the sections that came along; all others have their defaults.
        entries: models and baselines by kind, loaded.
        patterns: those that were active when it was built.
    """

    def __init__(
        self, path: Path, manifest: dict[str, Any], config: Config, entries: Mapping[str, Entry], patterns: tuple[Pattern, ...] = ()
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.config = config
        self.entries = entries
        self.patterns = patterns

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a bundle.

        Raises:
            ModelFileError: if it is missing, damaged or of another format.
            FeatureSetMismatch: if it was built for other features than the running code computes.
        """
        path = Path(path)
        manifest = _read_manifest(path)
        if manifest["feature_set_id"] != feature_set_id():
            raise FeatureSetMismatch(
                f"{path}: built for feature set {manifest['feature_set_id']}, this version computes {feature_set_id()}; "
                "train and build again: arbml run"
            )
        try:
            config = Config.model_validate(manifest["config"])
        except ValidationError as error:
            raise ModelFileError(f"{path / MANIFEST}: configuration of another version ({error.error_count()} problems); {_MEND}") from None
        coverage = {int(horizon_s): float(share) for horizon_s, share in manifest["coverage"].items()}
        entries = {kind: _entry(path, manifest, kind, coverage) for kind in KINDS}
        return cls(path, manifest, config, entries, _patterns(path, manifest))

    def ticks(self) -> list[Tick]:
        """Return the ticks to start warm with, in the order of knowing."""
        columns = json.loads((self.path / TICKS_FILE).read_bytes())
        return frame_to_ticks(TICKS.check(pd.DataFrame(columns), source=str(self.path / TICKS_FILE)))


def effective(bundled: Config, settings: Config) -> Config:
    """Return the configuration to serve with: the bundle's, where the environment does not say otherwise.

    >>> from arbml.config import ScorerConfig
    >>> bundled = Config(scorer=ScorerConfig(confidence_threshold=0.6, trees=50))
    >>> effective(bundled, Config.model_validate({"scorer": {"confidence_threshold": 0.9}})).scorer.confidence_threshold
    0.9
    >>> effective(bundled, Config()).scorer.confidence_threshold
    0.6
    """
    sections: dict[str, Section] = {}
    for name in SECTIONS:
        said: Section = getattr(settings, name)
        sections[name] = changed(getattr(bundled, name), **{field: getattr(said, field) for field in said.model_fields_set})
    return settings.model_copy(update=sections)


def _add(kind: str, source: Path | Saveable, dest: Path) -> dict[str, Any]:
    """Put a model into the bundle; return what the manifest says of it."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, Path):
        read_meta(source)
        shutil.copytree(source, dest)
    else:
        source.save(dest)
    meta = read_meta(dest)
    if meta.kind != kind:
        raise ModelFileError(f"{source}: holds a model of kind '{meta.kind}', not '{kind}'")
    if meta.feature_set_id != feature_set_id():
        raise FeatureSetMismatch(
            f"{meta.model} was trained on feature set {meta.feature_set_id}, this version computes {feature_set_id()}; "
            f"train again: arbml train {kind}"
        )
    return {"model": meta.model, "data_hash": meta.data_hash, "trained_from_ms": meta.trained_from_ms, "trained_to_ms": meta.trained_to_ms}


def _entry(path: Path, manifest: dict[str, Any], kind: str, coverage: Mapping[int, float]) -> Entry:
    model = load_model(path / "models" / kind) if kind in manifest["models"] else None
    baseline = load_model(path / "baselines" / kind) if kind in manifest["baselines"] else None
    version = manifest["models"][kind]["version"] if model is not None else ""
    return Entry(kind, model, baseline, version, coverage if kind == "lstm" else {})


def _patterns(path: Path, manifest: dict[str, Any]) -> tuple[Pattern, ...]:
    if PATTERNS_FILE not in manifest["files"]:
        return ()
    try:
        return tuple(Pattern.from_dict(one) for one in json.loads((path / PATTERNS_FILE).read_bytes()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"not readable ({type(error).__name__}: {error})"
        raise ModelFileError(f"{path / PATTERNS_FILE}: {what}, though unchanged since it was written; {_MEND}") from None


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(file.read_bytes())
        checksum = manifest.pop("checksum", None)
    except FileNotFoundError:
        raise ModelFileError(f"{file}: no such file; {_MEND}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{file}: not readable as JSON ({error}); {_MEND}") from error
    if manifest.get("format") != FORMAT:
        raise ModelFileError(f"{file}: format {manifest.get('format')!r}, this version reads format {FORMAT}; {_MEND}")
    if checksum != _checksum(manifest):
        raise ModelFileError(f"{file}: changed since it was written; {_MEND}")
    found = _hashes(path)
    for name, digest in manifest["files"].items():
        if found.get(name) != digest:
            what = "cut short or changed" if name in found else "missing"
            raise ModelFileError(f"{path / name}: {what} since the bundle was written; {_MEND}")
    return manifest


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _checksum(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _columns(ticks: TickFrame) -> dict[str, list[Any]]:
    """Plain data by column; JSON keeps every bit of a float, and NaN becomes null."""
    return {name: [None if value != value else value for value in ticks[name].tolist()] for name in TICKS.names}


def _put_in_place(folder: Path, dest: Path) -> None:
    if not dest.exists():
        os.replace(folder, dest)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{dest.name}.", suffix=".part", dir=dest.parent))
    os.replace(dest, old)  # an empty directory may be replaced by another one
    os.replace(folder, dest)
    shutil.rmtree(old, ignore_errors=True)
