"""Ticks to a report: walk-forward training, the bot with ML and without it, figures with intervals."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.backtest import RuleStrategy, Tape, Wake, make_tape
from arbml.backtest.bot_strategy import BotStrategy
from arbml.backtest.comparative import Contender, bot_contenders, run_comparative
from arbml.backtest.comparison import Comparison
from arbml.backtest.engine import Backtester
from arbml.backtest.exchange import Fate
from arbml.backtest.oracle import OracleStrategy, Truth
from arbml.backtest.report import generate_report, headline
from arbml.backtest.retraining import KINDS, Schedule, WalkForward, refuse_lookahead
from arbml.backtest.training import Champion
from arbml.backtest.tuning import best_floor
from arbml.clock import iso
from arbml.collectors import Collector, Simulator
from arbml.collectors.simulator import SimulatedFate
from arbml.config import Config, changed
from arbml.errors import ConfigError, NotEnoughData, RegistryError
from arbml.evaluation import measured_coverage
from arbml.frames import EXECUTIONS, ExecutionFrame, TickFrame, sort_by_knowing
from arbml.registry import Registry, Version
from flows.progress import report
from flows.sources import ExchangeSource, FileSource, SimulatorSource, Source, checked, with_ticks
from flows.workspace import Selection, Workspace

if TYPE_CHECKING:
    from arbml.collectors.simulator.world import WorldFate

TESTED = 0.3  # last part of the ticks that is tested where no start is given; what was before trains


@dataclass(frozen=True)
class Plan:
    """What is to be backtested.

    Attributes:
        sources: files or the simulator, read without being stored; the store without them.
        start_ms, end_ms: UTC ms; without them the last 30 % of the ticks.
        ml: False runs the rule alone.
        compare: beside ML the rule, ML without each model, and in the simulator the oracle.
        kinds: models to use, all that are enabled without it.
        retrain_hours: one interval for all models, in place of their own.
        champions: serve the registry's champions throughout, in place of training walk-forward.
        trials: strategies or settings tried on these data, this one included.
        page: where the report goes.
    """

    sources: tuple[Source, ...] = ()
    start_ms: int | None = None
    end_ms: int | None = None
    ml: bool = True
    compare: bool = False
    kinds: tuple[str, ...] = ()
    retrain_hours: float | None = None
    champions: bool = False
    trials: int = 1
    page: Path | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """What is replayed. `world` is the simulator where it, rather than the market's replay, says what becomes of attempts."""

    name: str
    ticks: TickFrame
    executions: ExecutionFrame | None
    world: "SimulatedFate | WorldFate | None" = None


@dataclass(frozen=True, eq=False)
class Backtested:
    """What came of it."""

    comparison: Comparison
    headline: str
    page: Path


@task(cache_policy=NO_CACHE)
def load(plan: Plan) -> Recording:
    """Read ticks and executions.

    Raises:
        NotEnoughData: if there are no ticks.
    """
    workspace = Workspace()
    if not plan.sources:
        selection = Selection(start_ms=_past_of(plan, workspace.config), end_ms=plan.end_ms)
        ticks = workspace.ticks(selection)
        return Recording("the stored ticks", ticks, workspace.executions(ticks))
    collectors = with_ticks(checked(plan.sources, workspace.config))
    ticks = sort_by_knowing(pd.concat([df for one in collectors for df in one.ticks()], ignore_index=True))
    told = [df for one in collectors for df in one.executions()]
    executions = sort_by_knowing(pd.concat(told, ignore_index=True)) if told else EXECUTIONS.empty()
    return Recording(", ".join(map(_named, plan.sources)), ticks, executions, _world(collectors))


def _named(source: Source) -> str:
    if isinstance(source, SimulatorSource):
        return f"{source.hours:g} h of the simulated {'market' if source.market == 'pair' else 'world'}, seed {source.seed}"
    if isinstance(source, ExchangeSource):
        return ", ".join(source.exchanges)
    return source.path.name if isinstance(source, FileSource) else "a chain"


def _world(collectors: Sequence[Collector]) -> "SimulatedFate | WorldFate | None":
    """Return who says what becomes of attempts: a simulated market that is the only source."""
    if len(collectors) != 1:
        return None
    if isinstance(collectors[0], Simulator):
        return SimulatedFate(collectors[0])
    from arbml.collectors.simulator.world import World, WorldFate  # brings numba

    return WorldFate(collectors[0]) if isinstance(collectors[0], World) else None


def _token(sources: Sequence[Source], config: Config) -> Config:
    """Routes of a simulated world start in USDC where the settings do not say; its pairs have several quotes."""
    if config.backtest.token is None and any(isinstance(one, SimulatorSource) and one.market == "world" for one in sources):
        return changed(config, backtest=changed(config.backtest, token="USDC"))
    return config


def _past_of(plan: Plan, config: Config) -> int | None:
    """Return from when on ticks are needed: what a training before the start would read."""
    if plan.start_ms is None:
        return None
    return plan.start_ms - config.collection.history_days * 86_400_000


