"""One MLflow run from the start of a training to its registered version."""

import json
import math
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from arbml.clock import Clock
from arbml.errors import RegistryError
from arbml.models.base import read_meta
from arbml.registry.connection import Connection
from arbml.registry.provenance import digest, requirements
from arbml.registry.versions import CHALLENGER, model_name

LOADER = "arbml.registry.pyfunc"
MODEL_FOLDER = "model"            # in the run; inside it, MLflow keeps our files in DATA_FOLDER
DATA_FOLDER = "data/model"
_BATCH = 100                      # most parameters and tags that MLflow takes at once
_TAG_LIMIT, _PARAM_LIMIT = 8000, 6000
VERSION_TAGS = ("code_version", "seed", "data_hash")  # of the run; its dataset is more than the part that the model learnt from


class RunLog:
    """An open run. What is logged is kept at once, so that a training that fails or is killed leaves its trace.

    Attributes:
        run_id: of MLflow. kind: what is trained.
    """

    def __init__(self, connection: Connection, kind: str, run_id: str, clock: Clock) -> None:
        self.kind, self.run_id = kind, run_id
        self._connection, self._clock = connection, clock
        self._tags: dict[str, str] = {}
        self._open = True

    def log(
        self,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float | None] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        """Log parameters, metrics (those that are finite) and tags; too long values are cut."""
        from mlflow.entities import Metric, Param, RunTag

        now_ms = self._clock.now_ms()
        finite = {name: float(value) for name, value in (metrics or {}).items() if value is not None and math.isfinite(value)}
        param_list = [Param(name, str(value)[:_PARAM_LIMIT]) for name, value in (params or {}).items()]
        texts = {name: str(value)[:_TAG_LIMIT] for name, value in (tags or {}).items()}
        tag_list = [RunTag(name, value) for name, value in texts.items()]
        self._tags |= texts
        client = self._connection.client()
        with self._connection.errors(f"log to run {self.run_id}"):
            client.log_batch(self.run_id, metrics=[Metric(name, value, now_ms, 0) for name, value in finite.items()])
            for start in range(0, max(len(param_list), len(tag_list)), _BATCH):
                part = slice(start, start + _BATCH)
                client.log_batch(self.run_id, params=param_list[part], tags=tag_list[part])

    def log_files(self, paths: Iterable[Path], folder: str | None = None) -> None:
        """Keep files with the run, in `folder` of its artifacts.

        Raises:
            RegistryError: naming the first file that is not there.
        """
        log_files(self._connection, self.run_id, paths, folder)

    def log_json(self, data: object, name: str) -> None:
        """Keep plain data as a JSON file called `name`."""
        log_json(self._connection, self.run_id, data, name)

    def register(self, model_dir: Path, example: Any) -> int:
        """Log the saved model with signature and example, end the run, register a version and call it challenger.

        The version appears last and complete: whoever finds it finds its metrics, files and model too.

        Args:
            model_dir: what `Model.save` wrote; copied.
            example: a small input of the kind's pyfunc, see `arbml.registry.pyfunc`; gives the signature and is kept.

        Returns:
            The version's number.

        Raises:
            ModelFileError: if the directory is not a complete model.
            RegistryError: if it is a model of another kind, or MLflow refuses.
        """
        meta = read_meta(model_dir)
        if meta.kind != self.kind:
            raise RegistryError(f"{model_dir}: a model of kind '{meta.kind}' cannot be registered as '{self.kind}'")
        facts = {"feature_set_id": meta.feature_set_id, "data_hash": meta.data_hash, "model": meta.model}
        facts |= {name: self._tags[name] for name in VERSION_TAGS if name in self._tags}
        facts["model_sha256"] = self._log_model(model_dir, example)
        self.log(tags=facts)
        self.end("FINISHED")
        name, client = model_name(self.kind), self._connection.client()
        with self._connection.lock(), self._connection.errors(f"register {name}"):
            _ensure_registered(client, name)
            source = f"{client.get_run(self.run_id).info.artifact_uri.rstrip('/')}/{MODEL_FOLDER}"
            number = int(client.create_model_version(name, source, run_id=self.run_id, tags=facts).version)
            client.set_registered_model_alias(name, CHALLENGER, str(number))
        return number

    def end(self, status: str) -> None:
        """Close the run as "FINISHED", "FAILED" or "KILLED"; a second call changes nothing."""
        if self._open:
            with self._connection.errors(f"end run {self.run_id}"):
                self._connection.client().set_terminated(self.run_id, status, end_time=self._clock.now_ms())
            self._open = False

    def _log_model(self, model_dir: Path, example: Any) -> str:
        from mlflow.models import Model, infer_signature
        from mlflow.pyfunc import save_model

        from arbml.registry.pyfunc import load

        with tempfile.TemporaryDirectory(prefix="arbml-model-") as folder, self._connection.errors("log the model"):
            copy, logged = Path(folder) / Path(DATA_FOLDER).name, Path(folder) / "logged"
            shutil.copytree(model_dir, copy)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Hint: Inferred schema contains integer")  # times are never missing
                signature = infer_signature(example, load(copy).predict(example))
            save_model(
                logged,
                loader_module=LOADER,
                data_path=str(copy),
                mlflow_model=Model(artifact_path=MODEL_FOLDER, run_id=self.run_id),
                signature=signature,
                input_example=example,
                pip_requirements=requirements(),
            )
            self._connection.client().log_artifacts(self.run_id, str(logged), MODEL_FOLDER)
            return digest(copy)


def log_files(connection: Connection, run_id: str, paths: Iterable[Path], folder: str | None) -> None:
    """Keep files with a run, also with one that has ended. Raises RegistryError naming a file that is not there."""
    client = connection.client()
    for path in paths:
        if not path.is_file():
            raise RegistryError(f"{path}: no such file to log to run {run_id}")
        with connection.errors(f"log {path.name} to run {run_id}"):
            client.log_artifact(run_id, str(path), folder)


def log_json(connection: Connection, run_id: str, data: object, name: str) -> None:
    """Keep plain data with a run as a JSON file."""
    with connection.errors(f"log {name} to run {run_id}"):
        connection.client().log_text(run_id, json.dumps(data, indent=1, default=str) + "\n", name)


def _ensure_registered(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
