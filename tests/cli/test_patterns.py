"""`arbml patterns` in a home of its own: found, kept, listed; too little data is said in one line."""

import json
from pathlib import Path

import pytest

from arbml.clock import SystemClock
from arbml.config import StoreConfig
from arbml.features import feature_set_id
from arbml.models.patterns import Pattern, Sample
from arbml.models.patterns.conditions import OnRoute
from arbml.models.patterns.shelf import keep
from arbml.store import Store
from tests.cli.test_app import arbml
from tests.flows.test_patterns import fill

SAMPLE = Sample(0, 1, 212, 151, 900, 468, 0.64, 0.77, 40, 0.001, 3.25, 1.0, 5.5)
PATTERN = Pattern("venue:buy:a>sell:b W/U", OnRoute("buy:a>sell:b W/U"), SAMPLE, SAMPLE, 0.012, "USDC", feature_set_id(), "hash")


def test_the_list_shows_what_is_active_without_looking(tmp_path: Path) -> None:
    assert arbml("patterns", "--list", cwd=tmp_path).stdout.strip() == "no pattern is active; arbml patterns looks for some"
    with Store.open(StoreConfig(), tmp_path / ".arbml") as store:
        keep([PATTERN], store, SystemClock().now_ms())
    shown = arbml("patterns", "--list", cwd=tmp_path)
    assert shown.returncode == 0
    row = next(line for line in shown.stdout.splitlines() if "venue: buy a > sell b W/U" in line)
    assert row.split()[-13:] == ["151", "212", "0.71", "0.64", "..", "0.77", "0.52", "0.012", "+3.25", "+1.00", "..", "+5.50", "USDC"]
    facts = json.loads(arbml("--json", "patterns", "--list", cwd=tmp_path).stdout)
    assert [(one["key"], one["confirmed"]["hits"], one["text"]) for one in facts["active"]] == [(PATTERN.key, 151, PATTERN.text)]
    assert Pattern.from_dict({name: facts["active"][0][name] for name in PATTERN.to_dict()} | PATTERN.to_dict()) == PATTERN
    assert facts["notes"] == []


@pytest.mark.usefixtures("given_prefect")
@pytest.mark.slow
def test_a_detection_shows_and_keeps_what_it_confirms(tmp_path: Path) -> None:
    fill(tmp_path / ".arbml", hours=24)
    done = arbml("--json", "patterns", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["patterns"]
    assert len(found["confirmed"]) == len(found["active"]) == found["new"] > 0
    assert found["looked_at"] > found["promising"] >= found["tested"] >= len(found["confirmed"])
    shown = arbml("patterns", "--list", cwd=tmp_path).stdout
    assert all(f"{one['kind']}: {one['description']}" in shown for one in found["active"])
