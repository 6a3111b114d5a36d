"""The deployments: a chain collected every few minutes where one is named; LSTM daily, scorer weekly, volatility daily.

One run of each at a time; a run that comes while the last one still works is cancelled, not queued. Schedules are paused
while nobody serves them, and a run found more than `GRACE_S` late is dropped (`flows.lateness`), so that nothing piles up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval, Schedule
from prefect.types.entrypoint import EntrypointType

from arbml.errors import ConfigError
from arbml.settings import load_settings
from flows.collect import scheduled_collection
from flows.evm import EvmSource
from flows.retrain import retrain

# at night, apart from each other; Sunday for the weekly one
CRONS = {"lstm": "0 2 * * *", "volatility": "30 2 * * *", "scorer": "0 3 * * 0"}
CHAIN_CRON = "*/5 * * * *"
USUAL_HOURS = {"lstm": 24, "volatility": 24, "scorer": 24 * 7}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One scheduled flow. `when` says it for people."""

    name: str
    when: str
    runner: RunnerDeployment


def deployments(crons: Mapping[str, str], chain: EvmSource | None = None) -> list[Deployment]:
    """Return a deployment for each enabled model, and one for a chain.

    Args:
        crons: model, or "evm" -> cron expression (UTC) in place of its usual schedule.
        chain: collected up to its head each time.

    Raises:
        ConfigError: for a cron expression that is none, or if no model is enabled.
    """
    config = load_settings()
    hours = {
        "lstm": config.lstm.retrain_interval_hours if config.lstm.enabled else None,
        "scorer": config.scorer.retrain_interval_days * 24 if config.scorer.enabled else None,
        "volatility": config.volatility.retrain_interval_hours if config.volatility.enabled else None,
    }
    found = [_of_chain(chain, crons.get("evm"))] if chain is not None else []
    found += [_deployment(kind, every, crons.get(kind)) for kind, every in hours.items() if every is not None]
    if not found:
        raise ConfigError("no model is enabled; set ML_LSTM_ENABLED, ML_SCORER_ENABLED or ML_VOLATILITY_ENABLED to true")
    return found


def serve_deployments(found: Sequence[Deployment]) -> None:
    """Run the schedules until interrupted."""
    serve(*(one.runner for one in found), pause_on_shutdown=True, print_starting_message=False)


def _of_chain(source: EvmSource, cron: str | None) -> Deployment:
    schedule, when = _cron("evm", cron or CHAIN_CRON)
    kept = source.model_copy(update={"pools": source.pools.resolve()}).model_dump(mode="json", exclude={"rpc"}, exclude_none=True)
    runner = _runner(scheduled_collection, "evm", {"source": kept}, schedule, "collect the pools of a chain up to its head")
    return Deployment("collect-chain/evm", when, runner)


def _deployment(kind: str, every_hours: int, cron: str | None) -> Deployment:
    schedule, when = _schedule(kind, every_hours, cron)
    told = f"retrain {kind} on the latest data and promote it if it is better"
    return Deployment(f"retrain/{kind}", when, _runner(retrain, kind, {"kind": kind}, schedule, told))


def _runner(flow: Flow[..., Any], name: str, parameters: dict[str, Any], schedule: Schedule, description: str) -> RunnerDeployment:
    return RunnerDeployment.from_flow(
        flow,
        name=name,
        parameters=parameters,
        schedule=schedule,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        tags=["arbml", name],
        description=description,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _schedule(kind: str, every_hours: int, cron: str | None) -> tuple[Schedule, str]:
    if cron is None and every_hours != USUAL_HOURS[kind]:
        anchor = datetime(2024, 1, 1, 2, tzinfo=UTC)
        return Interval(timedelta(hours=every_hours), anchor_date=anchor, timezone="UTC"), f"every {every_hours} h"
    return _cron(kind, cron or CRONS[kind])


def _cron(kind: str, cron: str) -> tuple[Schedule, str]:
    try:
        return Cron(cron, timezone="UTC"), cron
    except ValueError as error:
        raise ConfigError(f"cron {cron!r} for {kind} is not valid: {error}; write five fields, e.g. '0 2 * * *'") from error
