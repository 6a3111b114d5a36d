"""The whole way of a question: priced, judged, written down, told."""

import math
from typing import Any

import pytest

from arbml.clock import ReplayClock
from arbml.errors import InvalidRequest, RequestConflict
from arbml.market import Recommendation, Variant
from arbml.models import SuccessScorer
from arbml.models.ensemble import confidence_to_pay
from arbml.serving import Bundle, Journal, Ledger, ObserveRequest, Predictor
from arbml.serving.answers import PredictionAnswer, prediction_answer
from arbml.serving.requests import parse
from tests.serving.kit import (
    CONFIG,
    NOW_MS,
    PAIR,
    Kit,
    ask,
    lines,
    market,
    opportunity,
    save_baselines,
    save_scorer,
    tick,
    with_costs,
    with_inference,
)  # fmt: skip


def test_models_answer_and_a_sure_profit_is_executed(kit: Kit) -> None:
    predictor = kit.predictor()
    record = predictor.predict(ask())
    prediction = record.prediction
    assert prediction.variant is Variant.CHAMPION
    assert prediction.recommendation is Recommendation.EXECUTE, prediction.reasons
    assert prediction.model_versions == {"lstm": "7", "scorer": "7", "volatility": "7"}
    # the tiny scorer's own formula, on the profit that the finder computed
    opportunity_ = record.opportunity
    expected = 1 / (1 + math.exp(-0.05 * 1e4 * opportunity_.net_profit / opportunity_.amount_in))
    assert prediction.success_probability == pytest.approx(expected, rel=1e-5)
    p = prediction.success_probability
    assert prediction.expected_profit == pytest.approx(p * opportunity_.net_profit - (1 - p) * opportunity_.revert_cost)
    assert [f.source for f in prediction.price_forecasts] == ["model"] * 4
    assert prediction.price_forecasts[0].log_return == pytest.approx(1e-4, rel=1e-5)
    assert (prediction.price_forecasts[0].coverage, prediction.price_forecasts[1].coverage) == (0.91, pytest.approx(0.9))
    assert [f.horizon_s for f in prediction.volatility_forecast] == [5, 10, 15, 30, 60]
    assert all(f.lower < f.volatility < f.upper for f in prediction.volatility_forecast)


def test_the_answer_is_what_the_schema_says(kit: Kit) -> None:
    record = kit.predictor().predict(ask())
    answer = PredictionAnswer.model_validate(prediction_answer(record.prediction, record.opportunity), strict=True)
    assert answer.opportunity.net_profit == record.opportunity.net_profit


def test_without_models_the_baseline_answers_and_never_executes(kit: Kit) -> None:
    predictor = kit.predictor(kit.bundle(models={}, baselines=save_baselines(kit.root / "sure", successes=98)))
    prediction = predictor.predict(ask()).prediction
    assert prediction.variant is Variant.BASELINE
    assert prediction.success_probability == 0.99
    assert prediction.expected_profit > 0
    assert prediction.recommendation is Recommendation.QUEUE
    assert prediction.model_versions == {"lstm": "baseline", "scorer": "baseline", "volatility": "baseline"}
    assert {f.source for f in (*prediction.price_forecasts, *prediction.volatility_forecast)} == {"baseline"}
    assert prediction.reasons[0] == "model_missing: scorer has no promoted model"


def test_a_missing_forecaster_is_replaced_alone(kit: Kit) -> None:
    models = {"scorer": kit.trained.models["scorer"]}
    prediction = kit.predictor(kit.bundle(models=models)).predict(ask()).prediction
    assert prediction.variant is Variant.CHAMPION
    assert prediction.recommendation is Recommendation.EXECUTE
    assert prediction.model_versions == {"lstm": "baseline", "scorer": "7", "volatility": "baseline"}
    assert "model_missing: lstm has no promoted model" in prediction.reasons


