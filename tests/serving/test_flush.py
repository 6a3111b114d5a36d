"""From the journal to the store: behind the answers, each record once in effect, nothing lost when the store is away."""

import time
from pathlib import Path

import pytest

from arbml.config import StoreConfig
from arbml.errors import StoreError
from arbml.market import Execution, Prediction
from arbml.serving import Journal, JournalFlusher, OutcomeRequest, Sink
from arbml.serving.store_sink import store_opener
from arbml.store import Store
from tests.serving.kit import Kit, ask


class MemorySink:
    """Keeps by request id, first wins, as the store does; fails while `down`."""

    def __init__(self) -> None:
        self.kept: dict[str, Prediction] = {}
        self.outcomes: dict[str, Execution] = {}
        self.calls = 0
        self.down = False

    def predictions(self, predictions: list[Prediction]) -> None:
        self._check()
        for prediction in predictions:
            self.kept.setdefault(prediction.request_id, prediction)

    def executions(self, executions: list[Execution]) -> None:
        self._check()
        for execution in executions:
            self.outcomes.setdefault(execution.request_id, execution)

    def _check(self) -> None:
        self.calls += 1
        if self.down:
            raise StoreError("the database is away")

    def close(self) -> None:
        pass

    def open(self) -> Sink:
        return self


def test_predictions_and_outcomes_arrive_as_they_were_told(kit: Kit) -> None:
    predictor = kit.predictor()
    record = predictor.predict(ask(request_id="a"))
    predictor.record_outcome(OutcomeRequest(request_id="a", result="success", profit=1.5))
    sink = MemorySink()
    flusher = JournalFlusher(kit.journals[0], sink.open)
    assert flusher.flush() == 2
    assert sink.kept == {"a": record.prediction}
    assert sink.outcomes["a"].opportunity == record.opportunity
    assert flusher.flush() == 0
    assert flusher.lag_bytes == 0


def test_what_a_dead_service_left_is_sent_by_the_next(kit: Kit) -> None:
    bundle = kit.bundle()
    kit.predictor(bundle).predict(ask(request_id="a"))
    kit.predictor(bundle).predict(ask(request_id="b"))  # a second lane
    kit.restart()
    kit.predictor(bundle).predict(ask(request_id="c"))
    sink = MemorySink()
    JournalFlusher(kit.journals[0], sink.open).flush()
    assert set(sink.kept) == {"a", "b", "c"}
    again = MemorySink()
    JournalFlusher(kit.journals[0], again.open).flush()
    assert again.kept == {}, "what is stored is not sent again"


def test_a_living_neighbour_keeps_its_lane(kit: Kit) -> None:
    bundle = kit.bundle()
    kit.predictor(bundle)
    kit.predictor(bundle).predict(ask(request_id="b"))
    sink = MemorySink()
    JournalFlusher(kit.journals[0], sink.open).flush()
    assert sink.kept == {}


def test_a_store_that_is_away_delays_and_loses_nothing(kit: Kit) -> None:
    predictor = kit.predictor()
    sink = MemorySink()
    sink.down = True
    flusher = JournalFlusher(kit.journals[0], sink.open, interval_s=0.01)
    flusher.start()
    predictor.predict(ask(request_id="a"))
    _until(lambda: flusher.error == "the database is away")
    assert flusher.lag_bytes > 0
    sink.down = False
    _until(lambda: "a" in sink.kept)
    _until(lambda: flusher.error == "")
    predictor.predict(ask(request_id="b"))
    flusher.stop()
    assert set(sink.kept) == {"a", "b"}, "stopping sends what is left"


def test_a_crash_between_store_and_mark_sends_twice_and_keeps_once(kit: Kit) -> None:
    predictor = kit.predictor()
    first = predictor.predict(ask(request_id="a")).prediction
    sink = MemorySink()
    JournalFlusher(kit.journals[0], sink.open).flush()
    (kit.journals[0].lane / "stored.json").unlink()
    JournalFlusher(kit.journals[0], sink.open).flush()
    assert sink.kept == {"a": first}
    assert sink.calls == 2


def test_a_line_that_is_no_record_is_skipped(kit: Kit) -> None:
    predictor = kit.predictor()
    kit.journals[0].append(b'{"kind":"prediction","record":{}}\n')
    kit.journals[0].append(b"\xff\n")
    predictor.predict(ask(request_id="a"))
    sink = MemorySink()
    assert JournalFlusher(kit.journals[0], sink.open).flush() == 1
    assert kit.journals[0].broken == 2


def test_without_a_store_the_journal_stays_alone(kit: Kit, tmp_path: Path) -> None:
    opener = store_opener(StoreConfig(), tmp_path)
    assert opener() is None
    kit.predictor().predict(ask(request_id="a"))
    flusher = JournalFlusher(kit.journals[0], opener)
    assert flusher.flush() == 0
    assert flusher.lag_bytes == 0
    assert not list(tmp_path.glob("*.db")), "a service that runs by itself makes no database"


def test_the_real_store_keeps_predictions_and_joins_outcomes(kit: Kit) -> None:
    home = kit.root / "home"
    Store.open(StoreConfig(), home).close()
    predictor = kit.predictor()
    record = predictor.predict(ask(request_id="a"))
    predictor.predict(ask(request_id="b"))
    flusher = JournalFlusher(kit.journals[0], store_opener(StoreConfig(), home), interval_s=0.01)
    flusher.start()
    kit.clock.advance(10_000)
    predictor.record_outcome(OutcomeRequest(request_id="a", result="reverted", profit=-0.25))
    flusher.stop(timeout_s=30)
    assert flusher.error == ""
    with Store.open(StoreConfig(), home) as store:
        assert store.predictions.read() == [record.prediction, *store.predictions.read(request_ids=["b"])]
        joined, = store.predictions.outcomes()
        assert (joined.prediction, joined.execution.profit) == (record.prediction, -0.25)
        assert joined.execution.opportunity == record.opportunity


def test_lines_wait_for_a_store_that_comes_later(kit: Kit) -> None:
    predictor = kit.predictor()
    predictor.predict(ask(request_id="a"))
    sink, there = MemorySink(), False
    flusher = JournalFlusher(kit.journals[0], lambda: sink if there else None)
    flusher.flush()
    there = True
    assert flusher.flush() == 1


def test_adopting_a_lane_leaves_no_empty_segment(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path)
    journal.append(b"x\n")
    journal.close()
    adopted = Journal.adopt(tmp_path / "lane-0")
    assert adopted is not None
    adopted.close()
    assert len(list((tmp_path / "lane-0").glob("*.jsonl"))) == 1


def _until(true: object, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():  # type: ignore[operator]
        if time.monotonic() > deadline:
            pytest.fail("did not happen in time")
        time.sleep(0.01)
