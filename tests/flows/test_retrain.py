"""A scheduled run that begins late is dropped; one asked for by hand never is."""

from datetime import UTC, datetime, timedelta

import pytest

from arbml.errors import ConfigError
from flows.deployments import CRONS, deployments
from flows.retrain import GRACE_S, late_s


def test_lateness_is_measured_from_the_due_time() -> None:
    now = datetime(2024, 1, 1, 2, 0, 30, tzinfo=UTC)
    assert late_s(now - timedelta(seconds=30), now) == 30
    assert late_s(None, now) == 0
    assert late_s(now - timedelta(hours=9), now) > GRACE_S


def test_the_usual_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {d.name: d.when for d in deployments({})} == {f"retrain/{kind}": cron for kind, cron in CRONS.items()}
    monkeypatch.setenv("ML_LSTM__RETRAIN_INTERVAL_HOURS", "6")
    monkeypatch.setenv("ML_SCORER_ENABLED", "false")
    assert {d.name: d.when for d in deployments({})} == {"retrain/lstm": "every 6 h", "retrain/volatility": "30 2 * * *"}


def test_one_run_a_model_and_the_rest_cancelled() -> None:
    for found in deployments({"lstm": "*/5 * * * *"}):
        limit = found.runner.concurrency_options
        assert found.runner.concurrency_limit == 1
        assert limit is not None
        assert limit.collision_strategy.value == "CANCEL_NEW"


def test_a_cron_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not valid"):
        deployments({"lstm": "61 2 * * *"})
