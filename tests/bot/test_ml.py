"""The service in the bot's own process: the same answers, a promotion while it runs, and never a raise."""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arbml.bot import Advisor, MLOrchestrator
from arbml.bot.advisor import is_absent
from arbml.bot.requests import to_request
from arbml.config import Config
from arbml.market import Recommendation, Result, Variant
from arbml.serving import Journal
from tests.bot.market import best, outcome
from tests.serving.kit import CONFIG, NOW_MS, PAIR, Kit, lines, market, tick

HOLD = Config.model_validate({**CONFIG.model_dump(), "bot": {"without_ml": "hold"}})


@pytest.fixture
def ml(kit: Kit, request: pytest.FixtureRequest) -> Callable[..., MLOrchestrator]:
    def make(bundle: Path | str | None = "", initialize: bool = True, config: Config = HOLD, **options: Any) -> MLOrchestrator:
        path = kit.bundle() if bundle == "" else bundle
        made = MLOrchestrator(path, config, kit.root / "home", kit.clock, **{"stopwatch": kit.stopwatch, **options})
        request.addfinalizer(made.close)
        if initialize:
            made.initialize()
        return made

    return make


Make = Callable[..., MLOrchestrator]


def journal(kit: Kit) -> list[dict[str, Any]]:
    opened = Journal.open(kit.root / "home" / "journal")
    try:
        return lines(opened)
    finally:
        opened.close()


def wait_until(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_is_an_advisor(ml: Make) -> None:
    assert isinstance(ml(None, initialize=False), Advisor)


def test_a_good_opportunity_is_executed_and_journaled_before_it_is_told(ml: Make, kit: Kit) -> None:
    bot = ml()
    answer = bot.enhance_opportunity(best(), "r1")
    assert answer.execute
    assert answer.by_model
    assert answer.prediction is not None
    assert answer.prediction.recommendation is Recommendation.EXECUTE
    assert answer.value == answer.prediction.expected_profit
    bot.record_outcome(outcome("r1"))
    bot.close()
    written = journal(kit)
    assert [line["kind"] for line in written] == ["prediction", "outcome"]
    assert written[0]["record"]["prediction"]["request_id"] == "r1"
    assert written[1]["record"]["execution"]["opportunity"] == written[0]["record"]["opportunity"]


def test_it_answers_as_the_predictor_of_the_service_does(ml: Make, kit: Kit) -> None:
    bundle = kit.bundle()
    predictor = kit.predictor(bundle)
    bot = ml(bundle)
    late = [tick(NOW_MS + 1000, "cheap", 2001.0), tick(NOW_MS + 1000, "dear", 2019.0)]
    kit.clock.advance(1200)
    predictor.observe(late)
    bot.observe(late)
    opportunity = best(late, NOW_MS + 1200)
    told = bot.enhance_opportunities([opportunity, opportunity], ["r1", "r2"])
    asked = [to_request(opportunity, request_id) for request_id in ("r1", "r2")]
    assert told == [record.prediction for record in predictor.predict_many(asked)]


def test_the_same_id_gets_the_same_answer_and_no_other_opportunity(ml: Make) -> None:
    bot, opportunity = ml(), best()
    first = bot.enhance_opportunities([opportunity], ["r1"])
    assert bot.enhance_opportunities([opportunity], ["r1"]) == first
    (other,) = bot.enhance_opportunities([best(amount_in=77.0)], ["r1"])
    assert other.reasons[0].startswith("refused: request_id: 'r1' was used for another opportunity")
    assert other.recommendation is Recommendation.SKIP


def test_ids_must_fit(ml: Make) -> None:
    with pytest.raises(ValueError, match="zip"):
        ml(None).enhance_opportunities([best()], [])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (None, "no bundle was given"),
        (lambda path: path.rename(path.with_name("elsewhere")), "no such file"),
        (lambda path: (path / "manifest.json").write_text("{"), "not readable as JSON"),
        (lambda path: (path / "models" / "scorer" / "model.onnx").write_bytes(b"x"), "cut short or changed"),
        (lambda path: (path / "ticks.json").unlink(), "missing since the bundle was written"),
    ],
)  # fmt: skip
def test_without_a_sound_bundle_it_says_so_and_never_executes(ml: Make, kit: Kit, damage: Any, why: str) -> None:
    path = None
    if damage is not None:
        path = kit.bundle()
        damage(path)
    bot = ml(path)
    bot.observe(market())
    answer = bot.enhance_opportunity(best(), "r1")
    assert not answer.execute
    assert answer.prediction is not None
    assert is_absent(answer.prediction)
    assert answer.prediction.variant is Variant.BASELINE
    assert answer.why.startswith("no_bundle: ")
    assert why in answer.why
    stats = bot.get_stats()
    assert not stats["ready"]
    assert stats["problems"] == [answer.why]
    assert stats["absent"] == {"no_bundle": 1}
    assert stats["models_loaded"] == []


