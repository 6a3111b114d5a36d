"""Golden results of a fixed market and seed."""

import json
from typing import Any

import pytest

from tests.backtest.regenerate import GOLDEN, golden


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return golden()


RECORDED: dict[str, Any] = json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", RECORDED)
def test_golden(now: dict[str, Any], name: str) -> None:
    """Whole numbers and names to the letter; money to a few atoms, for exp and pow differ between machines in the last bit."""
    got, recorded = now[name], RECORDED[name]
    for key in ("counts", "n", "period", "results"):
        assert got[key] == recorded[key], key
    assert got["balances"] == pytest.approx(recorded["balances"], abs=1_000)
    for mine, theirs in zip(got["first"], recorded["first"], strict=True):
        for one, other in zip(mine[1:], theirs[1:], strict=True):
            assert one == (pytest.approx(other, abs=1e-6) if isinstance(other, float) else other)


def test_the_golden_market_has_every_fate(now: dict[str, Any]) -> None:
    assert list(now) == list(RECORDED)
    assert {result for one in now.values() for result in one["results"]} == {"success", "failed", "reverted"}
    assert any(row[-1] for one in now.values() for row in one["first"])
    assert any(one["counts"]["shrunk"] for one in now.values())
