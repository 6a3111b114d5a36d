"""Patterns explain an answer: those of the bundle, met now; no decision reads them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arbml.collectors.simulator import Simulator, SimulatorConfig
from arbml.config import CostsConfig, PatternsConfig, ScorerConfig
from arbml.dataset import opportunity_dataset
from arbml.errors import ModelFileError
from arbml.features import FEATURE_NAMES, SCORER_FEATURE_NAMES, compute_features, feature_set_id, route_features
from arbml.frames import frame_to_ticks, ticks_to_frame
from arbml.market import Prediction
from arbml.models.patterns import Case, Pattern, PatternDetector, Sample
from arbml.models.patterns.cases import Cases
from arbml.models.patterns.conditions import Condition, Follows, Hours, Near, OnChain, OnRoute
from arbml.serving import Bundle, ObserveRequest, OutcomeRequest, Predictor, write_bundle
from arbml.serving.answers import PredictionAnswer, prediction_answer
from arbml.serving.bundle import MANIFEST, PATTERNS_FILE
from arbml.serving.explainer import Explainer
from arbml.serving.market_state import MarketState
from arbml.serving.requests import parse
from arbml.store import frame_to_executions
from tests.serving.kit import CONFIG, NOW_MS, PAIR, Kit, ask, market, tick

ROUTE = f"buy:cheap>sell:dear {PAIR}"
HOUR_MS = 3_600_000
NOW_HOUR = NOW_MS // HOUR_MS % 24
SAMPLE = Sample(0, 1, 212, 151, 900, 468, 0.64, 0.77, 40, 0.001, 3.0, 1.0, 5.0)
SAID = "venue:buy cheap > sell dear WETH/USDC: hit rate 0.71 (0.64-0.77) against 0.52, n 212"


def pattern(condition: Condition, low: float = 0.6, feature_set: str = "") -> Pattern:
    sample = replace(SAMPLE, low=low)
    return Pattern(condition.key, condition, SAMPLE, sample, 0.01, "USDC", feature_set or feature_set_id(), "hash")


def bundle(kit: Kit, *patterns: Pattern) -> Path:
    frame = ticks_to_frame(market())
    return write_bundle(kit.trained.models, kit.trained.baselines, CONFIG, frame, kit.root / "bundle", clock=kit.clock, patterns=patterns)


def kinds(prediction: Prediction) -> list[str]:
    return [text.partition(":")[0] for text in prediction.patterns]


def outcome(request_id: str, result: str) -> OutcomeRequest:
    return parse(OutcomeRequest, {"request_id": request_id, "result": result})


def test_an_answer_says_which_patterns_it_meets_and_decides_without_them(kit: Kit) -> None:
    met = [pattern(OnRoute(ROUTE), 0.64), pattern(Hours(NOW_HOUR, NOW_HOUR), 0.6)]
    other = [pattern(OnRoute("buy:dear>sell:cheap WETH/USDC"), 0.9), pattern(Hours(NOW_HOUR + 1, NOW_HOUR + 2), 0.9)]
    record = kit.predictor(bundle(kit, *other, *met)).predict(ask(request_id="one"))
    prediction = record.prediction
    assert prediction.patterns == (SAID, met[1].text)
    assert PredictionAnswer.model_validate(prediction_answer(prediction, record.opportunity)).patterns == list(prediction.patterns)
    kit.restart()
    without = kit.predictor(bundle(kit)).predict(ask(request_id="two")).prediction
    assert without.patterns == ()
    assert replace(without, request_id="one", patterns=prediction.patterns) == prediction


def test_an_answer_from_the_cache_is_explained_anew(kit: Kit) -> None:
    last_ms = NOW_MS // HOUR_MS * HOUR_MS + HOUR_MS - 1
    kit.clock.set(last_ms)
    predictor = kit.predictor(bundle(kit, pattern(Hours(NOW_HOUR, NOW_HOUR))))
    predictor.observe(market(last_ms, n=5))
    first = predictor.predict(ask()).prediction
    assert kinds(first) == ["time"]
    kit.clock.advance(1)
    second = predictor.predict(ask()).prediction
    assert (second.cached, second.patterns) == (True, ())


def test_a_repeated_question_gets_the_same_explanation_after_a_restart(kit: Kit) -> None:
    path = bundle(kit, pattern(OnRoute(ROUTE)))
    first = kit.predictor(path).predict(ask(request_id="a", ts_ms=NOW_MS)).prediction
    kit.restart()
    path = bundle(kit)
    assert kit.predictor(path).predict(ask(request_id="a", ts_ms=NOW_MS)).prediction == first


def test_a_sequence_begins_with_what_the_bot_reports(kit: Kit) -> None:
    follows = [pattern(Follows("success", ROUTE, "", 60_000)), pattern(Follows("loss", ROUTE, ROUTE, 60_000), 0.55)]
    predictor = kit.predictor(bundle(kit, *follows))
    assert predictor.predict(ask(request_id="a")).prediction.patterns == ()
    predictor.record_outcome(outcome("a", "success"))
    predictor.record_outcome(outcome("nobody-asked", "success"))
    kit.clock.advance(1_000)
    assert predictor.predict(ask(request_id="b")).prediction.patterns == (follows[0].text,)
    predictor.record_outcome(outcome("b", "reverted"))
    assert predictor.predict(ask(request_id="c")).prediction.patterns == (follows[0].text, follows[1].text)
    kit.clock.advance(59_000)
    assert predictor.predict(ask(request_id="d")).prediction.patterns == (follows[0].text, follows[1].text)
    kit.clock.advance(1)
    assert predictor.predict(ask(request_id="e")).prediction.patterns == (follows[1].text,)


def test_an_opportunity_counts_for_later_ones_and_never_for_its_own_moment(kit: Kit) -> None:
    again = pattern(Follows("opportunity", ROUTE, ROUTE, 60_000))
    predictor = kit.predictor(bundle(kit, again))
    together = predictor.predict_many([ask(request_id="a"), ask(request_id="b")])
    assert [one.prediction.patterns for one in together] == [(), ()]
    predictor.predict(ask(request_id="a"))  # asked again, answered from the journal
    kit.clock.advance(1)
    assert predictor.predict(ask(request_id="c")).prediction.patterns == (again.text,)
    kit.clock.advance(60_001)
    assert predictor.predict(ask(request_id="d", amount_in=1e5)).prediction.patterns == ()


def test_market_events_come_with_the_ticks_those_of_the_warm_up_too(kit: Kit) -> None:
    spike = pattern(Follows("gas_spike", "", "", 60_000, 0.5))
    ticks = [*market(NOW_MS, n=200)]
    gas = [replace(one, gas_price_gwei=9.0) if one.ts_ms == NOW_MS - 30_000 else one for one in ticks]
    calm, spiked = kit.predictor(bundle(kit, spike), warm=False), kit.predictor(bundle(kit, spike), warm=False)
    calm.warm_up(ticks)
    spiked.warm_up(gas)
    assert calm.predict(ask()).prediction.patterns == ()
    assert spiked.predict(ask()).prediction.patterns == (spike.text,)
    late = tick(NOW_MS - 700_000, "cheap", 2000.0, gas_price_gwei=99.0, ts_known_ms=NOW_MS)
    assert calm.observe([late]).late == 1
    assert calm.predict(ask()).prediction.patterns == ()
    data = [{"ts_ms": NOW_MS + 1, "venue": "cheap", "pair": PAIR, "price": 2000.0, "gas_price_gwei": 50.0, "fee_bps": 5.0}]
    kit.clock.advance(1)
    calm.observe(parse(ObserveRequest, {"ticks": data}))
    assert calm.predict(ask()).prediction.patterns == (spike.text,)


def test_chain_and_cluster_need_ticks_of_the_entry_venue(kit: Kit) -> None:
    size = len(FEATURE_NAMES)
    near = Near(SCORER_FEATURE_NAMES[size:], (0.0,) * 11, (1e9,) * 11, (0.0,) * 11, 1.0)
    several = [pattern(OnChain(1), 0.7), pattern(near, 0.6)]
    predictor = kit.predictor(bundle(kit, *several))
    assert kinds(predictor.predict(ask()).prediction) == ["cluster"]
    kit.clock.advance(5_000)
    predictor.observe([replace(one, chain_id=1) for one in market(NOW_MS + 5_000, n=1)])
    assert kinds(predictor.predict(ask()).prediction) == ["venue", "cluster"]
    legs = [{"venue": v, "side": s, "price": p, "fee_bps": 5.0} for v, s, p in (("x", "buy", 2000.0), ("y", "sell", 2050.0))]
    stranger = predictor.predict(ask(legs=legs, gas_price_gwei=1.0)).prediction
    assert stranger.patterns == ()


def test_the_service_meets_what_the_detection_met_row_by_row() -> None:
    """A simulated market through the live engine, tick by tick, beside the batch that patterns are found in."""
    simulator = Simulator(SimulatorConfig(seed=3, hours=5))
    ticks, sent = (pd.concat(frames, ignore_index=True) for frames in (simulator.ticks(), simulator.executions()))
    features = compute_features(ticks)
    ds = opportunity_dataset(ticks, features, sent, CostsConfig(), ScorerConfig(min_samples=100))
    config = PatternsConfig(min_support=10, clusters=6)
    tested = PatternDetector(config).detect(ds, features).tested
    cases = Cases.of(ds, features, 300_000, int(ds.ts_ms[len(ds) // 2]))
    market_events = [Follows(name, "", "", 300_000, limit) for name, limit in cases.thresholds.items()]
    conditions = {one.key: one for one in (*(one.condition for one in tested), *market_events, OnChain(1), Hours(2, 3))}
    assert len({one.kind for one in conditions.values()}) == 4

    state = MarketState(8)
    matcher = Explainer(pattern(one) for one in conditions.values())
    steps: list[tuple[int, int, Any]] = [(one.ts_known_ms, 0, one) for one in frame_to_ticks(ticks)]
    for execution in frame_to_executions(sent):
        steps += [(execution.ts_known_ms, 1, execution), (execution.opportunity.ts_ms, 2, execution.opportunity)]  # type: ignore[union-attr]
    met: list[set[str]] = []
    for _, kind, what in sorted(steps, key=lambda step: step[:2]):
        if kind == 0:
            assert state.observe(what)
            matcher.observe(what, state.latest(what.stream))
        elif kind == 1:
            matcher.outcome(what)
        elif (vector := state.latest(what.entry_stream)) is not None:
            case = Case.of(what, matcher._chains.get(what.entry_stream), np.concatenate([vector.values, route_features(what)]))
            met.append({one.key for one in matcher._matcher.match(case)})
            matcher.explain(what, case.x)
    assert len(met) == len(ds) > 150
    for key, condition in conditions.items():
        assert [key in one for one in met] == cases.meets(condition).tolist(), key


def test_a_bundle_of_before_has_none(kit: Kit) -> None:
    path = bundle(kit, pattern(OnRoute(ROUTE)))
    assert [one.key for one in Bundle.load(path).patterns] == [f"venue:{ROUTE}"]
    without_file(path)
    assert Bundle.load(path).patterns == ()
    assert kit.predictor(path).predict(ask()).prediction.patterns == ()


def without_file(path: Path) -> None:
    """Make it the bundle that an earlier version wrote."""
    from arbml.serving.bundle import _checksum

    (path / PATTERNS_FILE).unlink()
    manifest = json.loads((path / MANIFEST).read_text())
    del manifest["files"][PATTERNS_FILE], manifest["checksum"]
    (path / MANIFEST).write_text(json.dumps(manifest | {"checksum": _checksum(manifest)}))


def test_patterns_of_other_features_do_not_go_along(kit: Kit) -> None:
    several = [pattern(OnRoute(ROUTE), feature_set="other"), pattern(Hours(1, 2))]
    assert Bundle.load(bundle(kit, *several)).patterns == (several[1],)


def test_damage_is_refused(kit: Kit) -> None:
    path = bundle(kit, pattern(OnRoute(ROUTE)))
    (path / PATTERNS_FILE).write_text("[]")
    with pytest.raises(ModelFileError, match=r"patterns.json: cut short or changed since the bundle was written"):
        Bundle.load(path)


def test_a_predictor_without_patterns_remembers_nothing(kit: Kit) -> None:
    predictor: Predictor = kit.predictor()
    predictor.predict(ask(request_id="a"))
    predictor.record_outcome(outcome("a", "success"))
    assert predictor._explainer._matcher._memory._times == {}
