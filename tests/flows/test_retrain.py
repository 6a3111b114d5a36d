"""A scheduled run that begins late is dropped; one asked for by hand never is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from arbml.errors import ConfigError
from flows.deployments import CRONS, deployments
from flows.evm import EvmSource
from flows.lateness import GRACE_S, late_s


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


def test_a_chain_is_collected_up_to_its_head_and_its_nodes_are_kept_nowhere(tmp_path: Path) -> None:
    source = EvmSource(rpc=(SecretStr("https://node/KEY"),), pools=tmp_path / "pools.toml", days=2, catch_up=True)
    found = {d.name: d for d in deployments({"evm": "* * * * *"}, source)}
    assert (found["collect-chain/evm"].when, len(found)) == ("* * * * *", 4)
    assert "retrain/lstm" in found
    kept = found["collect-chain/evm"].runner.parameters
    assert kept == {"source": {"kind": "evm", "pools": str(tmp_path / "pools.toml"), "days": 2.0, "catch_up": True, "watch": []}}
    assert deployments({}, source)[0].when == "*/5 * * * *"