def period_of(plan: Plan, ticks: TickFrame) -> tuple[int, int]:
    """Return start and end, UTC ms, end not included.

    Raises:
        NotEnoughData: without ticks. ConfigError: if the period is empty or holds no tick.
    """
    if ticks.empty:
        raise NotEnoughData("ticks to backtest on", 0, 1, "collect some first: arbml collect sim, or give --ticks FILE or --sim")
    first_ms, last_ms = int(ticks["ts_known_ms"].min()), int(ticks["ts_known_ms"].max())
    end_ms = plan.end_ms if plan.end_ms is not None else last_ms + 1
    start_ms = plan.start_ms if plan.start_ms is not None else end_ms - int(TESTED * (end_ms - first_ms))
    if plan.start_ms is None:  # on the minute, for the eye
        start_ms -= start_ms % 60_000
    if start_ms > last_ms or end_ms <= first_ms:
        asked = f"after {iso(start_ms)}" if start_ms > last_ms else f"before {iso(end_ms)}"
        raise ConfigError(
            f"no tick lies {asked}: they span {iso(first_ms)} to {iso(last_ms)}; give a --start and --end inside of that"
        )
    if not start_ms < end_ms:
        raise ConfigError(f"--start {iso(start_ms)} is not before --end {iso(end_ms)}; give an earlier start or a later end")
    return start_ms, end_ms


@task(cache_policy=NO_CACHE)
def champions_of(kinds: Sequence[str], start_ms: int) -> dict[str, Champion]:
    """Return the registry's champions of these kinds.

    Raises:
        ConfigError: if one of them was trained on, or won its gate with, data of the period.
        RegistryError: if there is none.
    """
    workspace = Workspace()
    registry = workspace.registry
    versions = {kind: version for kind in kinds if (version := registry.champion(kind)) is not None}
    if not versions:
        raise RegistryError("no champion is registered; run arbml run first, or leave --champions out to train walk-forward")
    paths = {kind: registry.model_dir(version) for kind, version in versions.items()}
    refuse_lookahead(paths, start_ms, {kind: _chosen_to_ms(registry, version) for kind, version in versions.items()})
    found = {}
    for kind, version in versions.items():
        coverage = measured_coverage(registry.artifact(version, "evaluation.json")) if kind == "lstm" else {}
        found[kind] = Champion(paths[kind], f"v{version.number}", coverage)
    return found


def _chosen_to_ms(registry: Registry, version: Version) -> int:
    """Return the end of the block that decided its promotion, UTC ms; 0 where nothing was recorded."""
    try:
        decision = json.loads(registry.artifact(version, "decision.json").read_text(encoding="utf-8"))
        return int(datetime.fromisoformat(decision["test_block"][1]).timestamp() * 1000)
    except (RegistryError, KeyError, IndexError, ValueError):
        return 0


@task(cache_policy=NO_CACHE)
def run(plan: Plan, recording: Recording, period: tuple[int, int], given: dict[str, Champion] | None, folder: Path) -> Comparison:
    """Run all arms."""
    config = _token(plan.sources, Workspace().config)
    ticks = recording.ticks
    tape = make_tape(ticks)
    # an edge between two venues is where every route over one pair begins
    wakes = Wake.EDGE if ticks["pair"].nunique() == 1 else Wake.ALL
    schedule = Schedule.of(config, plan.kinds or None, plan.retrain_hours)
    walk = WalkForward(ticks, recording.executions, config, schedule, folder, *period, progress=report, given=given) if plan.ml else None
    contenders = bot_contenders(config, walk, walk.kinds if walk else (), wakes=wakes, against=plan.compare)
    fate: Fate | None = recording.world
    if plan.compare:
        contenders += _tuned(config, tape, period, fate, wakes)
    if plan.compare and recording.world is not None:
        contenders.append(_oracle(config, recording.world))
    return run_comparative(
        tape, contenders, lambda: Backtester(config.costs, config.backtest, fate),
        start_ms=period[0], end_ms=period[1], trials=plan.trials, rules=config.promotion, seed=config.training.seed, progress=report,
    )  # fmt: skip


def _tuned(config: Config, tape: Tape, period: tuple[int, int], fate: Fate | None, wakes: Wake) -> list[Contender]:
    """Return the rule above the floor that earned most before the period, for as long as the period lasts; none without a past."""
    since_ms = max(2 * period[0] - period[1], int(tape.known_ms.min()))
    if since_ms >= period[0]:
        return []
    report("tune the rule on what was before", 0)
    tester = Backtester(config.costs, config.backtest, fate)

    def rule(floor: float) -> RuleStrategy:
        return RuleStrategy(config.costs, floor, max_age_ms=config.bot.max_pool_age_ms)

    floor = best_floor(tester, tape, rule, since_ms, period[0])
    report("tune the rule on what was before", 1)
    above = changed(config, bot=changed(config.bot, min_profit=floor))
    told = f"sends what gives more than {floor:.4g} net (ML_BOT__MIN_PROFIT): what earned most from {iso(since_ms)} on"
    return [Contender("tuned rule", "tuned", lambda: BotStrategy("tuned rule", above, wakes=wakes), notes=(told,))]


def _oracle(config: Config, world: Truth) -> Contender:
    return Contender("oracle", "oracle", lambda: OracleStrategy(config.costs, world, config.bot.max_pool_age_ms))


@flow(name="backtest", validate_parameters=False)
def backtest_flow(plan: Plan) -> Backtested:
    """Replay the ticks to the bot, and write the report."""
    workspace = Workspace()
    report("read ticks", 0)
    recording = load(plan)
    period = period_of(plan, recording.ticks)
    report("read ticks", 1)
    kinds = plan.kinds or tuple(kind for kind in KINDS if kind in workspace.kinds)
    given = champions_of(kinds, period[0]) if plan.champions else None
    with _scratch(workspace.home) as folder:
        comparison = run(plan, recording, period, given, folder)
    page = plan.page or workspace.home / "reports" / "backtest.html"
    generate_report(comparison, page, f"Backtest on {recording.name}")
    return Backtested(comparison, headline(comparison), page)


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """Yield an empty folder under the home, gone afterwards."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="backtest-", dir=home / "tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
