"""Who serves: promotion, rejection, rollback, retirement, and aliases that somebody else moved."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from arbml.errors import RegistryError
from arbml.registry import Action, Registry


@pytest.fixture
def three(registry: Registry, save_model: Callable[..., Path], example: pd.DataFrame) -> Registry:
    """A registry with three versions of the scorer."""
    for successes in (1, 2, 3):
        registry.register("scorer", save_model(successes), example=example)
    return registry


def acts(registry: Registry) -> list[tuple[Action, int]]:
    return [(event.action, event.number) for event in registry.history("scorer")]


def champion(registry: Registry) -> int | None:
    version = registry.champion("scorer")
    return version.number if version else None


def test_the_rollback_drill(three: Registry) -> None:
    for number in (1, 2, 3):
        assert three.promote("scorer", number, f"reason {number}").aliases == ("champion",)
    assert three.challenger("scorer") is None, "a champion does not compete with itself"
    assert three.rollback("scorer", "losses in production").number == 2
    assert champion(three) == 2
    assert three.rollback("scorer").number == 1
    with pytest.raises(RegistryError, match="v1 is the first champion, so there is none to go back to"):
        three.rollback("scorer")
    assert champion(three) == 1
    three.promote("scorer", 3, "better after all")
    assert three.rollback("scorer").number == 1
    assert [event.reason for event in three.history("scorer")][:4] == ["reason 1", "reason 2", "reason 3", "losses in production"]
    moments = [event.ts_ms for event in three.history("scorer")]
    assert moments == sorted(set(moments)), "the clock of this test stands still, the history goes on"


def test_a_rejected_version_changes_nothing_but_the_record(three: Registry) -> None:
    three.promote("scorer", 1, "first")
    three.reject("scorer", 3, "not better", {"n": 120})
    assert champion(three) == 1
    assert three.challenger("scorer") == three.version("scorer", 3)
    assert acts(three) == [(Action.PROMOTE, 1), (Action.REJECT, 3)]
    assert three.version("scorer", 3).decision == "reject"


def test_retired_means_the_baseline_serves_until_a_rollback_or_promotion(three: Registry) -> None:
    three.promote("scorer", 1, "first")
    three.promote("scorer", 2, "second")
    three.retire("scorer", "both are bad")
    assert champion(three) is None
    assert three.rollback("scorer").number == 2
    three.retire("scorer")
    assert three.promote("scorer", 3, "third").number == 3
    assert acts(three)[2:] == [(Action.RETIRE, 2), (Action.ROLLBACK, 2), (Action.RETIRE, 2), (Action.PROMOTE, 3)]


def test_an_older_version_may_compete_again(three: Registry) -> None:
    three.set_alias("scorer", "challenger", 1)
    assert three.challenger("scorer") == three.version("scorer", 1)


def test_a_rollback_skips_versions_that_were_deleted_and_refuses_torn_ones(three: Registry) -> None:
    for number in (1, 2, 3):
        three.promote("scorer", number, "better")
    three._connection.client().delete_model_version("arbml-scorer", "2")
    folder = three.model_dir(three.version("scorer", 1))
    meta = (folder / "meta.json").read_bytes()
    (folder / "meta.json").write_bytes(meta[:100])
    with pytest.raises(RegistryError, match=r"scorer v1: the files in .* changed"):
        three.rollback("scorer")
    assert champion(three) == 3
    (folder / "meta.json").write_bytes(meta)
    assert three.rollback("scorer").number == 1


def test_an_alias_moved_by_hand_is_noted_and_respected(three: Registry) -> None:
    three.promote("scorer", 1, "first")
    client = three._connection.client()
    client.set_registered_model_alias("arbml-scorer", "champion", "2")
    three.start()
    assert champion(three) == 2
    assert acts(three) == [(Action.PROMOTE, 1), (Action.MOVED, 2)]
    three.start()
    assert len(acts(three)) == 2, "noted once"
    assert three.rollback("scorer").number == 1
    client.delete_registered_model_alias("arbml-scorer", "champion")
    three.start()
    assert acts(three)[-1] == (Action.RETIRE, 1)


def test_kinds_do_not_mix(three: Registry) -> None:
    three.promote("scorer", 1, "first")
    assert three.champion("lstm") is None
    assert three.history("lstm") == []