def test_with_nothing_at_all_the_answer_is_the_most_cautious(kit: Kit) -> None:
    prediction = kit.predictor(kit.bundle(models={}, baselines={})).predict(ask()).prediction
    assert prediction.success_probability == 0.0
    assert prediction.expected_profit < 0
    assert prediction.recommendation is Recommendation.SKIP
    assert prediction.price_forecasts == prediction.volatility_forecast == ()
    assert set(prediction.model_versions.values()) == {"none"}


def test_fallback_skip_keeps_the_baseline_from_queueing(kit: Kit) -> None:
    config = with_inference(fallback_mode="skip")
    bundle = kit.bundle(models={}, baselines=save_baselines(kit.root / "sure", successes=98))
    assert kit.predictor(bundle, config).predict(ask()).prediction.recommendation is Recommendation.SKIP


@pytest.mark.parametrize(
    ("later_ms", "code"),
    [(61_000, "market_stale"), (15 * 24 * 3_600_000, "model_stale")],
)
def test_age_makes_it_abstain(kit: Kit, later_ms: int, code: str) -> None:
    predictor = kit.predictor()
    kit.clock.advance(later_ms)
    if code == "model_stale":
        predictor.observe(market(NOW_MS + later_ms))
    prediction = predictor.predict(ask()).prediction
    assert prediction.reasons[0].startswith(code)
    assert prediction.recommendation is Recommendation.QUEUE


def test_an_opportunity_seen_long_ago_is_stale_on_fresh_ticks(kit: Kit) -> None:
    prediction = kit.predictor().predict(ask(ts_ms=NOW_MS - 61_000)).prediction
    assert prediction.reasons[0] == "market_stale: the opportunity was seen 61 s ago, the limit is 60 s"
    assert prediction.ts_ms == NOW_MS - 61_000


def test_few_ticks_are_not_warm(kit: Kit) -> None:
    prediction = kit.predictor(kit.bundle(ticks=market(n=3))).predict(ask()).prediction
    assert prediction.reasons[0].startswith("not_warm: momentum_1m not known yet; the stream has been observed for 10 s of 600")
    assert prediction.recommendation is not Recommendation.EXECUTE
    assert {f.source for f in prediction.price_forecasts} == {"baseline"}
    assert any(r.startswith("not_warm: lstm needs 12 ticks of cheap|WETH/USDC, 3 are known") for r in prediction.reasons)


def test_inputs_that_the_training_never_saw_make_it_abstain(kit: Kit) -> None:
    bundle = kit.bundle(models={"scorer": save_scorer(kit.root / "narrow", high=20.0)})
    record = kit.predictor(bundle).predict(ask())
    prediction, opportunity = record.prediction, record.opportunity
    assert prediction.reasons[0] == "input_out_of_range: route_edge_bps, route_net_bps outside of what the training saw"
    assert prediction.recommendation is Recommendation.QUEUE
    sure = confidence_to_pay(prediction.success_probability, opportunity.net_profit, opportunity.revert_cost)
    assert prediction.confidence == pytest.approx(sure / 3 * 0.5), "one of three inputs could be used, and one reason to abstain"


def test_an_unobserved_venue_needs_its_price_and_is_not_judged_by_the_model(kit: Kit) -> None:
    predictor = kit.predictor()
    legs = [{"venue": "new", "side": "buy"}, {"venue": "dear", "side": "sell"}]
    with pytest.raises(InvalidRequest) as refusal:
        predictor.predict(ask(legs=legs))
    assert (refusal.value.field, "observe" in refusal.value.mend) == ("legs[0].price", True)
    assert "observed: cheap, dear" in refusal.value.message
    legs[0] |= {"price": 1900.0, "fee_bps": 5.0}
    prediction = predictor.predict(ask(legs=legs)).prediction
    assert prediction.variant is Variant.BASELINE
    assert prediction.reasons[0] == "no_ticks: nothing was observed of new|WETH/USDC; POST /observe"


