"""Reading versions and aliases out of MLflow, and getting at a version's files."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from arbml.errors import RegistryError
from arbml.registry.connection import Connection
from arbml.registry.provenance import digest
from arbml.registry.run import DATA_FOLDER
from arbml.registry.versions import Version, model_name

_MEND = "restore them from a backup, or train again: arbml train"


class Catalogue:
    """Answers what there is; changes nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def version(self, kind: str, number: int) -> Version:
        """Return one version. Raises RegistryError if there is no such version."""
        name = model_name(kind)
        client = self._connection.client()
        with self._connection.errors(f"find {kind} v{number}"):
            return self._read(kind, client.get_model_version(name, str(number)), self.aliases(kind))

    def versions(self, kind: str) -> list[Version]:
        """Return all versions of a kind, the oldest first."""
        name = model_name(kind)
        if not self._connection.exists:
            return []
        client = self._connection.client()
        found, token = [], None
        with self._connection.errors(f"list the versions of {name}"):
            while True:
                page = client.search_model_versions(f"name='{name}'", page_token=token)
                found += page
                token = page.token
                if not token:
                    break
            aliases = self.aliases(kind) if found else {}
            return sorted((self._read(kind, one, aliases) for one in found), key=lambda version: version.number)

    def by_alias(self, kind: str, alias: str) -> Version | None:
        """Return the version that an alias points at, None if it points nowhere."""
        number = self.aliases(kind).get(alias)
        return None if number is None else self.version(kind, number)

    def aliases(self, kind: str) -> dict[str, int]:
        """Return alias -> number of a kind."""
        registered = self._registered(kind)
        return {alias: int(number) for alias, number in registered.aliases.items()} if registered else {}

    def tags(self, kind: str) -> dict[str, str]:
        """Return the tags of the registered model itself, where the history is."""
        registered = self._registered(kind)
        return dict(registered.tags) if registered else {}

    def files(self, version: Version, kept: Path) -> Path:
        """Return a local folder with the model of `version`, its digest checked.

        Args:
            kept: folder under which files that are on a server are kept once fetched.

        Raises:
            RegistryError: if the files are gone, were changed, or cannot be fetched.
        """
        expected = version.tags.get("model_sha256", "")
        parts = urlsplit(version.source)
        if parts.scheme in ("", "file"):
            folder = Path(unquote(parts.path)) / DATA_FOLDER
        else:
            folder = kept / f"{model_name(version.kind)}-{version.number}-{expected[:12]}"
            if not folder.is_dir() or digest(folder) != expected:
                self._fetch(version, folder)
        if not folder.is_dir():
            raise RegistryError(f"{version}: its files are gone from {folder}; {_MEND} {version.kind}")
        if digest(folder) != expected:
            raise RegistryError(f"{version}: the files in {folder} changed since they were registered; {_MEND} {version.kind}")
        return folder

    def artifact(self, version: Version, path: str, kept: Path) -> Path:
        """Return a local copy of a file or folder of the version's run. Raises RegistryError if there is none."""
        client = self._connection.client()
        with self._connection.errors(f"read '{path}' of {version}"):
            folder = kept / version.run_id
            folder.mkdir(parents=True, exist_ok=True)
            return Path(client.download_artifacts(version.run_id, path, str(folder)))

    def _fetch(self, version: Version, folder: Path) -> None:
        from mlflow.artifacts import download_artifacts

        folder.parent.mkdir(parents=True, exist_ok=True)
        doing = self._connection.errors(f"fetch {version}")
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as aside, doing:
            uri = f"{version.source}/{DATA_FOLDER}"
            fetched = download_artifacts(artifact_uri=uri, dst_path=aside, tracking_uri=self._connection.uri)
            with self._connection.lock():
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(fetched, folder)

    def _registered(self, kind: str) -> Any:
        """Return MLflow's registered model, None before the first version."""
        name = model_name(kind)
        if not self._connection.exists:
            return None
        client = self._connection.client()
        with self._connection.errors(f"read {name}"):
            found = client.search_registered_models(f"name='{name}'")
        return found[0] if found else None

    def _read(self, kind: str, found: Any, aliases: Mapping[str, int]) -> Version:
        run = self._connection.client().get_run(found.run_id)
        return Version(
            kind=kind,
            number=int(found.version),
            run_id=found.run_id,
            feature_set_id=found.tags.get("feature_set_id", ""),
            data_hash=found.tags.get("data_hash", ""),
            created_ms=int(found.creation_timestamp),
            metrics=dict(run.data.metrics),
            aliases=tuple(sorted(alias for alias, number in aliases.items() if number == int(found.version))),
            tags=dict(found.tags),
            source=found.source,
        )
