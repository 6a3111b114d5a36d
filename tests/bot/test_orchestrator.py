"""The bot finds at the same pace whatever its advisor does."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from arbml.bot import ArbitrageOrchestrator, MLOrchestrator
from arbml.clock import ReplayClock
from arbml.config import BotConfig
from arbml.errors import ConfigError
from arbml.market import Pool, Recommendation, Tick
from tests.bot.market import FakeAdvisor, TwoVenueFinder, numbered, outcome
from tests.serving.kit import CONFIG, NOW_MS, Kit, market, tick

USDC = ["USDC"]
INLINE: dict[str, Any] = {"max_wait_ms": 0, "without_ml": "hold"}
Make = Callable[..., ArbitrageOrchestrator]


@pytest.fixture
def make(kit: Kit, request: pytest.FixtureRequest) -> Make:
    def made(advisor: object = None, bot: dict[str, Any] = INLINE, **options: Any) -> ArbitrageOrchestrator:
        options = {"finder": TwoVenueFinder(), "new_id": numbered(), **options}
        one = ArbitrageOrchestrator(CONFIG.costs, BotConfig(**bot), kit.clock, advisor, **options)  # type: ignore[arg-type]
        request.addfinalizer(one.close)
        return one

    return made


def pair(now_ms: int, cheap: float = 2000.0, dear: float = 2020.0) -> list[Tick]:
    return [tick(now_ms, "cheap", cheap), tick(now_ms, "dear", dear)]


def wait_until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_without_an_advisor_the_rule_decides(make: Make) -> None:
    bot = make()
    bot.observe(pair(NOW_MS))
    (found,) = bot.find_opportunities(USDC)
    assert found.execute
    assert found.prediction is None
    assert found.value == found.opportunity.net_profit > 0
    assert not bot.ml_enabled
    with pytest.raises(ConfigError, match="no advisor"):
        bot.enable_ml()


def test_tokens_amount_and_age_go_to_the_finder(make: Make, kit: Kit) -> None:
    bot = make()
    bot.observe(pair(NOW_MS))
    assert bot.find_opportunities(["WETH"]) == []
    assert bot.find_opportunities(USDC, 123.0)[0].opportunity.amount_in == 123.0
    kit.clock.advance(60_001)
    assert bot.find_opportunities(USDC) == []


def test_what_does_not_pay_is_asked_of_nobody(make: Make) -> None:
    advisor = FakeAdvisor()
    bot = make(advisor)
    bot.observe(pair(NOW_MS, dear=2000.1))
    assert bot.find_opportunities(USDC) == []
    (left,) = bot.find_opportunities(USDC, unjudged=True)
    assert left.prediction is None
    assert not left.execute
    assert left.opportunity.net_profit <= 0
    assert advisor.asked == []


def test_late_and_impossible_ticks_change_no_pool(make: Make) -> None:
    finder = TwoVenueFinder()
    bot = make(finder=finder)
    bot.observe(pair(NOW_MS))
    before = dict(finder.pools)
    bot.observe([tick(NOW_MS - 1, "cheap", 1.0, ts_known_ms=NOW_MS), tick(NOW_MS, "cheap", 1.0), tick(NOW_MS, "dear", float("nan"))])
    bot.observe([tick(NOW_MS + 10_000_000, "cheap", 1.0)])
    assert finder.pools == before
    assert bot.get_stats()["ticks"] == {"accepted": 2, "late": 2, "refused": 2}


def test_states_that_no_tick_can_tell(make: Make) -> None:
    finder = TwoVenueFinder()
    pool = Pool("v3", "WETH/USDC", 2000.0, 5.0, NOW_MS, NOW_MS)
    make(finder=finder).observe_pools([pool])
    assert finder.pools["v3", "WETH/USDC"] is pool


def test_a_replay_clock_goes_by_the_ticks() -> None:
    clock = ReplayClock(0)
    bot = ArbitrageOrchestrator(CONFIG.costs, BotConfig(), clock, finder=TwoVenueFinder())
    bot.observe(pair(NOW_MS))
    assert clock.now_ms() == NOW_MS
    assert bot.find_opportunities(USDC)[0].opportunity.ts_ms == NOW_MS
    bot.observe([tick(NOW_MS, "cheap", float("nan"), ts_known_ms=NOW_MS + 1_000_000)])
    assert clock.now_ms() == NOW_MS, "a tick that cannot be moves no clock"


def test_the_advisor_sees_each_tick_before_the_question_and_decides(make: Make) -> None:
    advisor = FakeAdvisor(Recommendation.QUEUE)
    bot = make(advisor)
    bot.observe(pair(NOW_MS))
    (found,) = bot.find_opportunities(USDC)
    assert advisor.asked == [("r1", 2)]
    assert not found.execute
    assert found.request_id == "r1"
    assert found.value == found.opportunity.net_profit / 2
    bot.record_outcome(outcome("r1"))
    assert [one.request_id for one in advisor.outcomes] == ["r1"]
    assert advisor.initialized == 1


def test_switched_off_and_on_again_it_is_shown_what_it_missed(make: Make) -> None:
    advisor = FakeAdvisor()
    bot = make(advisor)
    bot.observe(pair(NOW_MS))
    bot.find_opportunities(USDC)
    bot.disable_ml()
    for i in range(1, 5):
        bot.observe(pair(NOW_MS + i))
    (found,) = bot.find_opportunities(USDC)
    assert found.prediction is None
    assert found.execute
    assert len(advisor.seen) == 2, "left alone"
    bot.record_outcome(outcome("r1"))
    assert len(advisor.outcomes) == 1, "but told what became of what it judged"
    bot.enable_ml()
    assert bot.find_opportunities(USDC)[0].by_model
    assert advisor.seen == [one for i in range(5) for one in pair(NOW_MS + i)]
    assert advisor.asked[-1] == ("r3", 10)
    assert advisor.initialized == 1


def test_another_advisor_starts_with_all_that_is_remembered_and_outcomes_find_who_judged(make: Make) -> None:
    first, second = FakeAdvisor(), FakeAdvisor()
    bot = make(first)
    bot.observe(pair(NOW_MS))
    bot.find_opportunities(USDC)
    bot.enable_ml(second)
    assert second.seen == first.seen
    bot.find_opportunities(USDC)
    for request_id in ("r1", "r2", "elsewhere"):
        bot.record_outcome(outcome(request_id))
    assert [one.request_id for one in first.outcomes] == ["r1"]
    assert [one.request_id for one in second.outcomes] == ["r2", "elsewhere"]
    bot.observe(pair(NOW_MS + 1))
    assert (len(first.seen), len(second.seen)) == (2, 4)
    bot.close()
    assert first.closed == second.closed == 0, "they belong to whoever made them"


def test_advisors_replaced_long_ago_are_forgotten(make: Make) -> None:
    advisors = [FakeAdvisor() for _ in range(6)]
    bot = make()
    bot.observe(pair(NOW_MS))
    for advisor in advisors:
        bot.enable_ml(advisor)
        bot.find_opportunities(USDC)
    for n in range(1, 7):
        bot.record_outcome(outcome(f"r{n}"))
    told = [[one.request_id for one in advisor.outcomes] for advisor in advisors]
    assert told == [[], [], ["r3"], ["r4"], ["r5"], ["r1", "r2", "r6"]]


def boom() -> None:
    raise RuntimeError("no")


@pytest.mark.parametrize("bot", [INLINE, {"max_wait_ms": 2000}])
@pytest.mark.parametrize("without_ml", ["hold", "rule"])
def test_an_advisor_that_raises_is_no_advisor(make: Make, bot: dict[str, Any], without_ml: str) -> None:
    advisor = FakeAdvisor()
    advisor.before = boom
    one = make(advisor, {**bot, "without_ml": without_ml})
    one.observe(pair(NOW_MS))
    wait_until(lambda: one.get_stats()["desk"]["ready"])
    (found,) = one.find_opportunities(USDC)
    assert found.why == "advisor_failed: RuntimeError: no"
    assert found.execute == (without_ml == "rule")
    one.record_outcome(outcome("r1"))
    wait_until(lambda: one.get_stats()["desk"].get("advisor_failed", 0) >= 4)  # initialize, observe, judge, record an outcome
    assert one.get_stats()["desk"]["outcomes_waiting"] == 1
    advisor.before = lambda: None
    one.record_outcome(outcome("r2"))
    wait_until(lambda: [told.request_id for told in advisor.outcomes] == ["r1", "r2"])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda answers: answers[:0], "misread: 0 answers to 1 questions"),
        (lambda _: None, "advisor_failed: TypeError"),
        (lambda _: [None], "advisor_failed: AttributeError"),
        (lambda answers: [replace(answers[0], request_id="x")], "misread: the answer to 'r1' is one to 'x'"),
        (lambda answers: [replace(answers[0], success_probability=float("nan"))], "misread: 'r1': probability nan"),
        (lambda answers: [replace(answers[0], expected_profit=float("inf"))], "misread: 'r1': probability 0.9"),
    ],
)
@pytest.mark.parametrize("max_wait_ms", [0, 2000])
def test_an_answer_that_is_none_counts_for_nothing(make: Make, spoil: Callable[[Any], Any], why: str, max_wait_ms: int) -> None:
    class Spoiled(FakeAdvisor):
        def enhance_opportunities(self, opportunities: Any, request_ids: Any) -> Any:
            return spoil(super().enhance_opportunities(opportunities, request_ids))

    bot = make(Spoiled(), {**INLINE, "max_wait_ms": max_wait_ms})
    bot.observe(pair(NOW_MS))
    assert bot.wait_until_ready(5)
    for _ in range(2):
        (found,) = bot.find_opportunities(USDC)
        assert found.why.startswith(why.replace("r1", found.request_id))
        assert not found.execute


def test_an_advisor_that_hangs_costs_one_wait_and_then_nothing(make: Make) -> None:
    advisor, gate = FakeAdvisor(), threading.Event()
    bot = make(advisor, {"max_wait_ms": 50, "without_ml": "rule"})
    bot.observe(pair(NOW_MS))
    wait_until(lambda: bot.get_stats()["desk"]["ready"])
    assert bot.find_opportunities(USDC)[0].by_model
    advisor.before = lambda: gate.wait(10) and None
    started = time.monotonic()
    (found,) = bot.find_opportunities(USDC)
    waited_s = time.monotonic() - started
    assert found.why == "service_late: no answer within 50 ms"
    assert found.execute, "by the rule"
    assert 0.05 <= waited_s < 0.5
    started = time.monotonic()
    for i in range(1, 101):
        bot.observe(pair(NOW_MS + i))
        assert bot.find_opportunities(USDC)[0].why.startswith("left_alone: it has been busy for")
    assert time.monotonic() - started < 0.5
    gate.set()
    wait_until(lambda: len(advisor.seen) == 202)
    assert bot.find_opportunities(USDC)[0].by_model
    assert advisor.asked[-1][1] == 202, "shown all that it slept through, before the question"


def test_while_it_gets_ready_nobody_waits(make: Make) -> None:
    advisor, gate = FakeAdvisor(), threading.Event()
    advisor.before = lambda: gate.wait(10) and None
    started = time.monotonic()
    bot = make(advisor, {"max_wait_ms": 5000, "without_ml": "hold"})
    bot.observe(pair(NOW_MS))
    (found,) = bot.find_opportunities(USDC)
    assert time.monotonic() - started < 1.0
    assert found.why.startswith("not_ready: ")
    assert not found.execute
    gate.set()
    wait_until(lambda: bot.get_stats()["desk"]["ready"])
    assert bot.find_opportunities(USDC)[0].by_model


def test_ml_is_switched_from_another_thread_while_the_bot_goes_on(make: Make) -> None:
    advisor, stop = FakeAdvisor(), threading.Event()
    bot = make(advisor, {"max_wait_ms": 5000})
    failed: list[Exception] = []

    def switch() -> None:
        try:
            while not stop.is_set():
                bot.disable_ml()
                bot.enable_ml()
                time.sleep(0.003)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=switch)
    thread.start()
    moments, judged, deadline = 0, 0, time.monotonic() + 20
    while (moments < 300 or judged < 20) and time.monotonic() < deadline:
        bot.observe(pair(NOW_MS + moments))
        moments += 1
        (found,) = bot.find_opportunities(USDC)
        judged += found.by_model
        if found.by_model:
            assert dict(advisor.asked)[found.request_id] == 2 * moments, "never from a stale state"
    stop.set()
    thread.join()
    bot.enable_ml()
    wait_until(lambda: len(advisor.seen) == 2 * moments)
    assert failed == []
    assert advisor.seen == [one for i in range(moments) for one in pair(NOW_MS + i)], "each tick once, in order"
    assert judged >= 20
    assert advisor.initialized == 1


def test_after_closing_it_still_finds(make: Make) -> None:
    advisor = FakeAdvisor()
    bot = make(advisor, {"max_wait_ms": 1000})
    bot.record_outcome(outcome("r9"))
    bot.close()
    bot.close()
    assert [one.request_id for one in advisor.outcomes] == ["r9"], "nothing is left behind"
    bot.observe(pair(NOW_MS))
    assert bot.find_opportunities(USDC)[0].prediction is None
    bot.record_outcome(outcome("r10"))
    bot.enable_ml(advisor)
    wait_until(lambda: bot.get_stats()["desk"]["ready"])
    assert bot.find_opportunities(USDC)[0].by_model


def test_stats_tell_the_whole_story(make: Make) -> None:
    class Rude(FakeAdvisor):
        def get_stats(self) -> Any:
            raise OSError("gone")

    bot = make(Rude())
    bot.observe(pair(NOW_MS))
    bot.find_opportunities(USDC)
    bot.record_outcome(outcome("r1"))
    stats = bot.get_stats()
    assert stats["ml_enabled"]
    assert stats["pools"] == 2
    assert (stats["found"], stats["pays"], stats["asked"], stats["to_send"]) == (1, 1, 1, 1)
    assert stats["outcomes"] == {"success": 1, "failed": 0, "reverted": 0}
    assert stats["waited_ms"]["p50"] >= 0
    assert stats["advisor"]["problems"] == ["advisor_failed: OSError: gone"]


@pytest.mark.parametrize("max_wait_ms", [0, 5000])
def test_with_real_models_in_process(make: Make, kit: Kit, max_wait_ms: int) -> None:
    with MLOrchestrator(kit.bundle(ticks=market()[:2]), CONFIG, kit.root / "home", kit.clock) as advisor:
        bot = make(advisor, {"max_wait_ms": max_wait_ms, "without_ml": "hold"})
        bot.observe(market())
        wait_until(lambda: bot.get_stats()["desk"]["ready"])
        (found,) = bot.find_opportunities(USDC)
        assert found.execute, found.why
        bot.disable_ml()
        kit.clock.advance(120_000)
        bot.observe(pair(NOW_MS + 119_000, 2001.0, 2012.0))
        bot.enable_ml()
        wait_until(lambda: bot.get_stats()["desk"]["ready"])
        (found,) = bot.find_opportunities(USDC)
        assert found.by_model
        assert not found.why.startswith("market_stale"), "not judged on what was there before it was switched off"
        bot.record_outcome(outcome(found.request_id))
        bot.close()
        assert advisor.get_stats()["outcomes"] == {"success": 1}


def triangle(now_ms: int, shift: float = 1.0) -> list[Tick]:
    """WETH is cheap on "a" for USDC; dear on "b" for DAI; DAI and USDC are the same on "c"."""
    deep: dict[str, Any] = {"fee_bps": 5.0, "gas_price_gwei": 1.0}
    return [
        Tick(now_ms, "a", "WETH/USDC", 2000.0, now_ms, reserve_base=5e3, reserve_quote=1e7, **deep),
        Tick(now_ms, "b", "WETH/DAI", 2020.0 * shift, now_ms, reserve_base=5e3, reserve_quote=1e7 * 1.01 * shift, **deep),
        Tick(now_ms, "c", "DAI/USDC", 1.0, now_ms, reserve_base=1e8, reserve_quote=1e8, **deep),
    ]


def test_cycles_of_the_real_finder_over_three_pairs(make: Make) -> None:
    advisor = FakeAdvisor()
    bot = make(advisor, finder=None)
    bot.observe([*triangle(NOW_MS), Tick(NOW_MS, "x", "USDC/USDC", 1.0, NOW_MS)])
    found = bot.find_opportunities(["USDC"])
    assert [one.opportunity.route.name for one in found] == ["buy:a WETH/USDC>sell:b WETH/DAI>sell:c DAI/USDC"]
    assert found[0].execute
    assert "not BASE/QUOTE" in bot.get_stats()["last_tick_refused"]
    bot.observe(triangle(NOW_MS + 1, shift=0.99))
    assert bot.find_opportunities(["USDC"]) == []


def test_profits_in_several_tokens_are_ranked_by_what_they_are_worth(make: Make) -> None:
    bot = make(finder=None)
    bot.observe(triangle(NOW_MS))
    found = bot.find_opportunities(["WETH", "USDC", "DAI"])
    assert {one.opportunity.token for one in found} == {"WETH", "USDC", "DAI"}
    worth = [one.value * {"WETH": 2000.0, "USDC": 1.0, "DAI": 1.0}[one.opportunity.token] for one in found]
    assert worth == sorted(worth, reverse=True)