def test_a_spent_budget_gets_the_labelled_baseline(kit: Kit) -> None:
    predictor = kit.predictor()
    prediction = predictor.predict(ask(), arrived_s=kit.stopwatch.now_s - 0.25).prediction
    assert prediction.variant is Variant.BASELINE
    assert prediction.success_probability == 0.25
    assert prediction.reasons[0] == "model_late: 250 ms have passed, the budget is 100 ms"
    assert prediction.recommendation is not Recommendation.EXECUTE
    assert prediction.latency_ms >= 250
    assert predictor.predict(ask()).prediction.variant is Variant.CHAMPION, "a late answer must not be kept for others"


def test_a_model_that_takes_too_long_is_late_too(kit: Kit) -> None:
    predictor = kit.predictor()
    kit.stopwatch.step_s = 0.06  # each look at the stopwatch: in time before the model is asked, late after it
    prediction = predictor.predict(ask(), arrived_s=kit.stopwatch.now_s).prediction
    assert prediction.variant is Variant.BASELINE
    assert prediction.reasons[0].startswith("model_late: 120 ms")


def test_a_model_that_raises_is_replaced_and_said(kit: Kit) -> None:
    class Broken(SuccessScorer):
        def predict_proba(self, X: Any) -> Any:
            raise RuntimeError("out of order")

    predictor = kit.predictor()
    predictor.panel.models["scorer"] = Broken.load(kit.trained.models["scorer"])
    prediction = predictor.predict(ask(amount_in=500.0)).prediction
    assert prediction.variant is Variant.BASELINE
    assert "model_failed: scorer raised RuntimeError" in prediction.reasons


def test_the_same_question_within_a_second_comes_from_the_cache(kit: Kit) -> None:
    predictor = kit.predictor()
    first, second = predictor.predict(ask()).prediction, predictor.predict(ask()).prediction
    assert (first.cached, second.cached) == (False, True)
    assert first.request_id != second.request_id
    assert first.success_probability == second.success_probability
    assert not predictor.predict(ask(amount_in=123.0)).prediction.cached
    assert not predictor.predict(ask(gas_price_gwei=50.0)).prediction.cached
    kit.clock.advance(1000)
    assert not predictor.predict(ask()).prediction.cached
    assert predictor.clear_cache() > 0
    assert not predictor.predict(ask()).prediction.cached


def test_a_new_tick_makes_a_new_answer(kit: Kit) -> None:
    predictor = kit.predictor()
    before = predictor.predict(ask()).prediction
    kit.clock.advance(1)
    predictor.observe([tick(NOW_MS + 1, "dear", 1990.0)])
    after = predictor.predict(ask()).prediction
    assert not after.cached
    assert after.expected_profit < before.expected_profit


def test_an_edge_that_went_the_other_way_is_priced_as_the_loss_it_is(kit: Kit) -> None:
    record = kit.predictor().predict(ask(legs=[{"venue": "dear", "side": "buy"}, {"venue": "cheap", "side": "sell"}]))
    assert record.opportunity.gross_profit < 0
    assert record.opportunity.amount_in == CONFIG.costs.notional_quote
    assert record.prediction.recommendation is Recommendation.SKIP


def test_repeats_get_the_same_answer_and_conflicts_are_refused(kit: Kit) -> None:
    predictor = kit.predictor()
    first = predictor.predict(ask(request_id="r-1"))
    predictor.observe([tick(NOW_MS + 1, "dear", 1990.0)])
    assert predictor.predict(ask(request_id="r-1")) == first
    with pytest.raises(RequestConflict, match="request_id"):
        predictor.predict(ask(request_id="r-1", amount_in=5.0))
    assert len(lines(kit.journals[0])) == 1


def test_repeats_survive_a_restart(kit: Kit) -> None:
    bundle = kit.bundle()
    first = kit.predictor(bundle).predict(ask(request_id="r-1"))
    kit.restart()
    again = kit.predictor(bundle)
    assert again.predict(ask(request_id="r-1")) == first
    with pytest.raises(RequestConflict):
        again.predict(ask(request_id="r-1", amount_in=5.0))


