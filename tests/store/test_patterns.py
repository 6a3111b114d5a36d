"""Patterns: each confirmation kept, the latest one active, old ones retired."""

from dataclasses import replace

import pytest

from arbml.errors import SchemaError
from arbml.store import Store, StoredPattern

ROUTE = StoredPattern("venue:buy:a>sell:b W/U", 1_000, 5_000, "venue", "venue:buy a > sell b W/U: hit rate 0.71", '{"q_value": 0.01}')
NIGHT = StoredPattern("time:hours 2-4", 1_000, 5_000, "time", "time:02:00-04:59 UTC: hit rate 0.66", "{}")


def test_a_pattern_found_again_is_refreshed_and_its_history_stays(store: Store) -> None:
    assert store.patterns.active() == []
    assert store.patterns.save([ROUTE, NIGHT]) == 2
    again = replace(ROUTE, ts_ms=2_000, ts_known_ms=9_000, content='{"q_value": 0.02}')
    assert store.patterns.save([again]) == 0
    assert store.patterns.active() == [NIGHT, again]
    assert store.patterns.read() == [NIGHT, ROUTE, again]
    assert store.patterns.read(as_of_ms=8_999) == [NIGHT, ROUTE]


def test_the_same_detection_twice_leaves_one_row(store: Store) -> None:
    store.patterns.save([ROUTE])
    store.patterns.save([replace(ROUTE, ts_known_ms=6_000)])
    assert store.patterns.read() == store.patterns.active() == [replace(ROUTE, ts_known_ms=6_000)]


def test_what_was_not_confirmed_again_is_retired_and_kept(store: Store) -> None:
    store.patterns.save([ROUTE, NIGHT])
    again = replace(ROUTE, ts_ms=2_000, ts_known_ms=9_000)
    store.patterns.save([again])
    assert store.patterns.retire(before_ms=5_000, at_ms=10_000) == 0
    assert store.patterns.retire(before_ms=5_001, at_ms=10_000) == 1
    assert store.patterns.active() == [again]
    assert store.patterns.read() == [replace(NIGHT, retired_ms=10_000), ROUTE, again]
    assert store.patterns.retire(before_ms=9_001, at_ms=11_000) == 1
    assert store.patterns.retire(before_ms=9_001, at_ms=12_000) == 0
    assert store.patterns.active() == []
    assert len(store.patterns.read()) == 3


def test_a_retired_pattern_that_is_found_again_is_active_again(store: Store) -> None:
    store.patterns.save([ROUTE])
    store.patterns.retire(before_ms=6_000, at_ms=10_000)
    assert store.patterns.save([replace(ROUTE, ts_known_ms=11_000)]) == 1
    assert store.patterns.active() == [replace(ROUTE, ts_known_ms=11_000)]
    store.patterns.retire(before_ms=12_000, at_ms=13_000)
    later = replace(ROUTE, ts_ms=2_000, ts_known_ms=14_000)
    assert store.patterns.save([later]) == 1
    assert store.patterns.active() == [later]
    assert store.patterns.read()[0].retired_ms == 13_000


def test_of_two_by_one_detection_the_later_data_count(store: Store) -> None:
    store.patterns.save([replace(ROUTE, ts_ms=3_000), ROUTE])
    assert store.patterns.active() == [replace(ROUTE, ts_ms=3_000)]


def test_text_that_no_database_keeps_is_refused_and_nothing_is_stored(store: Store) -> None:
    with pytest.raises(SchemaError, match="patterns: column 'description', row 1"):
        store.patterns.save([NIGHT, replace(ROUTE, description="half\0")])
    assert store.patterns.read() == []
