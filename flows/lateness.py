"""Scheduled runs that begin too late, because the machine slept: they are dropped, the next one is due soon enough."""

from datetime import UTC, datetime
from typing import Any

from prefect.runtime import flow_run
from prefect.states import Cancelled

from arbml.clock import SystemClock

GRACE_S = 600


def missed() -> Any:
    """Return the state in which a run that begins more than `GRACE_S` seconds late ends; None for one that is in time."""
    late = late_s(flow_run.scheduled_start_time, datetime.fromtimestamp(SystemClock().now_ms() / 1000, tz=UTC))
    return Cancelled(message=f"missed by {late:.0f} s, dropped; the next run is on schedule") if late > GRACE_S else None


def late_s(due: datetime | None, now: datetime) -> float:
    """Return how late a scheduled run began, s; 0 for a run that was not scheduled."""
    return (now - due).total_seconds() if due is not None else 0.0