def test_what_is_told_is_in_the_journal_first(kit: Kit) -> None:
    predictor = kit.predictor()
    prediction = predictor.predict(ask(request_id="r-1")).prediction
    written, = lines(kit.journals[0])
    assert written["record"]["prediction"]["request_id"] == "r-1"
    assert written["record"]["prediction"]["expected_profit"] == prediction.expected_profit
    assert written["record"]["prediction"]["features"]["route_net_bps"] is not None
    assert len(written["record"]["prediction"]["features"]) == 43


def test_an_unwritable_journal_is_never_an_execute(kit: Kit) -> None:
    predictor = kit.predictor()
    kit.restart()  # its journal is closed now: every write fails, as on a full disk
    prediction = predictor.predict(ask(request_id="r-1")).prediction
    assert prediction.recommendation is Recommendation.SKIP
    assert prediction.reasons[0].startswith("not_recorded: ")
    assert any(problem.startswith("not_recorded") for problem in predictor.health()["problems"])


def test_many_are_judged_on_one_state_all_or_nothing(kit: Kit) -> None:
    predictor = kit.predictor()
    records = predictor.predict_many([ask(request_id="a"), ask(amount_in=9.0), ask(request_id="a")])
    assert [record.prediction.request_id == "a" for record in records] == [True, False, True]
    assert records[0] is records[2]
    wrong = ask(legs=[{"venue": "cheap", "side": "buy"}, {"venue": "nowhere", "side": "sell"}])
    with pytest.raises(InvalidRequest) as refusal:
        predictor.predict_many([ask(request_id="b"), wrong])
    assert refusal.value.field == "opportunities[1].legs[1].price"
    assert len(lines(kit.journals[0])) == 2, "nothing of a refused request is written"
    with pytest.raises(RequestConflict, match=r"opportunities\[1\].request_id"):
        predictor.predict_many([ask(request_id="c"), ask(request_id="c", amount_in=9.0)])


def test_many_answers_equal_single_ones(kit: Kit) -> None:
    predictor = kit.predictor(config=with_inference(cache_ttl_ms=0))
    requests = [ask(amount_in=float(amount)) for amount in (10, 200, 5_000, 40_000)]
    together = [record.prediction.success_probability for record in predictor.predict_many(requests)]
    assert together == [predictor.predict(request).prediction.success_probability for request in requests]


def test_observing_counts_late_ticks_and_refuses_the_future(kit: Kit) -> None:
    predictor = kit.predictor(kit.bundle(ticks=[]))
    observed = predictor.observe([tick(NOW_MS - 1000, "cheap", 2000.0), tick(NOW_MS - 2000, "cheap", 1.0)])
    assert (observed.accepted, observed.late, observed.streams) == (1, 1, {"cheap|WETH/USDC": 1})
    good = {"ts_ms": NOW_MS, "venue": "new", "pair": PAIR, "price": 1.0}
    future = {"ticks": [good, good | {"ts_ms": NOW_MS + 90_000}]}
    with pytest.raises(InvalidRequest) as refusal:
        predictor.observe(parse(ObserveRequest, future))
    assert refusal.value.field == "ticks[1].ts_ms"
    assert predictor.health()["streams"] == 1


def test_ticks_over_http_and_in_process_give_the_same_state(kit: Kit) -> None:
    bundle = kit.bundle(ticks=[])
    ticks = market(n=60)
    names = ("ts_ms", "venue", "pair", "price", "ts_known_ms", "fee_bps", "volume", "gas_price_gwei", "reserve_base", "reserve_quote")
    one, two = kit.predictor(bundle), kit.predictor(bundle)
    one.observe(ticks)
    two.observe(parse(ObserveRequest, {"ticks": [{name: getattr(t, name) for name in names} for t in ticks]}))
    a, b = one.predict(ask(request_id="r")).prediction, two.predict(ask(request_id="r")).prediction
    assert a.features == b.features
    assert a.success_probability == b.success_probability


