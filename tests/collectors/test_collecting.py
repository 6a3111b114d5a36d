"""From a collector into a store, and again, and after a kill."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from arbml.collectors import FileCollector, Simulator, SimulatorConfig, collect
from arbml.collectors.simulator import BotSettings
from arbml.config import CollectionConfig, StoreConfig
from arbml.errors import SchemaError, StoreError, TransientError
from arbml.frames import TICKS
from arbml.store import Store

START_MS = 1_704_067_200_000
SIM = SimulatorConfig(hours=0.5, bot=BotSettings(min_edge_bps=3))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(StoreConfig(), tmp_path / "home") as opened:
        yield opened


def _all(frames: Iterator[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(list(frames), ignore_index=True)


@dataclass
class Live:
    """A source that gives one tick at a time, and fails after them if told."""

    rows: int
    failure: Exception | None = None
    name: str = "live"
    total: None = None

    def ticks(self) -> Iterator[pd.DataFrame]:
        for row in range(self.rows):
            yield TICKS.check(
                pd.DataFrame({"ts_known_ms": [START_MS + row], "ts_ms": START_MS + row, "venue": "a", "pair": "WETH/USDC", "price": 1.0})
            )
        if self.failure:
            raise self.failure

    def executions(self) -> Iterator[pd.DataFrame]:
        return iter(())


@dataclass
class Fragile:
    """A store that dies after some writes of ticks, as a killed process does."""

    inner: Store
    survives: int
    ticks: "Fragile" = field(init=False)

    def __post_init__(self) -> None:
        self.ticks = self
        self.executions = self.inner.executions
        self.checkpoint, self.set_checkpoint = self.inner.checkpoint, self.inner.set_checkpoint

    def append(self, ticks: pd.DataFrame, checkpoint: object = None) -> object:
        if self.survives == 0:
            raise StoreError("killed")
        self.survives -= 1
        return self.inner.ticks.append(ticks, checkpoint=checkpoint)


def test_everything_arrives_once_however_often_it_is_collected(store: Store) -> None:
    first = collect(Simulator(SIM), store, CollectionConfig())
    assert (first.new, first.known, first.conflicting) == (1080, 0, 0)
    assert first.streams == ("curve|WETH/USDC", "sushiswap|WETH/USDC", "uniswap|WETH/USDC")
    assert (first.start_ms, first.end_ms) == (START_MS, START_MS + 359 * 5000)
    assert first.executions_new == len(_all(Simulator(SIM).executions())) > 10
    again = collect(Simulator(SIM), store, CollectionConfig())
    assert (again.new, again.known, again.conflicting, again.executions_new) == (0, 1080, 0, 0)
    pd.testing.assert_frame_equal(store.ticks.read(), _all(Simulator(SIM).ticks()))


def test_what_was_deleted_comes_back(store: Store) -> None:
    collect(Simulator(SIM), store, CollectionConfig())
    gone = store.prune(START_MS + 100_000)["ticks"]
    assert collect(Simulator(SIM), store, CollectionConfig()).new == gone > 0


@pytest.mark.parametrize("survives", [0, 1, 3, 4])
def test_a_killed_collection_goes_on_where_it_stopped(store: Store, survives: int) -> None:
    def source() -> Simulator:
        return Simulator(SIM, batch_size=300)

    written: list[int] = []
    with pytest.raises(StoreError, match="killed"):
        collect(source(), Fragile(store, survives), CollectionConfig()) if survives < 4 else _killed_before_executions(store)
    assert len(store.ticks.read()) == min(300 * survives, 1080)
    report = collect(source(), store, CollectionConfig(), lambda done, total: written.append(done))
    assert (report.new, report.known) == (1080 - min(300 * survives, 1080), min(300 * survives, 1080))
    assert written == [300, 600, 900, 1080]
    assert report.executions_new == len(_all(source().executions()))
    pd.testing.assert_frame_equal(store.ticks.read(), _all(source().ticks()))


def _killed_before_executions(store: Store) -> None:
    fragile = Fragile(store, survives=4)

    class NoExecutions:
        def append(self, executions: pd.DataFrame, checkpoint: object = None) -> object:
            raise StoreError("killed")

    fragile.executions = NoExecutions()
    collect(Simulator(SIM, batch_size=300), fragile, CollectionConfig())


def test_progress_is_told_after_every_write(store: Store) -> None:
    told: list[tuple[int, int | None]] = []
    collect(Simulator(SIM, batch_size=500), store, CollectionConfig(), lambda done, total: told.append((done, total)))
    assert told == [(500, 1080), (1000, 1080), (1080, 1080)]


def test_small_frames_are_gathered_to_the_batch_size(store: Store) -> None:
    told: list[int] = []
    report = collect(Live(25), store, CollectionConfig(batch_size=10), lambda done, total: told.append(done))
    assert told == [10, 20, 25]
    assert report.new == 25


def test_what_a_failing_source_gave_is_kept(store: Store) -> None:
    with pytest.raises(TransientError, match="gone"):
        collect(Live(7, TransientError("gone")), store, CollectionConfig(batch_size=5))
    assert len(store.ticks.read()) == 7


def test_a_live_source_is_never_skipped(store: Store) -> None:
    with pytest.raises(TransientError):
        collect(Live(7, TransientError("gone")), store, CollectionConfig())
    found = store.checkpoint("live")
    assert found is not None
    assert (found.position, found.ts_ms) == ("7", START_MS + 6)
    assert collect(Live(9), store, CollectionConfig()).new == 2


def test_a_wrong_file_leaves_nothing_in_the_store(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "ticks.csv"
    good = "".join(f"{START_MS + row},a,WETH/USDC,2000\n" for row in range(50))
    path.write_text(f"ts_ms,venue,pair,price\n{good}{START_MS + 60},a,WETH/USDC,-1\n")
    with pytest.raises(SchemaError, match="row 51"):
        collect(FileCollector(path, batch_size=10), store, CollectionConfig())
    assert len(store.ticks.read()) == 0
    assert store.checkpoint(FileCollector(path).name) is None


def test_a_source_without_ticks_reports_none(store: Store) -> None:
    report = collect(Live(0), store, CollectionConfig())
    assert (report.streams, report.start_ms, report.end_ms, report.new) == ((), None, None, 0)
