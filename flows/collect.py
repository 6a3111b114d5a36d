"""Source to store."""

from collections.abc import Sequence
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from arbml.collectors import CollectReport, collect
from arbml.errors import TransientError
from flows.progress import report
from flows.sources import Source, open_source
from flows.workspace import Selection, Workspace


def is_transient(_task: Any, _run: Any, state: Any) -> bool:
    """Retry only what may go better later."""
    try:
        state.result()
    except TransientError:
        return True
    except Exception:
        return False
    return False


@task(cache_policy=NO_CACHE, retries=3, retry_delay_seconds=[2, 10, 60], retry_condition_fn=is_transient)
def collect_source(source: Source) -> CollectReport:
    """Collect one source to its end. Idempotent: a second time adds nothing."""
    workspace = Workspace()
    collector = open_source(source, workspace.config.collection)
    stage = f"collect {collector.name}"
    report(stage, 0)
    done = collect(
        collector, workspace.store, workspace.config.collection,
        lambda rows, total: report(stage, rows / total if total else 0.0),
    )
    report(stage, 1)
    return done


@flow(name="collect")
def collect_flow(sources: Sequence[Source]) -> list[CollectReport]:
    """Collect every source, one after the other."""
    return [collect_source(source) for source in sources]


def selection_of(reports: Sequence[CollectReport]) -> Selection:
    """Return the ticks that these collections are about, whether they were new or known."""
    streams = sorted({stream for done in reports for stream in done.streams})
    return Selection(
        streams=tuple(streams),
        start_ms=min(done.start_ms for done in reports),
        end_ms=max(done.end_ms for done in reports),
    )
