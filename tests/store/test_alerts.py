"""Alerts: raised once, active until resolved."""

import math
from dataclasses import replace

from arbml.store import Alert, Appended, Store

SLOW = Alert("latency_high", "lstm", 1_000, 1_500, "warning", "p99 is 140 ms, limit 100 ms", value=140.0, threshold=100.0)


def test_an_alert_is_active_until_it_is_resolved(store: Store) -> None:
    drift = Alert("drift", "scorer", 1_000, 1_200, "critical", "half of the features drifted")
    assert store.alerts.append([SLOW, drift]) == Appended(new=2)
    assert store.alerts.active() == [drift, SLOW]
    assert store.alerts.resolve("latency_high", "lstm", 9_000) == 1
    assert store.alerts.resolve("latency_high", "lstm", 9_999) == 0
    assert store.alerts.active() == [drift]
    assert store.alerts.read() == [drift, replace(SLOW, resolved_ms=9_000)]
    assert store.alerts.read(as_of_ms=1_499) == store.alerts.read(start_ms=1_000, end_ms=1_001)[:1] == [drift]


def test_raising_it_again_neither_doubles_nor_reopens_it(store: Store) -> None:
    store.alerts.append([SLOW])
    store.alerts.resolve("latency_high", "lstm", 9_000)
    assert store.alerts.append([SLOW, replace(SLOW, ts_known_ms=9_999)]) == Appended(known=2)
    assert store.alerts.append([replace(SLOW, message="other words")]) == Appended(conflicting=1)
    assert store.alerts.active() == []
    assert store.alerts.append([replace(SLOW, ts_ms=2_000, value=math.nan)]) == Appended(new=1)
    assert [(alert.ts_ms, alert.value) for alert in store.alerts.active()] == [(2_000, None)]
