"""Patterns on their way into the store and back: the same bits, aged out, and never those of other features."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arbml.config import StoreConfig
from arbml.features import feature_set_id
from arbml.models.patterns import Pattern, Sample
from arbml.models.patterns.conditions import DAY_MS, Hours, Near, OnRoute
from arbml.models.patterns.shelf import active, keep, retire
from arbml.store import Store

NOW_MS = 1_704_412_800_000
SAMPLE = Sample(0, NOW_MS, 212, 151, 900, 468, 0.64, 0.77, 40, 0.001, 0.1 + 0.2, None, 1 / 3)
ROUTE = Pattern("venue:r", OnRoute("r"), SAMPLE, SAMPLE, 0.01, "USDC", feature_set_id(), "hash")
CLUSTER = replace(ROUTE, key="cluster:1", condition=Near(("a",), (1 / 3,), (1e-300,), (0.1,), 2.0), confirmed=replace(SAMPLE, low=0.6))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(StoreConfig(), tmp_path / "home") as opened:
        yield opened


def test_what_was_kept_comes_back_best_first(store: Store) -> None:
    assert active(store, 14, NOW_MS) == ((), ())
    assert keep([CLUSTER, ROUTE], store, NOW_MS) == 2
    assert active(store, 14, NOW_MS) == ((ROUTE, CLUSTER), ())
    better = replace(ROUTE, confirmed=replace(SAMPLE, end_ms=NOW_MS + 1, low=0.1))
    assert keep([better], store, NOW_MS + 5) == 0
    assert active(store, 14, NOW_MS + 5)[0] == (CLUSTER, better)
    assert [stored.description for stored in store.patterns.read()][-1] == better.text


def test_what_nobody_confirms_any_more_is_left_out_and_then_retired(store: Store) -> None:
    keep([ROUTE, CLUSTER], store, NOW_MS)
    keep([replace(ROUTE, confirmed=replace(SAMPLE, end_ms=NOW_MS + DAY_MS))], store, NOW_MS + DAY_MS)
    late_ms = NOW_MS + 14 * DAY_MS + 1
    found, notes = active(store, 14, late_ms)
    assert [one.key for one in found] == ["venue:r"]
    assert notes == ("pattern cluster:1 was not confirmed for 14 days; arbml patterns looks again",)
    assert retire(store, 14, late_ms) == 1
    assert active(store, 14, late_ms) == (found, ())
    assert len(store.patterns.read()) == 3


def test_what_cannot_be_matched_is_left_out_with_the_reason(store: Store) -> None:
    keep([ROUTE, replace(CLUSTER, feature_set_id="other"), replace(ROUTE, key="time:x", condition=Hours(1, 2))], store, NOW_MS)
    odd = store.patterns.active()[1]
    store.patterns.save([replace(odd, content=json.dumps({"key": "time:x"})), replace(odd, key="broken", content="{")])
    found, notes = active(store, 14, NOW_MS)
    assert found == (ROUTE,)
    short = json.loads(odd.content)
    short["condition"] = {"type": "Near", "names": ["a"], "median": [], "scale": [1.0], "centre": [0.0], "radius": 1.0}
    unheard = {"type": "Follows", "event": "eclipse", "after": "", "route": "", "memory_ms": 1, "threshold": None}
    for wrong in (short, {**short, "condition": unheard}, {**short, "condition": {"type": "Moon"}}):
        with pytest.raises((KeyError, ValueError)):
            Pattern.from_dict(wrong)
    assert [note.partition(" was ")[0] for note in notes] == ["pattern broken", "pattern cluster:1", "pattern time:x"]
    assert "found in feature set other; it is left out until found again" in notes[1]
