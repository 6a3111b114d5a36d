"""Challenger to champion, on evidence."""

from collections.abc import Sequence

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.errors import NotEnoughData
from arbml.promotion import Decision, promote
from flows.progress import report
from flows.train import build_dataset
from flows.workspace import Selection, Workspace, chosen


@task(cache_policy=NO_CACHE)
def promote_model(kind: str, selection: Selection) -> "Decision | str":
    """Decide on the challenger of one model; a sentence where there is nothing to decide."""
    workspace = Workspace()
    challenger = workspace.registry.challenger(kind)
    if challenger is None:
        champion = workspace.registry.champion(kind)
        return f"no challenger; {champion} serves" if champion else "no challenger and no champion; the baseline answers"
    try:
        return promote(kind, challenger, build_dataset(kind, selection), workspace.registry, workspace.config)
    except NotEnoughData as error:
        return f"cannot be decided: {error}"


@flow(name="promote", validate_parameters=False)
def promote_flow(kinds: Sequence[str], selection: Selection) -> "dict[str, Decision | str]":
    """Decide on the challengers of these models, or of all that are enabled."""
    decisions = {}
    for kind in chosen(kinds, Workspace()):
        report(f"promote {kind}", 0)
        decisions[kind] = promote_model(kind, selection)
        report(f"promote {kind}", 1)
    return decisions
