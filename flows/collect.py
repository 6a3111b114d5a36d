"""Source to store."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.collectors import CollectReport, collect
from arbml.collectors.evm.collector import EvmCollector
from arbml.collectors.evm.strangers import refuse_strangers
from arbml.collectors.live import LiveCollector, collect_live
from arbml.config import RedisConfig
from arbml.errors import NotEnoughData, TransientError
from flows.evm import EvmSource, collect_chain
from flows.lateness import missed
from flows.progress import report
from flows.sources import Opened, Source, checked
from flows.workspace import Selection, Workspace


@dataclass(frozen=True, slots=True)
class Collected:
    """What each source gave, and what was noticed while reading."""

    reports: tuple[CollectReport, ...]
    notes: tuple[str, ...]


def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Retry only what may go better later."""
    try:
        state.result()
    except TransientError:
        return True
    except Exception:
        return False
    return False


@task(cache_policy=NO_CACHE)
def check_sources(sources: Sequence[Source]) -> list[Opened]:
    """Open and check every source before the first row is stored; raises what `flows.sources.checked` does."""
    return checked(sources, Workspace().config)


@task(cache_policy=NO_CACHE, retries=3, retry_delay_seconds=[2, 10, 60], retry_condition_fn=is_transient)
def collect_source(collector: Opened) -> CollectReport:
    """Collect one source to its end. Idempotent: a second time adds nothing of a recorded one."""
    workspace = Workspace()
    stage = f"collect {collector.name}"
    report(stage, 0)
    collection = workspace.config.collection

    def progress(rows: int, total: int | None) -> None:
        report(stage, 0.99 * rows / total if total else 0.0)

    if isinstance(collector, EvmCollector):
        refuse_strangers(collector.pools.values(), collector.chain_id, workspace.store.ticks)
        with _published(workspace.config.redis) as tell:
            done: CollectReport = collect_chain(collector, workspace.store.chain, stage, tell)
    elif isinstance(collector, LiveCollector):
        with _published(workspace.config.redis) as tell:
            done = collect_live(collector, workspace.store, collection, progress, tell=tell)
    else:
        done = collect(collector, workspace.store, collection, progress)
    report(stage, 1)
    return done


@contextmanager
def _published(redis: RedisConfig) -> Iterator[Callable[[object], None] | None]:
    """Give what publishes live ticks for the workers of the service; None where no Redis is named."""
    if redis.host is None:
        yield None
        return
    from arbml.fanout import TickPublisher
    from arbml.fanout.stream import connect

    publisher = TickPublisher(connect(redis))
    try:
        yield publisher.record
    finally:
        publisher.close()


@flow(name="collect", validate_parameters=False)
def collect_flow(sources: Sequence[Source]) -> Collected:
    """Collect every source, one after the other."""
    collectors = check_sources(sources)
    reports = tuple(collect_source(collector) for collector in collectors)
    # a live source knows only afterwards what there is to say
    return Collected(reports, tuple(note for collector in collectors for note in getattr(collector, "notes", ())))


@flow(name="collect-chain")
def scheduled_collection(source: EvmSource) -> Collected:
    """Collect a chain up to its head; where to begin in an empty store is the source's affair.

    The nodes are those of the setting ETH_RPC_URL: the parameters of a run are kept by the server, and URLs may hold keys.
    """
    if (dropped := missed()) is not None:
        return dropped
    return collect_flow([source.model_copy(update={"catch_up": True})])


def selection_of(reports: Sequence[CollectReport]) -> Selection:
    """Return the ticks that these collections are about, whether they were new or known.

    Raises:
        NotEnoughData: if they brought no tick.
    """
    starts = [done.start_ms for done in reports if done.start_ms is not None]
    ends = [done.end_ms for done in reports if done.end_ms is not None]
    if not starts or not ends:
        raise NotEnoughData("ticks in the given sources", 0, 1, "give a tick file with --ticks")
    streams = sorted({stream for done in reports for stream in done.streams})
    return Selection(streams=tuple(streams), start_ms=min(starts), end_ms=max(ends))
