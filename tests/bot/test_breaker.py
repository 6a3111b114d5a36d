"""Left alone after failures in a row, tried again by one at a time."""

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.bot.breaker import CircuitBreaker, State
from tests.serving.kit import Stopwatch


def made(failures: int = 3, pause_s: float = 2.0) -> tuple[CircuitBreaker, Stopwatch]:
    watch = Stopwatch()
    return CircuitBreaker(failures, pause_s, watch), watch


def opened(failures: int = 3) -> tuple[CircuitBreaker, Stopwatch]:
    breaker, watch = made(failures)
    for _ in range(failures):
        breaker.failed(breaker.admit())
    return breaker, watch


def test_only_failures_in_a_row_count() -> None:
    breaker, _ = made(failures=2)
    for _ in range(5):
        breaker.failed(breaker.admit())
        breaker.succeeded(breaker.admit())
    assert (breaker.state, breaker.opened) == (State.CLOSED, 0)


def test_one_probe_after_the_pause_and_its_word_counts() -> None:
    breaker, watch = opened()
    assert (breaker.state, breaker.opened, breaker.admit()) == (State.OPEN, 1, None)
    watch.now_s += 1.999
    assert breaker.admit() is None
    assert 0 < breaker.wait_s < 0.002
    watch.now_s += 0.001
    probe = breaker.admit()
    assert probe is not None
    assert probe.probe
    assert (breaker.state, breaker.admit()) == (State.HALF_OPEN, None)
    breaker.failed(probe)
    assert (breaker.state, breaker.admit(), breaker.opened) == (State.OPEN, None, 2)
    watch.now_s += 2.0
    breaker.succeeded(breaker.admit())
    assert (breaker.state, breaker.wait_s) == (State.CLOSED, 0.0)


def test_a_failed_probe_starts_a_whole_pause_and_a_success_forgets_all_failures() -> None:
    breaker, watch = opened()
    watch.now_s += 2.0
    breaker.failed(breaker.admit())
    assert breaker.wait_s == 2.0
    watch.now_s += 2.0
    breaker.succeeded(breaker.admit())
    for _ in range(2):
        breaker.failed(breaker.admit())
    assert breaker.state is State.CLOSED


def test_late_words_of_before_count_no_more() -> None:
    breaker, watch = made(failures=1)
    early, other = breaker.admit(), breaker.admit()
    breaker.failed(early)
    breaker.succeeded(other)
    assert breaker.state is State.OPEN, "a success of before it opened is no sign of life"
    watch.now_s += 2.0
    probe = breaker.admit()
    breaker.failed(other)
    assert breaker.state is State.HALF_OPEN
    breaker.succeeded(probe)
    breaker.failed(probe)
    assert breaker.state is State.CLOSED, "a permit counts once"


def test_a_probe_that_goes_away_or_says_nothing_leaves_its_place() -> None:
    breaker, watch = opened()
    watch.now_s += 2.0
    breaker.abandoned(breaker.admit())
    second = breaker.admit()
    assert second is not None
    assert breaker.admit() is None
    watch.now_s += 2.0
    third = breaker.admit()
    assert third is not None
    breaker.failed(second)
    assert breaker.state is State.HALF_OPEN
    breaker.succeeded(third)
    assert breaker.state is State.CLOSED


def test_whoever_goes_away_while_it_is_closed_says_nothing() -> None:
    breaker, _ = made(failures=1)
    breaker.abandoned(breaker.admit())
    breaker.succeeded(None)
    breaker.failed(None)
    assert breaker.state is State.CLOSED


def test_of_many_threads_one_gets_the_probe() -> None:
    breaker, watch = opened()
    watch.now_s += 2.0
    start, permits = threading.Barrier(16), []

    def ask() -> None:
        start.wait()
        permits.append(breaker.admit())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(permit is not None for permit in permits) == 1


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["ask", "good", "bad", "gone"]), st.floats(0, 3)), max_size=40))
def test_whatever_happens_it_never_lets_two_probes_in_nor_stays_shut_for_ever(steps: list[tuple[str, float]]) -> None:
    breaker, watch = made(failures=2)
    held = []
    for what, wait_s in steps:
        watch.now_s += wait_s
        if what == "ask":
            if (permit := breaker.admit()) is not None:
                if permit.probe:
                    assert not [one for one in held if one.turn == permit.turn]
                held.append(permit)
        elif held:
            {"good": breaker.succeeded, "bad": breaker.failed, "gone": breaker.abandoned}[what](held.pop())
        assert 0 <= breaker.wait_s <= 2.0 + 1e-9
    watch.now_s += 2.001
    assert breaker.admit() is not None