def test_by_rule_the_bot_sends_what_pays_while_no_model_answers(ml: Make) -> None:
    rule = Config.model_validate({**CONFIG.model_dump(), "bot": {"without_ml": "rule", "min_profit": 1.0}})
    bot, opportunity = ml(None, config=rule), best()
    answer = bot.enhance_opportunity(opportunity)
    assert answer.execute
    assert answer.value == opportunity.net_profit > 1.0
    assert not bot.enhance_opportunity(replace(opportunity, net_profit=1.0)).execute, "no more than the floor"


def test_outcomes_are_kept_without_a_bundle(ml: Make, kit: Kit) -> None:
    bot, opportunity = ml(None), best()
    bot.record_outcome(outcome("r1", opportunity=opportunity))
    bot.close()
    (line,) = journal(kit)
    assert line["record"]["execution"]["opportunity"]["pair"] == PAIR


def test_a_home_that_cannot_be_written_stops_no_bot(ml: Make, kit: Kit) -> None:
    (kit.root / "home").write_text("a file is in the way")
    bot = ml()
    assert bot.enhance_opportunity(best()).why.startswith("no_journal: ")
    bot.record_outcome(outcome("r1"))
    assert any("1 outcomes wait" in problem for problem in bot.get_stats()["problems"])
    (kit.root / "home").unlink()
    bot.initialize()
    assert bot.enhance_opportunity(best()).execute
    bot.record_outcome(outcome("r2"))
    bot.close()
    assert [line["record"]["execution"]["request_id"] for line in journal(kit) if line["kind"] == "outcome"] == ["r1", "r2"]


def test_what_cannot_be_asked_or_told_raises_nothing(ml: Make, caplog: pytest.LogCaptureFixture) -> None:
    bot, opportunity = ml(), best()
    answers = bot.enhance_opportunities([replace(opportunity, amount_in=float("nan")), opportunity], ["bad", "good"])
    assert answers[0].reasons[0].startswith("refused: amount_in")
    assert answers[1].recommendation is Recommendation.EXECUTE
    with caplog.at_level(logging.WARNING):
        bot.record_outcome(outcome("r1", profit=float("nan")))
        bot.record_outcome(outcome("r2"))
        bot.record_outcome(outcome("r2", result=Result.REVERTED))
    assert "profit" in caplog.text
    assert "already settled" in caplog.text
    figures = bot.get_stats()["journal"]
    assert (figures["outcomes_refused"], figures["outcomes_conflict"], figures["outcomes_waiting"]) == (1, 1, 0)


def test_ticks_that_cannot_be_are_left_out_and_counted(ml: Make) -> None:
    bot = ml()
    future = NOW_MS + 3_600_000
    bot.observe([tick(NOW_MS + 10, "cheap", float("nan")), tick(future, "cheap", 2000.0), tick(NOW_MS + 10, "dear", 2012.0)])
    stats = bot.get_stats()
    assert stats["ticks_refused"] == 2
    assert "ahead of this clock" in stats["last_tick_refused"]
    assert stats["ticks"] == {"accepted": 1, "late": 0}


def test_stats_name_models_versions_and_figures(ml: Make) -> None:
    bot = ml()
    bot.enhance_opportunities([best()] * 3, ["a", "b", "c"])
    stats = bot.get_stats()
    assert stats["ready"]
    assert stats["problems"] == []
    assert stats["models_loaded"] == ["lstm", "scorer", "volatility"]
    assert {kind: one["version"] for kind, one in stats["models"].items()} == {"lstm": "7", "scorer": "7", "volatility": "7"}
    assert stats["predictions"] == 3
    assert stats["cache_hit_rate"] == 0.0, "questions of one batch are answered together"
    bot.enhance_opportunity(best())
    assert bot.get_stats()["cache_hit_rate"] == 0.25
    assert stats["latency_ms"]["p99"] == 0.0, "the stopwatch of the test stands still"
    json.dumps(stats)


def test_stale_ticks_abstain(ml: Make, kit: Kit) -> None:
    bot = ml()
    kit.clock.advance(61_000)
    answer = bot.enhance_opportunity(best(now_ms=NOW_MS + 61_000))
    assert not answer.execute
    assert not answer.by_model
    assert answer.why.startswith("market_stale")
    assert any(problem.startswith("market_stale") for problem in bot.get_stats()["problems"])


def test_without_a_journal_nothing_is_written_and_repeats_still_work(ml: Make, kit: Kit) -> None:
    bot = ml(journal=False)
    first = bot.enhance_opportunities([best()], ["r1"])
    assert bot.enhance_opportunities([best()], ["r1"]) == first
    bot.record_outcome(outcome("r1"))
    bot.close()
    assert not (kit.root / "home").exists()


def test_the_same_ticks_and_questions_give_the_same_bytes(ml: Make, kit: Kit) -> None:
    bundle = kit.bundle()

    def told() -> list[str]:
        kit.clock.set(NOW_MS)
        kit.stopwatch.now_s, kit.stopwatch.step_s = 100.0, 1e-4
        bot, found = ml(bundle, journal=False), []
        for i in range(1, 30):
            now_ms = NOW_MS + i * 1000
            kit.clock.set(now_ms)
            bot.observe([tick(now_ms - 30, "cheap", 2000.0 + i), tick(now_ms - 20, "dear", 2008.0 + i + i % 5)])
            opportunity = best([tick(now_ms, "cheap", 2000.0 + i), tick(now_ms, "dear", 2011.0 + i)], now_ms)
            found += [json.dumps(answer.to_dict()) for answer in bot.enhance_opportunities([opportunity] * 2, [f"a{i}", f"b{i}"])]
        return found

    assert told() == told()


