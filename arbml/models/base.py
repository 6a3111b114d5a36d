"""What every model is, and how one is kept on disk.

A saved model is a directory with `meta.json` and the files that it names. `meta.json` holds:

    format               int, FORMAT of this module
    kind                 "lstm" | "scorer" | "volatility": the question it answers
    model                class that learnt it: "LSTMPredictor", "OpportunityScorer", "VolatilityPredictor",
                         or a baseline: "ZeroChange", "BaseRate", "RealizedVolatility"
    feature_names        list of input columns, in order        target_names   list of target columns, in order
    feature_set_id       id of the features that it was trained on
    data_hash            hash of the dataset                    seed           int | null
    trained_from_ms, trained_to_ms   first and last row of training and validation, UTC ms
    n_train, n_validation            rows
    onnx_max_difference  largest |ONNX - source model| over the validation rows, null without ONNX
    notes                list of sentences for people
    params               what the kind needs, see below
    files                {name: sha256} of every other file
    checksum             sha256 of all of the above

`params` of LSTMPredictor (beside it: `model.onnx`, input float32 (n, sequence_length, features kept by the scaler), output
float32 (n, H*3) or (n, H, 3), scaled quantiles; `arbml.models.quantiles.finish` turns them into log-returns):

    sequence_length      rows of one window                     scaler         InputScaler.to_dict()
    horizons_s           H whole seconds                        quantiles      three levels, lower, median, upper
    target_scale         H floats: log-return = output * scale  conformal      H pairs (lower, upper): factors by which the
                                                                               sides of the interval are stretched

`params` of OpportunityScorer (beside it: `model.onnx`, input float32 (n, features kept), output "probabilities" (n, 2)):
scaler, calibration (Calibration.to_dict()), probability_error (standard error), importance {name: share}.

`params` of VolatilityPredictor: step_s, window_s, streams {stream: {garch: GarchParams.to_dict(), state: {ts_ms, variance} at
the end of the training, intervals: RatioIntervals.to_dict(), residuals, why}}, default {garch, intervals} for a stream
that was not in the training.

`params` of the baselines: ZeroChange horizons_s, quantiles, values (H, 3); BaseRate rate; RealizedVolatility step_s, window_s,
streams {stream: {prior, floor, weight, intervals}}, default (the same).
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from arbml.errors import FeatureSetMismatch, ModelFileError

if TYPE_CHECKING:
    from arbml.dataset import Dataset

FORMAT = 1
META = "meta.json"
ONNX = "model.onnx"
MAX_ONNX_DIFFERENCE = 1e-5  # of a probability; more means that the export is another model

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ModelMeta:
    """What `meta.json` says of a model; the module's docstring explains each field."""

    kind: str
    model: str
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    feature_set_id: str
    data_hash: str
    trained_from_ms: int
    trained_to_ms: int
    n_train: int
    n_validation: int
    seed: int | None = None
    onnx_max_difference: float | None = None
    notes: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class ServingModel(Protocol):
    """A model that answers: one just fitted, one loaded, or a baseline."""

    kind: str

    @property
    def meta(self) -> ModelMeta:
        """What is known of it. Raises NotFitted before `fit`."""
        ...

    def predict(self, ds: "Dataset") -> Floats:
        """Answer every row: (n, H, 3) log-return quantiles, (n,) probability, or (n,) variance over the horizon.

        Raises:
            NotFitted: before `fit` or loading.
            FeatureSetMismatch: if the rows have other features than those of the training.
        """
        ...


@runtime_checkable
class Model(ServingModel, Protocol):
    """A model that learns. The same data, configuration and seed give the same model."""

    def fit(self, train: "Dataset", validation: "Dataset") -> None:
        """Learn from `train`; stop early, calibrate and check on `validation`, which is later in time."""
        ...

    def save(self, directory: Path) -> None:
        """Write the model to `directory`, all or nothing; `arbml.models.runtime.load_model` reads it."""
        ...