def test_gas_that_nobody_said_is_assumed_and_said(kit: Kit) -> None:
    bundle = kit.bundle(ticks=[tick(NOW_MS, venue, price, gas_price_gwei=None) for venue, price in (("cheap", 2000.0), ("dear", 2012.0))])
    predictor = kit.predictor(bundle)
    record = predictor.predict(ask())
    assert record.opportunity.gas_price_gwei == CONFIG.costs.default_gas_price_gwei
    assert "default_gas_price: no tick and no request said one, 20 gwei is assumed" in record.prediction.reasons
    assert not any(r.startswith("default_gas") for r in predictor.predict(ask(gas_price_gwei=3.0)).prediction.reasons)


def test_the_price_of_gas_must_come_from_somewhere(kit: Kit) -> None:
    legs = [{"venue": "x", "side": "buy", "price": 1.0, "fee_bps": 1.0}, {"venue": "y", "side": "sell", "price": 1.1, "fee_bps": 1.0}]
    predictor = kit.predictor()
    with pytest.raises(InvalidRequest) as refusal:
        predictor.predict(ask(pair="LINK/USDC", legs=legs))
    assert refusal.value.field == "native_price_quote"
    assert predictor.predict(ask(pair="LINK/USDC", legs=legs, native_price_quote=2000.0)).opportunity.gas_cost > 0
    set_ = kit.predictor(config=with_costs(native_price_quote=1000.0))
    assert set_.predict(ask(pair="LINK/USDC", legs=legs)).opportunity.gas_cost > 0


def test_models_and_health_say_what_is_there(kit: Kit) -> None:
    predictor = kit.predictor(kit.bundle(models={"scorer": kit.trained.models["scorer"]}))
    models = predictor.models()["models"]
    assert models["scorer"] == {
        "version": "7", "model": "OpportunityScorer", "trained_to_ms": NOW_MS, "data_hash": "hash", "stale": False,
    }  # fmt: skip
    assert (models["lstm"]["version"], models["lstm"]["model"]) == ("baseline", "ZeroChange")
    assert predictor.health()["problems"] == []
    kit.clock.advance(100_000)
    assert predictor.health()["problems"] == ["market_stale: no fresh tick; POST /observe"]


def test_stats_count_what_went_out(kit: Kit) -> None:
    predictor = kit.predictor()
    for _ in range(4):
        predictor.predict(ask())
    kit.clock.advance(2000)
    stats = predictor.stats.snapshot()
    assert (stats["predictions"], stats["cache_hit_rate"], stats["throughput_per_s"]) == (4, 0.75, 2.0)
    assert stats["recommendations"] == {"EXECUTE": 4}
    assert stats["error_rate"] == 0.0


def test_leg_state_from_the_client_replaces_what_was_observed(kit: Kit) -> None:
    predictor = kit.predictor()
    legs = opportunity()["legs"]
    legs[1] |= {"price": 2500.0}
    record = predictor.predict(ask(legs=legs, amount_in=1000.0))
    assert record.opportunity.route.legs[1].price == 2500.0
    assert record.opportunity.route.legs[1].fee_bps == 5.0, "the fee is still that of the venue's ticks"


def test_in_a_replay_the_clients_time_is_now(kit: Kit) -> None:
    clock = ReplayClock(0)
    journal = Journal.open(kit.root / "replay")
    predictor = Predictor(Bundle.load(kit.bundle()), CONFIG, Ledger(journal), clock)
    predictor.warm_up()
    assert predictor.predict(ask(ts_ms=NOW_MS)).prediction.recommendation is Recommendation.EXECUTE
    assert clock.now_ms() == NOW_MS
    later = NOW_MS + 120_000
    assert predictor.predict(ask(ts_ms=later)).prediction.reasons[0].startswith("market_stale: the market state is 120 s old")
    fresh = [{"ts_ms": later, "venue": venue, "pair": PAIR, "price": 2000.0} for venue in ("cheap", "dear")]
    predictor.observe(parse(ObserveRequest, {"ticks": fresh}))
    assert not predictor.predict(ask(ts_ms=later)).prediction.reasons[0].startswith("market_stale")
    journal.close()