def test_a_reload_knows_the_market_bit_for_bit(ml: Make, kit: Kit) -> None:
    bundle = kit.bundle()
    reloaded, stayed = ml(bundle, journal=False), ml(bundle, journal=False)
    ticks = [tick(NOW_MS + i * 500, venue, 2000.0 + i % 7 + 12 * (venue == "dear")) for i in range(1, 400) for venue in ("cheap", "dear")]
    for start in range(0, len(ticks), 100):
        kit.clock.set(ticks[min(start + 99, len(ticks) - 1)].ts_ms)
        for bot in (reloaded, stayed):
            bot.observe(ticks[start : start + 100])
        assert start != 300 or reloaded.reload()
    opportunity = best(ticks, kit.clock.now_ms())
    assert reloaded.enhance_opportunities([opportunity], ["r1"]) == stayed.enhance_opportunities([opportunity], ["r1"])
    assert reloaded.get_stats()["reloads"] == 1


def test_counts_and_request_ids_outlive_a_reload(ml: Make, kit: Kit) -> None:
    bot = ml()
    first = bot.enhance_opportunities([best()], ["r1"])
    assert bot.reload()
    assert bot.enhance_opportunities([best()], ["r1"]) == first
    bot.record_outcome(outcome("r1"))
    stats = bot.get_stats()
    assert stats["predictions"] == 1
    assert stats["outcomes"] == {"success": 1}


def test_a_damaged_new_bundle_leaves_the_old_models_in_place(ml: Make, kit: Kit) -> None:
    bot = ml()
    (kit.root / "other").mkdir()
    assert not bot.reload(kit.root / "other")
    assert bot.enhance_opportunity(best()).execute
    (problem,) = bot.get_stats()["problems"]
    assert problem.startswith("reload_failed: the models before go on: ")
    assert bot.bundle_path == kit.root / "bundle"
    assert bot.reload()
    assert bot.get_stats()["problems"] == []


def test_a_promotion_is_noticed(ml: Make, kit: Kit) -> None:
    bot = ml(kit.root / "bundle", watch_s=0.02)
    assert not bot.ready
    bot.observe(market())
    kit.bundle(ticks=market()[:2])
    wait_until(lambda: bot.ready)
    assert bot.enhance_opportunity(best()).execute, "warm with what was observed before there was a bundle"
    kit.bundle(models={})
    wait_until(lambda: bot.get_stats()["reloads"] == 1)
    answer = bot.enhance_opportunity(best())
    assert not answer.execute
    assert answer.prediction is not None
    assert answer.prediction.variant is Variant.BASELINE
    assert not is_absent(answer.prediction), "its baseline judged"
    assert answer.prediction.success_probability == pytest.approx(0.25, abs=0.03)


def test_threads_ask_observe_reload_and_settle_at_once(ml: Make, kit: Kit) -> None:
    bot, stop, failed = ml(), threading.Event(), []
    opportunity = best()

    def run(work: Callable[[int], object]) -> None:
        for i in range(10_000):
            if stop.is_set():
                return
            try:
                work(i)
            except Exception as error:
                failed.append(error)
                return

    def ask(i: int) -> None:
        name = f"{threading.current_thread().name}-{i}"
        (answer,) = bot.enhance_opportunities([opportunity], [name])
        assert not is_absent(answer), answer.reasons
        assert not any(reason.startswith("not_recorded") for reason in answer.reasons)
        bot.record_outcome(outcome(name))

    work: list[Callable[[int], object]] = [
        ask, ask, lambda i: bot.observe([tick(NOW_MS + i, "cheap", 2000.0)]), lambda _: bot.reload(), lambda _: bot.get_stats(),
    ]  # fmt: skip
    threads = [threading.Thread(target=run, args=(one,), name=f"t{n}") for n, one in enumerate(work)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    stats = bot.get_stats()
    assert stats["predictions"] == stats["outcomes"]["success"] > 10
    assert stats["reloads"] > 0
    bot.close()
    written = journal(kit)
    assert len(written) == 2 * stats["predictions"], "no line was written over another"


def test_after_closing_nobody_is_judged_and_the_lane_is_free(ml: Make, kit: Kit) -> None:
    bot = ml()
    bot.close()
    bot.close()
    bot.observe(market())
    assert bot.enhance_opportunity(best()).why == "not_ready: closed"
    assert not bot.reload()
    opened = Journal.open(kit.root / "home" / "journal")
    assert opened.lane.name == "lane-0"
    opened.close()


def test_the_context_closes(kit: Kit) -> None:
    with MLOrchestrator(kit.bundle(), CONFIG, kit.root / "home", kit.clock) as bot:
        assert bot.ready
    assert not bot.ready
