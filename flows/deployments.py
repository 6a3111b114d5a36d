"""The retraining deployments: LSTM daily, scorer weekly, volatility daily.

One run a model at a time; a run that comes while the last one still works is cancelled, not queued. Schedules are paused
while nobody serves them, and a run found more than `GRACE_S` late is dropped (`flows.retrain`), so that nothing piles up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval, Schedule
from prefect.types.entrypoint import EntrypointType

from arbml.errors import ConfigError
from arbml.settings import load_settings
from flows.retrain import retrain

# at night, apart from each other; Sunday for the weekly one
CRONS = {"lstm": "0 2 * * *", "volatility": "30 2 * * *", "scorer": "0 3 * * 0"}
USUAL_HOURS = {"lstm": 24, "volatility": 24, "scorer": 24 * 7}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One scheduled retraining. `when` says it for people."""

    name: str
    when: str
    runner: RunnerDeployment


def deployments(crons: Mapping[str, str]) -> list[Deployment]:
    """Return a deployment for each enabled model.

    Args:
        crons: model -> cron expression (UTC) in place of its usual schedule.

    Raises:
        ConfigError: for a cron expression that is none, or if no model is enabled.
    """
    config = load_settings()
    hours = {
        "lstm": config.lstm.retrain_interval_hours if config.lstm.enabled else None,
        "scorer": config.scorer.retrain_interval_days * 24 if config.scorer.enabled else None,
        "volatility": config.volatility.retrain_interval_hours if config.volatility.enabled else None,
    }
    found = [_deployment(kind, every, crons.get(kind)) for kind, every in hours.items() if every is not None]
    if not found:
        raise ConfigError("no model is enabled; set ML_LSTM_ENABLED, ML_SCORER_ENABLED or ML_VOLATILITY_ENABLED to true")
    return found


def serve_deployments(found: Sequence[Deployment]) -> None:
    """Run the schedules until interrupted."""
    serve(*(one.runner for one in found), pause_on_shutdown=True, print_starting_message=False)


def _deployment(kind: str, every_hours: int, cron: str | None) -> Deployment:
    schedule, when = _schedule(kind, every_hours, cron)
    runner = RunnerDeployment.from_flow(
        retrain,
        name=kind,
        parameters={"kind": kind},
        schedule=schedule,
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        tags=["arbml", kind],
        description=f"retrain {kind} on the latest data and promote it if it is better",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return Deployment(f"retrain/{kind}", when, runner)


def _schedule(kind: str, every_hours: int, cron: str | None) -> tuple[Schedule, str]:
    if cron is None and every_hours != USUAL_HOURS[kind]:
        anchor = datetime(2024, 1, 1, 2, tzinfo=UTC)
        return Interval(timedelta(hours=every_hours), anchor_date=anchor, timezone="UTC"), f"every {every_hours} h"
    cron = cron or CRONS[kind]
    try:
        return Cron(cron, timezone="UTC"), cron
    except ValueError as error:
        raise ConfigError(f"cron {cron!r} for {kind} is not valid: {error}; write five fields, e.g. '0 2 * * *'") from error
