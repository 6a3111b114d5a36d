"""Confirmed patterns in the store: kept, read back, and aged out."""

import json
from collections.abc import Iterable

from arbml.features import feature_set_id
from arbml.models.patterns.conditions import DAY_MS
from arbml.models.patterns.pattern import Pattern
from arbml.store import Store, StoredPattern


def keep(patterns: Iterable[Pattern], store: Store, now_ms: int) -> int:
    """Store what a detection confirmed at `now_ms` (UTC ms); return how many of the patterns were not active before.

    Raises:
        StoreError: if the database refuses; then nothing is stored.
    """
    return store.patterns.save(
        StoredPattern(one.key, one.confirmed.end_ms, now_ms, one.kind, one.text, json.dumps(one.to_dict(), allow_nan=False))
        for one in patterns
    )


def retire(store: Store, max_age_days: int, now_ms: int) -> int:
    """Retire what no detection of the last `max_age_days` confirmed; return how many patterns that were."""
    return store.patterns.retire(now_ms - max_age_days * DAY_MS, now_ms)


def active(store: Store, max_age_days: int, now_ms: int) -> tuple[tuple[Pattern, ...], tuple[str, ...]]:
    """Return the patterns to match, best first, and why others that are not retired are left out, for people.

    What is too old is left out also where nobody has retired it yet.
    """
    found: list[Pattern] = []
    notes: list[str] = []
    for stored in store.patterns.active():
        if stored.ts_known_ms < now_ms - max_age_days * DAY_MS:
            notes.append(f"pattern {stored.key} was not confirmed for {max_age_days} days; arbml patterns looks again")
            continue
        try:
            pattern = Pattern.from_dict(json.loads(stored.content))
        except (KeyError, TypeError, ValueError) as error:
            notes.append(f"pattern {stored.key} was stored by another version ({type(error).__name__}: {error}); it is left out")
            continue
        if pattern.feature_set_id == feature_set_id():
            found.append(pattern)
        else:
            notes.append(f"pattern {stored.key} was found in feature set {pattern.feature_set_id}; it is left out until found again")
    return tuple(sorted(found, key=lambda one: one.order)), tuple(notes)
