"""The buffer against a list, and between threads."""

import threading
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from arbml.collectors.data_collector import BufferFull
from arbml.collectors.data_collector.buffer import RowBuffer
from arbml.errors import CollectError, TransientError

CAPACITY = 5


class AgainstAList(RuleBasedStateMachine):
    """Whatever is put, taken and done: what was taken in comes out once, in order, and never more than fits waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.buffer = RowBuffer[int](CAPACITY, lambda: self.now_s)
        self.waiting: list[int] = []
        self.out: list[int] = []
        self.accepted = 0
        self.offered = 0

    @rule()
    def put(self) -> None:
        self.offered += 1
        if len(self.waiting) == CAPACITY:
            with pytest.raises(BufferFull, match="5 rows wait"):
                self.buffer.put(self.offered, wait_s=0)
            return
        self.buffer.put(self.offered, wait_s=0)
        self.waiting.append(self.offered)
        self.accepted += 1

    @precondition(lambda self: self.waiting)
    @rule(limit=st.integers(1, 7), part=st.integers(0, 7))
    def take_and_keep_a_part(self, limit: int, part: int) -> None:
        first, rows = self.buffer.take(at_least=1, limit=limit, max_age_s=0)
        assert first == len(self.out)
        assert rows == self.waiting[:limit]
        stored = rows[: min(part, len(rows))]
        self.buffer.done(first + len(stored))
        self.out += stored
        del self.waiting[: len(stored)]

    @precondition(lambda self: self.waiting)
    @rule(age_s=st.integers(1, 100))
    def an_old_row_is_given_although_there_are_too_few(self, age_s: int) -> None:
        self.now_s += age_s
        assert self.buffer.oldest_age_s >= age_s
        assert self.buffer.take(at_least=CAPACITY + 1, limit=1, max_age_s=age_s) == (len(self.out), self.waiting[:1])

    @invariant()
    def counts(self) -> None:
        assert len(self.buffer) == len(self.waiting) <= CAPACITY
        assert self.buffer.end == self.accepted
        assert self.out == sorted(self.out)


AgainstAList.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAgainstAList = AgainstAList.TestCase


def test_a_full_buffer_makes_the_recorder_wait_and_then_says_so() -> None:
    buffer = RowBuffer[str](1)
    buffer.put("a", wait_s=0)
    began = time.perf_counter()
    with pytest.raises(TransientError, match=r"none was taken in 0\.2 s; slow down, or mend the store"):
        buffer.put("b", wait_s=0.2)
    assert time.perf_counter() - began >= 0.19
    threading.Timer(0.1, lambda: buffer.done(1)).start()
    buffer.put("c", wait_s=30)
    assert buffer.take(1, 10, 0) == (1, ["c"])


def test_who_waits_for_room_hears_of_the_end() -> None:
    buffer = RowBuffer[str](1)
    buffer.put("a", wait_s=0)
    threading.Timer(0.1, buffer.close).start()
    with pytest.raises(CollectError, match="is stopped"):
        buffer.put("b", wait_s=30)
    assert buffer.take(10, 10, 30) == (0, ["a"])


def test_hurrying_hands_out_what_there_is() -> None:
    buffer = RowBuffer[str](10)
    buffer.put("a", wait_s=0)
    threading.Timer(0.1, buffer.hurry).start()
    began = time.perf_counter()
    assert buffer.take(at_least=10, limit=10, max_age_s=30) == (0, ["a"])
    assert time.perf_counter() - began < 10
    assert not buffer.wait_done(1, timeout_s=0.05)
    buffer.done(1)
    assert buffer.wait_done(1, timeout_s=0)


def test_many_recorders_one_taker_everything_once() -> None:
    buffer = RowBuffer[tuple[int, int]](50)
    out: list[tuple[int, int]] = []

    def record(who: int) -> None:
        for i in range(500):
            buffer.put((who, i), wait_s=30)

    def take() -> None:
        while True:
            first, rows = buffer.take(7, 20, 0.01)
            if not rows:
                return
            out.extend(rows)
            buffer.done(first + len(rows))

    taker = threading.Thread(target=take)
    taker.start()
    recorders = [threading.Thread(target=record, args=(who,)) for who in range(4)]
    for thread in recorders:
        thread.start()
    for thread in recorders:
        thread.join(60)
    buffer.close()
    taker.join(60)
    for who in range(4):
        assert [i for other, i in out if other == who] == list(range(500))
