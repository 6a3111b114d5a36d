"""The registry: one class in front of runs, versions, aliases and their history."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arbml.clock import Clock, SystemClock
from arbml.config import RegistryConfig
from arbml.errors import RegistryError
from arbml.registry.catalogue import Catalogue
from arbml.registry.connection import Connection
from arbml.registry.provenance import Process, code_version, environment
from arbml.registry.run import RunLog, log_files
from arbml.registry.succession import Succession
from arbml.registry.versions import CHALLENGER, CHAMPION, KINDS, Action, Event, Version, model_name, seated

_EMPTY: Mapping[str, Any] = {}


class Registry:
    """Runs, versions and aliases of the three kinds of model, in MLflow.

    Nothing is opened and MLflow is not loaded before it is needed; reading a home where nothing was ever registered
    needs neither.

    Args:
        config: where MLflow is.
        home: everything local goes under it.
        clock: for the times of runs and events.
    """

    def __init__(self, config: RegistryConfig, home: Path, clock: Clock | None = None) -> None:
        self.home = Path(home).expanduser().absolute()
        self._clock = clock or SystemClock()
        self._connection = Connection(config, self.home)
        self._catalogue = Catalogue(self._connection)
        self._succession = Succession(self._connection, self._catalogue, self._clock)

    @property
    def uri(self) -> str:
        """The tracking URI, for `mlflow ui` and `mlflow.set_tracking_uri`; a server's may hold a password."""
        return self._connection.uri

    def start(self) -> None:
        """Make the database if there is none, close the runs of processes that died, complete interrupted histories.

        Raises:
            RegistryError: if MLflow cannot be reached or its database cannot be used.
        """
        client = self._connection.client()
        with self._connection.errors("close the runs of dead processes"):
            experiments = [found.experiment_id for kind in KINDS if (found := client.get_experiment_by_name(model_name(kind)))]
            running = client.search_runs(experiments, "attributes.status = 'RUNNING'") if experiments else []
            for run in running:
                owner = Process.from_json(run.data.tags.get("process", ""))
                if owner and owner.gone():
                    client.set_tag(run.info.run_id, "error", f"process {owner.pid} on {owner.host} ended without closing the run")
                    client.set_terminated(run.info.run_id, "KILLED", end_time=self._clock.now_ms())
        for kind in KINDS:
            if self._catalogue.aliases(kind).get(CHAMPION) != seated(self.history(kind)):
                with self._connection.lock():
                    self._succession.reconcile(kind)

    # runs

    @contextmanager
    def run(self, kind: str, *, params: Mapping[str, object] = _EMPTY, tags: Mapping[str, object] = _EMPTY) -> Iterator[RunLog]:
        """Open a run for one training; it ends FINISHED, FAILED with the error in a tag, or KILLED on an interrupt.

        Code version, environment and process are logged without being asked.
        """
        client, experiment = self._connection.client(), self._experiment(model_name(kind))
        with self._connection.errors(f"open a run of {kind}"):
            run = client.create_run(experiment, start_time=self._clock.now_ms(), tags={"process": Process.this().to_json()})
        log, facts = RunLog(self._connection, kind, run.info.run_id, self._clock), environment()
        origin = {"code_version": code_version(), "python": facts["python"], "platform": facts["platform"]}
        try:
            log.log(params=params, tags={**origin, **tags})
            log.log_json(facts, "environment.json")
            yield log
        except Exception as error:
            log.log(tags={"error": f"{type(error).__name__}: {error}"})
            log.end("FAILED")
            raise
        except BaseException:
            log.end("KILLED")
            raise
        log.end("FINISHED")

    def register(
        self,
        kind: str,
        model_dir: Path,
        *,
        example: Any,
        params: Mapping[str, object] = _EMPTY,
        metrics: Mapping[str, float | None] = _EMPTY,
        tags: Mapping[str, object] = _EMPTY,
        files: Mapping[str, Iterable[Path]] = _EMPTY,
    ) -> Version:
        """Open a run, log everything, register the model as the next version and call it challenger.

        Args:
            kind: "lstm", "scorer" or "volatility".
            model_dir: what `Model.save` wrote; copied.
            example: a small input of the kind's pyfunc (`arbml.registry.pyfunc`); gives the signature and is kept.
            files: folder of the run's artifacts ("" is its top) -> files to keep there.

        Raises:
            ModelFileError, RegistryError: see `RunLog.register`.
        """
        with self.run(kind, params=params, tags=tags) as run:
            run.log(metrics=metrics)
            for folder, paths in files.items():
                run.log_files(paths, folder or None)
            number = run.register(model_dir, example)
        return self.version(kind, number)

    def log_report(self, version: Version, paths: Iterable[Path], folder: str = "reports") -> None:
        """Keep files, e.g. a drift report, with the run that trained `version`."""
        log_files(self._connection, version.run_id, paths, folder)

    # versions

    def champion(self, kind: str) -> Version | None:
        """Return the version that serves, None if the baseline does."""
        return self._catalogue.by_alias(kind, CHAMPION)

    def challenger(self, kind: str) -> Version | None:
        """Return the version that competes, None if there is none."""
        version = self._catalogue.by_alias(kind, CHALLENGER)
        return None if version is None or CHAMPION in version.aliases else version

    def version(self, kind: str, number: int) -> Version:
        """Return one version. Raises RegistryError if there is no such version."""
        return self._catalogue.version(kind, number)

    def versions(self, kind: str) -> list[Version]:
        """Return all versions of a kind, the oldest first."""
        return self._catalogue.versions(kind)

    def set_alias(self, kind: str, alias: str, number: int) -> None:
        """Let an older version compete: point the alias challenger at it.

        Raises:
            RegistryError: for another alias (champion moves by `promote` and `rollback`, which keep the evidence), or if
                there is no such version.
        """
        if alias != CHALLENGER:
            mend = "champion moves by promote and rollback only" if alias == CHAMPION else "there are only champion and challenger"
            raise RegistryError(f"alias '{alias}' cannot be set: {mend}")
        self.version(kind, number)
        with self._connection.errors(f"make {kind} v{number} {alias}"):
            self._connection.client().set_registered_model_alias(model_name(kind), alias, str(number))

    def model_dir(self, version: Version) -> Path:
        """Return a local folder with the model of `version`, its digest checked. Read it, do not change it.

        Raises:
            RegistryError: if the files are gone, were changed, or cannot be fetched.
        """
        return self._catalogue.files(version, self.home / "mlflow" / "fetched")

    def artifact(self, version: Version, path: str) -> Path:
        """Return a local copy of a file or folder that the run of `version` kept, e.g. "evaluation.json" or "plots".

        Raises:
            RegistryError: if the run kept nothing of that name.
        """
        return self._catalogue.artifact(version, path, self.home / "mlflow" / "fetched")

    # who serves

    def promote(self, kind: str, number: int, reason: str, evidence: Mapping[str, object] = _EMPTY) -> Version:
        """Make a version champion.

        Order: the evidence to run and version, then the alias, then the history. Killed in between, either the old
        champion serves and the evidence waits, or the new one serves and the next `start` completes the history.

        Args:
            reason: why, in words.
            evidence: the whole decision as plain data, kept as decision.json of the run.

        Returns:
            The version, now champion.

        Raises:
            RegistryError: if there is no such version or its files are not sound; nothing has changed then.
        """
        version = self.version(kind, number)
        self.model_dir(version)
        with self._connection.lock():
            self._succession.reconcile(kind)
            self._succession.decided(version, Action.PROMOTE, reason, evidence)
            self._succession.seat(kind, number, Action.PROMOTE, reason)
        return self.version(kind, number)

    def reject(self, kind: str, number: int, reason: str, evidence: Mapping[str, object] = _EMPTY) -> None:
        """Record that a version does not become champion. It stays challenger until a newer one comes."""
        version = self.version(kind, number)
        with self._connection.lock():
            self._succession.decided(version, Action.REJECT, reason, evidence)
            self._succession.append(kind, number, Action.REJECT, reason)

    def rollback(self, kind: str, reason: str = "asked for") -> Version:
        """Let the champion before the present one serve again; after `retire`, the one that was retired.

        Raises:
            RegistryError: if there is none, or its files are not sound; nothing has changed then.
        """
        with self._connection.lock():
            self._succession.reconcile(kind)
            number = self._succession.before(kind)
            self.model_dir(self.version(kind, number))
            self._succession.seat(kind, number, Action.ROLLBACK, reason)
        return self.version(kind, number)

    def retire(self, kind: str, reason: str = "asked for") -> None:
        """Take the alias champion away, so that the baseline serves. Raises RegistryError if there is no champion."""
        with self._connection.lock():
            self._succession.reconcile(kind)
            self._succession.unseat(kind, reason)

    def history(self, kind: str) -> list[Event]:
        """Return what happened to the champion of a kind, the oldest first."""
        return self._succession.history(kind)

    def _experiment(self, name: str) -> str:
        client, artifacts = self._connection.client(), self._connection.artifacts
        with self._connection.errors(f"open the experiment {name}"), self._connection.lock():
            found = client.get_experiment_by_name(name)
            if found is None:
                return str(client.create_experiment(name, artifact_location=artifacts))
        if found.lifecycle_stage == "deleted":
            mend = f"mlflow experiments restore -x {found.experiment_id}"
            raise RegistryError(f"the experiment '{name}' was deleted in MLflow; bring it back: {mend}")
        if self._connection.database and found.artifact_location != artifacts:
            mend = f"move it back, or move {self._connection.folder} away to start with an empty registry"
            raise RegistryError(f"{self.home} was moved, its registry keeps files in {found.artifact_location}; {mend}")
        return str(found.experiment_id)