def describe(model: str, train: "Dataset", validation: "Dataset", **more: Any) -> ModelMeta:
    """Return the meta of a model fitted on `train` and `validation`; `more` are further fields of ModelMeta."""
    ts_ms = np.concatenate([train.ts_ms, validation.ts_ms])
    return ModelMeta(
        kind=train.kind,
        model=model,
        feature_names=tuple(train.feature_names),
        target_names=tuple(train.target_names),
        feature_set_id=train.feature_set_id,
        data_hash=train.data_hash,
        trained_from_ms=int(ts_ms.min()),
        trained_to_ms=int(ts_ms.max()),
        n_train=len(train),
        n_validation=len(validation),
        **more,
    )


def check_features(meta: ModelMeta, feature_names: Sequence[str], feature_set_id: str) -> None:
    """Refuse inputs that are not those of the training: other names, another order, or another definition.

    Raises:
        FeatureSetMismatch: naming the first difference.
    """
    names = tuple(feature_names)
    if names != meta.feature_names:
        pairs = enumerate(zip(names, meta.feature_names, strict=False))
        where = next((f"column {i} is '{got}', not '{want}'" for i, (got, want) in pairs if got != want), "")
        where = where or f"there are {len(names)} columns, not {len(meta.feature_names)}"
        raise FeatureSetMismatch(f"{meta.model}: {where}; give the columns in the order of the training, or train again")
    if feature_set_id != meta.feature_set_id:
        raise FeatureSetMismatch(
            f"{meta.model} was trained on feature set {meta.feature_set_id}, the data has {feature_set_id}; "
            f"train again: arbml train {meta.kind}"
        )


@contextmanager
def writing(directory: Path, meta: ModelMeta) -> Iterator[Path]:
    """Yield a temporary folder for the model's files; on leaving, write `meta.json` and put it in place of `directory`.

    A reader sees the old model or the new one, never half of one; after an error nothing is left behind.
    """
    directory = Path(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        yield folder
        write_meta(folder, meta)
        folder.chmod(0o755)
        _put_in_place(folder, directory)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(folder: Path, directory: Path) -> None:
    if not directory.exists():
        os.replace(folder, directory)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{directory.name}.old.", dir=directory.parent))
    os.replace(directory, old)  # an empty directory may be replaced by another one
    os.replace(folder, directory)
    shutil.rmtree(old, ignore_errors=True)


def write_meta(folder: Path, meta: ModelMeta) -> None:
    """Write `meta.json` with the hashes of all files that are in `folder` now."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != META)
    content = asdict(meta) | {"format": FORMAT, "files": {name: _sha256((folder / name).read_bytes()) for name in names}}
    content["checksum"] = _checksum(content)
    (folder / META).write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def read_meta(directory: Path) -> ModelMeta:
    """Read `meta.json` and check that it and every file it names are as they were saved.

    Raises:
        ModelFileError: if the directory or a file is missing, cut short, changed, or of another format.
    """
    path = Path(directory) / META
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        checksum, found = content.pop("checksum", None), content.pop("format", None)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file; train the model, or give the directory of a saved one") from None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ModelFileError(f"{path}: not readable as JSON ({error}); {_MEND}") from error
    if found != FORMAT:
        raise ModelFileError(f"{path}: format {found!r}, this version reads format {FORMAT}; train the model again")
    if checksum != _checksum(content | {"format": found}):
        raise ModelFileError(f"{path}: changed since it was saved; {_MEND}")
    try:
        meta = ModelMeta(**(content | {name: tuple(content[name]) for name in ("feature_names", "target_names", "notes")}))
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: lacks or has an unknown field ({error}); {_MEND}") from None
    for name in meta.files:
        read_file(Path(directory), meta, name)
    return meta


def read_file(directory: Path, meta: ModelMeta, name: str) -> bytes:
    """Return the content of one of the model's files.

    Raises:
        ModelFileError: if it is missing, cut short or changed since it was saved.
    """
    path = Path(directory) / name
    if name not in meta.files:
        raise ModelFileError(f"{path}: not part of the saved {meta.model}; {_MEND}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: {error.strerror or error}; {_MEND}") from None
    if _sha256(content) != meta.files[name]:
        raise ModelFileError(f"{path}: cut short or changed since it was saved ({len(content)} bytes); {_MEND}")
    return content


_MEND = "restore the directory from the registry (arbml rollback) or train the model again"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _checksum(content: dict[str, Any]) -> str:
    return _sha256(json.dumps(content, sort_keys=True).encode())
