"""Champions to a Bento that runs on its own, and one question to it over HTTP."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.dataset import walk_forward
from arbml.errors import ArbmlError, NotEnoughData
from arbml.evaluation import measured_coverage
from arbml.frames import TickFrame, frame_to_ticks
from arbml.market import PoolBook, find_opportunities
from arbml.models.base import Model
from arbml.models.fresh import fresh_baseline
from arbml.registry import Version
from arbml.serving import write_bundle
from bentos.packaging import BuiltBento, build_bento
from bentos.serving_process import served
from flows.patterns import active_patterns
from flows.progress import report
from flows.train import build_dataset
from flows.workspace import Selection, Workspace

KINDS = ("lstm", "scorer", "volatility")


@dataclass(frozen=True, slots=True)
class Built:
    """What was built. `versions` says for each model who answers: a version or the baseline."""

    tag: str
    path: str
    versions: dict[str, str]


@task(cache_policy=NO_CACHE)
def fit_baseline(kind: str, selection: Selection) -> Model | None:
    """Fit what answers where no model does; None where the data says nothing of it."""
    workspace = Workspace()
    try:
        dataset = build_dataset.fn(kind, selection)
        fold = walk_forward(dataset, workspace.config.training)[-1]
        baseline = fresh_baseline(kind, workspace.config)
        baseline.fit(dataset.take(fold.train), dataset.take(fold.validation))
    except NotEnoughData:
        return None
    return baseline


@task(cache_policy=NO_CACHE)
def write_bundle_of(champions: Mapping[str, Version], baselines: Mapping[str, Model | None], selection: Selection) -> Path:
    """Export champions, baselines, active patterns and the last ticks under the models path."""
    workspace = Workspace()
    registry = workspace.registry
    return write_bundle(
        {kind: registry.model_dir(version) for kind, version in champions.items()},
        baselines,
        workspace.config,
        workspace.ticks(selection),
        workspace.config.registry.models_path / "bundle",
        versions={kind: f"v{version.number}" for kind, version in champions.items()},
        coverage=measured_coverage(registry.artifact(champions["lstm"], "evaluation.json")) if "lstm" in champions else {},
        clock=workspace.clock,
        patterns=active_patterns(workspace)[0],
    )


@task(cache_policy=NO_CACHE)
def build_service(bundle: Path) -> BuiltBento:
    """Run `bentoml build`."""
    return build_bento(bundle, Workspace().home)


@flow(name="build", validate_parameters=False)
def build_flow(selection: Selection) -> Built:
    """Package the champions, and a baseline for every model, as a Bento."""
    workspace = Workspace()
    report("build", 0)
    champions = {kind: v for kind in workspace.kinds if (v := workspace.registry.champion(kind)) is not None}
    baselines = {kind: fit_baseline(kind, selection) for kind in KINDS}
    report("build", 0.5)
    built = build_service(write_bundle_of(champions, baselines, selection))
    report("build", 1)
    who = {kind: f"v{champions[kind].number}" if kind in champions else "baseline" for kind in KINDS}
    return Built(built.tag, str(built.path), who)


@task(cache_policy=NO_CACHE)
def question(ticks: TickFrame) -> dict[str, Any]:
    """Return the best opportunity in the last known state, as a request; a round trip on one venue where there is none."""
    config, book = Workspace().config, PoolBook()
    last = ticks.groupby(["venue", "pair"], sort=True).tail(1)
    for tick in frame_to_ticks(last):
        book.update(tick)
    now_ms = int(last["ts_known_ms"].max())
    pools = book.pools(str(last.iloc[-1]["pair"]), now_ms)
    found = find_opportunities(pools, config.costs, now_ms) if len(pools) > 1 else []
    venues = [leg.venue for leg in found[0].route.legs] if found else [pools[0].venue, pools[0].venue]
    legs = [{"venue": venue, "side": side} for venue, side in zip(venues, ("buy", "sell"), strict=True)]
    return {"ts_ms": now_ms, "pair": pools[0].pair, "legs": legs}


@task(cache_policy=NO_CACHE)
def ask(bento: BuiltBento, body: dict[str, Any], recorded: bool) -> dict[str, Any]:
    """Serve the Bento on a free port, POST the question to /predict, and stop it."""
    workspace = Workspace()
    # recorded ticks are judged at their own time, or the market state would always be too old to act on
    environment = {"ML_INFERENCE__CLOCK": "ticks"} if recorded else {}
    with served(bento, workspace.home, environment=environment) as url:
        request = urllib.request.Request(f"{url}/predict", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise ArbmlError(f"the served Bento refused the question: {error.read().decode()[:300]}") from error


@flow(name="ask", validate_parameters=False)
def ask_flow(built: Built, selection: Selection) -> dict[str, Any]:
    """Serve what was built once, and ask it for a prediction on the last known state."""
    report("serve and ask", 0)
    body = question(Workspace().ticks(selection))
    report("serve and ask", 0.2)
    prediction = ask(BuiltBento(built.tag, Path(built.path)), body, recorded=True)
    report("serve and ask", 1)
    return prediction
