"""What the registry answers with: versions of models, and the events that made one of them champion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from arbml.errors import RegistryError

KINDS = ("lstm", "scorer", "volatility")
CHAMPION = "champion"      # serves
CHALLENGER = "challenger"  # competes: the newest version, until it is promoted or a newer one comes


def model_name(kind: str) -> str:
    """Return the name under which a kind is registered.

    >>> model_name("scorer")
    'arbml-scorer'

    Raises:
        RegistryError: if there is no such kind.
    """
    if kind not in KINDS:
        raise RegistryError(f"no model is called '{kind}'; there are {', '.join(KINDS)}")
    return f"arbml-{kind}"


@dataclass(frozen=True, slots=True)
class Version:
    """One registered model with where it came from.

    Attributes:
        number: counts from 1 for each kind, in the order of registration.
        run_id: the MLflow run that trained it and keeps its parameters, metrics, plots and losses.
        feature_set_id, data_hash: what it was trained on.
        created_ms: when it was registered, UTC ms.
        metrics: e.g. {"fold1.brier": 0.19, "baseline.fold1.brier": 0.21, "final.loss": 0.18}.
        aliases: those of "champion" and "challenger" that point at it.
        tags: code_version, seed, model (its class), model_sha256 and, once decided on, decision and evidence.
        source: address of the logged model.
    """

    kind: str
    number: int
    run_id: str
    feature_set_id: str
    data_hash: str
    created_ms: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def __str__(self) -> str:
        return f"{self.kind} v{self.number}"

    @property
    def decision(self) -> str | None:
        """What was last decided on it: "promote", "reject" or None."""
        return self.tags.get("decision")


class Action(StrEnum):
    """What happened to the alias champion."""

    PROMOTE = "promote"
    REJECT = "reject"      # the alias stayed where it was
    ROLLBACK = "rollback"
    RETIRE = "retire"      # no champion: the service answers from the baseline
    MOVED = "moved"        # found elsewhere than the history says: moved by hand, or a rollback was interrupted


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a kind's history. `number` is the champion after it, or the version that was rejected or retired."""

    ts_ms: int
    number: int
    action: Action
    reason: str


def lineage(history: Sequence[Event]) -> list[int]:
    """Return the champions from the first to the present one, without those that were rolled back.

    A rollback goes to the champion before, a second one to the champion before that, never forward again. Moving the alias
    by hand to an earlier champion counts as a rollback.

    >>> events = [Event(1, 1, Action.PROMOTE, ""), Event(2, 4, Action.PROMOTE, ""), Event(3, 5, Action.REJECT, "")]
    >>> lineage(events)
    [1, 4]
    >>> lineage([*events, Event(4, 1, Action.ROLLBACK, "")])
    [1]
    """
    champions: list[int] = []
    for event in history:
        if event.action in (Action.REJECT, Action.RETIRE):
            continue
        back = event.action is not Action.PROMOTE and event.number in champions
        while back and champions[-1] != event.number:
            champions.pop()
        if champions[-1:] != [event.number]:
            champions.append(event.number)
    return champions


def seated(history: Sequence[Event]) -> int | None:
    """Return the champion that the history knows: None before the first promotion and after a retirement."""
    acts = [event for event in history if event.action is not Action.REJECT]
    return None if not acts or acts[-1].action is Action.RETIRE else acts[-1].number
