"""The history's arithmetic, without MLflow."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from arbml.registry import Action, Event, lineage
from arbml.registry.versions import seated


def events(*steps: tuple[Action, int]) -> list[Event]:
    return [Event(ts, number, action, "") for ts, (action, number) in enumerate(steps)]


def test_rollbacks_go_back_one_by_one_and_never_forward() -> None:
    history = events((Action.PROMOTE, 1), (Action.PROMOTE, 3), (Action.PROMOTE, 5), (Action.ROLLBACK, 3))
    assert lineage(history) == [1, 3]
    assert lineage([*history, *events((Action.ROLLBACK, 1))]) == [1]
    assert lineage([*history, *events((Action.PROMOTE, 6))]) == [1, 3, 6]


def test_rejections_and_retirements_leave_the_lineage() -> None:
    history = events((Action.PROMOTE, 1), (Action.REJECT, 2), (Action.PROMOTE, 3), (Action.RETIRE, 3))
    assert lineage(history) == [1, 3]
    assert seated(history) is None
    assert seated(history[:3]) == 3
    assert seated([]) is None


def test_an_alias_moved_back_by_hand_is_a_rollback_and_moved_forward_a_promotion() -> None:
    history = events((Action.PROMOTE, 1), (Action.PROMOTE, 4))
    assert lineage([*history, *events((Action.MOVED, 1))]) == [1]
    assert lineage([*history, *events((Action.MOVED, 7))]) == [1, 4, 7]


def test_the_same_version_may_be_promoted_again() -> None:
    history = events((Action.PROMOTE, 1), (Action.PROMOTE, 2), (Action.PROMOTE, 1), (Action.ROLLBACK, 2))
    assert lineage(history) == [1, 2]


@given(st.lists(st.tuples(st.sampled_from(list(Action)), st.integers(1, 5)), max_size=30))
def test_the_champion_is_the_end_of_the_lineage(steps: list[tuple[Action, int]]) -> None:
    history = events(*steps)
    champions, present = lineage(history), seated(history)
    assert present is None or champions[-1] == present
    assert all(a != b for a, b in itertools.pairwise(champions))
