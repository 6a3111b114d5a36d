"""Outcomes find their prediction: at once, late, twice, after a restart; and those of nobody are kept all the same."""

import pytest

from arbml.errors import InvalidRequest, RequestConflict, StoreError
from arbml.serving import OutcomeRequest
from tests.serving.kit import NOW_MS, Kit, ask, lines


def settled(**changes: object) -> OutcomeRequest:
    return OutcomeRequest.model_validate({"request_id": "a", "result": "reverted", "profit": -0.5, "gas_used": 21_000.0, **changes})


def test_an_outcome_takes_moment_and_opportunity_from_its_prediction(kit: Kit) -> None:
    predictor = kit.predictor()
    record = predictor.predict(ask(request_id="a", ts_ms=NOW_MS - 500))
    kit.clock.advance(3_600_000)
    done = predictor.record_outcome(settled())
    assert (done.joined, done.duplicate) == (True, False)
    execution = lines(kit.journals[0])[1]["record"]["execution"]
    assert (execution["ts_ms"], execution["ts_known_ms"]) == (NOW_MS - 500, NOW_MS + 3_600_000)
    assert execution["opportunity"]["net_profit"] == record.opportunity.net_profit
    assert execution["profit"] == -0.5


def test_the_same_outcome_twice_is_recorded_once(kit: Kit) -> None:
    predictor = kit.predictor()
    predictor.predict(ask(request_id="a"))
    assert not predictor.record_outcome(settled()).duplicate
    again = predictor.record_outcome(settled())
    assert (again.joined, again.duplicate) == (True, True)
    assert len(lines(kit.journals[0])) == 2


def test_another_outcome_under_the_same_id_is_refused(kit: Kit) -> None:
    predictor = kit.predictor()
    predictor.record_outcome(settled())
    with pytest.raises(RequestConflict, match="already settled as reverted"):
        predictor.record_outcome(settled(result="success"))
    assert len(lines(kit.journals[0])) == 1


def test_an_outcome_without_a_prediction_is_kept_and_said(kit: Kit) -> None:
    predictor = kit.predictor()
    done = predictor.record_outcome(settled(request_id="nobody"))
    assert (done.joined, done.duplicate) == (False, False)
    execution = lines(kit.journals[0])[0]["record"]["execution"]
    assert (execution["ts_ms"], execution["opportunity"]) == (NOW_MS, None)
    assert predictor.stats.snapshot()["outcomes"] == {"unknown": 1}


def test_outcomes_join_across_a_restart(kit: Kit) -> None:
    bundle = kit.bundle()
    kit.predictor(bundle).predict(ask(request_id="a"))
    kit.restart()
    assert kit.predictor(bundle).record_outcome(settled()).joined
    kit.restart()
    assert kit.predictor(bundle).record_outcome(settled()).duplicate


def test_an_outcome_from_the_future_is_refused(kit: Kit) -> None:
    with pytest.raises(InvalidRequest, match="ts_ms: is 61 s ahead"):
        kit.predictor().record_outcome(settled(ts_ms=NOW_MS + 61_000))


def test_an_outcome_that_cannot_be_written_is_an_error_and_may_be_sent_again(kit: Kit) -> None:
    predictor = kit.predictor()
    kit.restart()
    with pytest.raises(StoreError):
        predictor.record_outcome(settled())
    with pytest.raises(StoreError):  # not taken for a duplicate
        predictor.record_outcome(settled())
