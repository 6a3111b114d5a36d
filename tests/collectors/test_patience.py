"""A store that goes away for a moment while a source without haste is collected."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from arbml.collectors import Simulator, SimulatorConfig, collect
from arbml.collectors.patience import Patience
from arbml.collectors.simulator import BotSettings
from arbml.config import CollectionConfig, StoreConfig
from arbml.errors import StoreError, StoreFull, StoreUnavailable
from arbml.store import Store
from tests.mortal_postgres import MortalPostgres

SIM = SimulatorConfig(hours=0.5, bot=BotSettings(min_edge_bps=3))
OUTAGE_S = float(os.environ.get("ARBML_TEST_OUTAGE_S", "1"))


class Time:
    """A stopwatch that moves when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds

    def patience(self, seconds: float) -> Patience:
        return Patience(seconds, self.wait, lambda: self.now_s)


class Absent:
    """A store of which every second call fails: before it is done, or after, as when the connection is lost during the commit."""

    def __init__(self, inner: Store, after: bool) -> None:
        self._inner, self._after, self._calls = inner, after, 0
        self.ticks = self.executions = self

    def checkpoint(self, source: str) -> object:
        return self._flaky(lambda: self._inner.checkpoint(source))

    def set_checkpoint(self, checkpoint: object) -> None:
        self._flaky(lambda: self._inner.set_checkpoint(checkpoint))  # type: ignore[arg-type]

    def append(self, rows: pd.DataFrame, checkpoint: object = None) -> object:
        table = self._inner.ticks if "venue" in rows else self._inner.executions
        return self._flaky(lambda: table.append(rows, checkpoint=checkpoint))  # type: ignore[attr-defined]

    def _flaky(self, work: Callable[[], object]) -> object:
        self._calls += 1
        if self._calls % 2 == 0:
            return work()
        if self._after:
            work()
        raise StoreUnavailable("gone for a moment")


@pytest.mark.parametrize("after", [False, True])
def test_every_call_may_fail_for_a_moment_and_nothing_is_lost_or_twice(tmp_path: Path, after: bool) -> None:
    source = Simulator(SIM, batch_size=300)
    with Store.open(StoreConfig(), tmp_path) as store:
        report = collect(source, Absent(store, after), CollectionConfig(), patience=Time().patience(60))  # type: ignore[arg-type]
        assert (report.new, report.known, report.conflicting) == ((0, 1080, 0) if after else (1080, 0, 0))
        pd.testing.assert_frame_equal(store.ticks.read(), pd.concat(list(source.ticks()), ignore_index=True))
        assert len(store.executions.read()) == sum(map(len, source.executions())) > 10
        found = store.checkpoint(source.name)
        assert found is not None
        assert found.position == "done"


def test_patience_ends_and_pauses_grow_to_their_bound(caplog: pytest.LogCaptureFixture) -> None:
    def gone() -> None:
        raise StoreUnavailable("no server on port 5")

    time = Time()
    with pytest.raises(StoreUnavailable, match="port 5"):
        time.patience(60)(gone)
    assert time.now_s == pytest.approx(60)
    assert time.waits[0] <= 0.1
    assert 2.5 <= max(time.waits) <= 5.0
    assert caplog.text.count("cannot be had") == 1


@pytest.mark.parametrize("error", [StoreError("wrong password"), StoreFull("the disk is full")])
def test_an_error_that_somebody_must_mend_is_raised_at_once(error: StoreError) -> None:
    def refused() -> None:
        raise error

    time = Time()
    with pytest.raises(type(error), match=str(error)):
        time.patience(60)(refused)
    assert time.waits == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "crash"])
def test_a_simulated_source_waits_for_postgresql(
    mortal_postgres: MortalPostgres, tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Simulator(SIM, batch_size=100)

    def outage(done: int, total: int | None) -> None:
        if done == 300:
            getattr(mortal_postgres, how)()
            threading.Timer(OUTAGE_S, mortal_postgres.start).start()

    with Store.open(mortal_postgres.database(f"patient_{how}"), tmp_path) as store:
        report = collect(source, store, CollectionConfig(), outage)
        assert report.new + report.known == 1080
        assert report.seconds > OUTAGE_S
        pd.testing.assert_frame_equal(store.ticks.read(), pd.concat(list(source.ticks()), ignore_index=True))
    assert caplog.text.count("cannot be had") == caplog.text.count("the store is back after") == 1
