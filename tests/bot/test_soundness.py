"""The fast check takes what the service's schema takes, and nothing else."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.bot.memory import PassingLines, TickMemory
from arbml.bot.requests import to_tick
from arbml.bot.soundness import MAX_AHEAD_MS, TickSieve
from arbml.errors import InvalidRequest
from arbml.market import Tick
from tests.serving.kit import NOW_MS, tick

NUMBERS = st.one_of(
    st.floats(), st.none(), st.just("1.0"),
    st.sampled_from([0.0, -0.0, 1e-16, 1e-15, 1e15, 1.1e15, 1e21, 2e21, 10_000.0, 9_999.9, 1e9, 1e-12, 1e-13]),
)  # fmt: skip
TIMES = st.one_of(st.integers(NOW_MS - 5, NOW_MS + 5), st.sampled_from([0, -1, 10**12, 10**12 - 1, 10**13, 10**13 - 1, 2**63]))
WORDS = st.one_of(st.text(max_size=70), st.sampled_from(["a", "a|b", "WETH/USDC", "a b", "", "x" * 64, "x" * 65, "A/B/C", "a\n"]))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("price", "fee_bps", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote"), NUMBERS),
    "ts_ms": TIMES, "ts_known_ms": TIMES, "venue": WORDS, "pair": WORDS, "log_index": st.sampled_from([0, -1, 2**31, 5]),
}  # fmt: skip


def taken_by_the_schema(one: Tick) -> bool:
    try:
        to_tick(one)
    except InvalidRequest:
        return False
    return True


SOME = st.sets(st.sampled_from(sorted(FIELDS)), max_size=3)


@given(SOME.flatmap(lambda names: st.fixed_dictionaries({name: FIELDS[name] for name in names})))
def test_it_takes_what_the_schema_takes(changes: dict[str, Any]) -> None:
    sieve, one = TickSieve(), replace(tick(NOW_MS, "cheap", 2000.0), **changes)
    kept = sieve.sound([one], None)
    assert (kept == [one] if taken_by_the_schema(one) else kept == [])
    assert (sieve.refused, bool(sieve.last_refusal)) == ((0, False) if kept else (1, True))


def test_numbers_of_numpy_are_numbers() -> None:
    one = replace(tick(NOW_MS, "cheap", np.float64(2000.0)), ts_ms=np.int64(NOW_MS), ts_known_ms=np.int64(NOW_MS))
    assert TickSieve().sound([one], NOW_MS) == [one]
    assert to_tick(one).ts_ms == NOW_MS


def test_a_tick_from_the_future_would_make_all_true_ones_late() -> None:
    sieve = TickSieve()
    edge, beyond = (tick(NOW_MS + MAX_AHEAD_MS + i, "cheap", 2000.0) for i in (0, 1))
    assert sieve.sound([edge, beyond], NOW_MS) == [edge]
    assert sieve.last_refusal == "cheap WETH/USDC: ts_ms is 60 s ahead of this clock; times are UTC"
    assert sieve.sound([beyond], None) == [beyond], "in a replay the ticks are the clock"


@given(st.lists(st.integers(0, 7), max_size=40), st.integers(1, 10), st.integers(0, 120), st.one_of(st.none(), st.integers(1, 9)))
def test_the_memory_is_the_end_of_a_list(sizes: list[int], room: int, number: int, limit: int | None) -> None:
    memory, every = TickMemory(room), list[Tick]()
    for size in sizes:
        new = [tick(NOW_MS + len(every) + i, "a", 1.0) for i in range(size)]
        memory.extend(new)
        every += new
        assert memory.end == len(every)
        oldest = max(0, len(every) - room)
        assert memory.oldest == oldest
        start = max(number, oldest)
        assert memory.since(number, limit) == every[start : None if limit is None else start + limit]


def test_passing_lines_keep_the_last_ones() -> None:
    passing = PassingLines(max_records=2)
    positions = [passing.append(line) for line in (b"a", b"b", b"c")]
    assert [passing.read(position) for position in positions] == [None, b"b", b"c"]
    assert list(passing.lines()) == []


@pytest.mark.parametrize("value", [object(), [], {}])
def test_nothing_raises(value: Any) -> None:
    for name in FIELDS:
        assert TickSieve().sound([replace(tick(NOW_MS, "a", 1.0), **{name: value})], NOW_MS) == []
