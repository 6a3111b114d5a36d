"""Who is champion, and how it came to that: moving the alias and keeping its history.

The alias is the truth, and moves in one statement. The history is a series of tags on the registered model, one for each
event, each written in one statement after the alias has moved. Whoever finds that the alias is not where the history
left it (a process was killed in between, or somebody moved it by hand) writes the missing event.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict

from arbml.clock import Clock
from arbml.errors import RegistryError
from arbml.registry.catalogue import Catalogue
from arbml.registry.connection import Connection
from arbml.registry.run import log_json
from arbml.registry.versions import CHALLENGER, CHAMPION, Action, Event, Version, lineage, model_name, seated

_EVENT = "event."


class Succession:
    """The alias champion of each kind. Whoever changes it holds `Connection.lock`."""

    def __init__(self, connection: Connection, catalogue: Catalogue, clock: Clock) -> None:
        self._connection, self._catalogue, self._clock = connection, catalogue, clock

    def history(self, kind: str) -> list[Event]:
        """Return all events of a kind, the oldest first."""
        tags = self._catalogue.tags(kind)
        events = [json.loads(tags[key]) for key in sorted(tags) if key.startswith(_EVENT)]
        return [Event(event["ts_ms"], event["number"], Action(event["action"]), event["reason"]) for event in events]

    def reconcile(self, kind: str) -> int | None:
        """Bring the history up to the alias; return the champion's number."""
        number = self._catalogue.aliases(kind).get(CHAMPION)
        history = self.history(kind)
        known = seated(history)
        if number is None:
            if known is not None:
                self.append(kind, known, Action.RETIRE, "the alias was taken away, and nobody wrote down why")
        elif number != known:
            tags = self._catalogue.version(kind, number).tags
            promoted = any(event.number == number and event.action is Action.PROMOTE for event in history)
            if tags.get("decision") == Action.PROMOTE and not promoted:
                self.append(kind, number, Action.PROMOTE, tags.get("evidence", ""))
            else:
                self.append(kind, number, Action.MOVED, "the alias was moved, and nobody wrote down why")
        return number

    def before(self, kind: str) -> int:
        """Return the champion to go back to; after a retirement, the retired one.

        Raises:
            RegistryError: if there is none.
        """
        present = self._catalogue.aliases(kind).get(CHAMPION)
        known = {version.number for version in self._catalogue.versions(kind)}
        champions = [number for number in lineage(self.history(kind)) if number != present and number in known]
        if not champions:
            what = "there has been no champion" if present is None else f"v{present} is the first champion"
            raise RegistryError(f"{kind}: {what}, so there is none to go back to; without a champion the baseline serves")
        return champions[-1]

    def seat(self, kind: str, number: int, action: Action, reason: str) -> None:
        """Point the alias champion at a version, write it down, and free the alias challenger if it was there."""
        client, name = self._connection.client(), model_name(kind)
        with self._connection.errors(f"make {kind} v{number} champion"):
            client.set_registered_model_alias(name, CHAMPION, str(number))
        self.append(kind, number, action, reason)
        if self._catalogue.aliases(kind).get(CHALLENGER) == number:
            with self._connection.errors(f"free the alias {CHALLENGER} of {kind}"):
                client.delete_registered_model_alias(name, CHALLENGER)

    def unseat(self, kind: str, reason: str) -> None:
        """Take the alias champion away. Raises RegistryError if there is no champion."""
        number = self._catalogue.aliases(kind).get(CHAMPION)
        if number is None:
            raise RegistryError(f"{kind}: there is no champion to retire; the baseline serves already")
        with self._connection.errors(f"retire {kind} v{number}"):
            self._connection.client().delete_registered_model_alias(model_name(kind), CHAMPION)
        self.append(kind, number, Action.RETIRE, reason)

    def decided(self, version: Version, action: Action, reason: str, evidence: Mapping[str, object]) -> None:
        """Keep a decision with the run, as decision.json, and on the version, as tags."""
        log_json(self._connection, version.run_id, {"decision": action, "reason": reason, **evidence}, "decision.json")
        client, name = self._connection.client(), model_name(version.kind)
        with self._connection.errors(f"record the decision on {version}"):
            for key, value in (("evidence", reason), ("decided_ms", str(self._clock.now_ms())), ("decision", str(action))):
                client.set_model_version_tag(name, str(version.number), key, value)

    def append(self, kind: str, number: int, action: Action, reason: str) -> None:
        """Write one event, later than all others even if the clock was set back."""
        last_ms = max((event.ts_ms for event in self.history(kind)), default=0)
        event = Event(max(self._clock.now_ms(), last_ms + 1), number, action, reason)
        key = f"{_EVENT}{event.ts_ms:015d}.{uuid.uuid4().hex[:6]}"
        with self._connection.errors(f"write the history of {kind}"):
            self._connection.client().set_registered_model_tag(model_name(kind), key, json.dumps(asdict(event)))
