"""Both clients against the real service on a real socket: the same answers as in process, and as before after a restart."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arbml.bot.advisor import is_absent
from arbml.bot.client import ServiceClient
from arbml.bot.orchestrator import ArbitrageOrchestrator
from arbml.bot.requests import to_request
from arbml.config import BotConfig, CostsConfig
from arbml.features.spec import SCORER_FEATURE_NAMES
from arbml.market import Execution, Opportunity, PoolBook, Recommendation, Result, Tick, find_opportunities
from arbml.market.routes import Hop, price_route
from bentos.door import Door
from tests.bot.net import AnyClient, BlockingAsyncClient, config, free_port, serving
from tests.serving.kit import CONFIG, NOW_MS, PAIR, Kit, Trained, lines, market, tick

Make = Callable[..., AnyClient]


@pytest.fixture(params=["blocking", "async"])
def make(request: pytest.FixtureRequest, kit: Kit) -> Iterator[Make]:
    """Return a maker of initialized clients on the kit's clock."""
    made: list[AnyClient] = []

    def one(url: str, **changes: Any) -> AnyClient:
        kind: Any = ServiceClient if request.param == "blocking" else BlockingAsyncClient
        client: AnyClient = kind(config(url, **{"timeout_ms": 5000, **changes}), clock=kit.clock)
        made.append(client)
        client.initialize()
        return client

    yield one
    for client in made:
        client.close()
        if isinstance(client, BlockingAsyncClient):
            client.stop()


@pytest.fixture
def served(kit: Kit) -> Iterator[str]:
    door = Door()
    door.open(kit.predictor(), kit.journals[0])
    with serving(door) as url:
        yield url


def found(ticks: list[Tick], **changes: Any) -> Opportunity:
    book = PoolBook()
    for one in ticks:
        book.update(one)
    return replace(find_opportunities(book.pools(PAIR, 0), CONFIG.costs, NOW_MS)[0], **changes)


def test_over_http_it_says_what_it_says_in_process(make: Make, kit: Kit, served: str, tmp_path: Path, trained: Trained) -> None:
    other = Kit(tmp_path / "other", trained, clock=kit.clock)
    inside = other.predictor(kit.bundle())
    client = make(served)
    last = market()[-2:]
    fresh = [replace(one, ts_ms=NOW_MS + 1, ts_known_ms=NOW_MS + 1) for one in last]
    kit.clock.advance(1)
    client.observe(fresh)
    inside.observe(fresh)
    asked = [replace(found(fresh), amount_in=1000.0 + n, ts_ms=NOW_MS + 1) for n in range(5)]
    told = client.enhance_opportunities(asked, [f"r{n}" for n in range(5)])
    for n, one in enumerate(told):
        mine = inside.predict(to_request(asked[n], f"r{n}")).prediction
        assert one == replace(mine, features={}, latency_ms=one.latency_ms)
    assert told[0].recommendation is Recommendation.EXECUTE
    other.restart()


def test_asked_twice_it_answers_once_and_outcomes_join(make: Make, kit: Kit, served: str) -> None:
    client = make(served)
    opportunity = found(market())
    first = client.enhance_opportunities([opportunity], ["r"])[0]
    assert client.enhance_opportunities([opportunity], ["r"])[0] == first
    done = Execution(NOW_MS, NOW_MS + 5, "r", Result.SUCCESS, route=opportunity.route.name, profit=1.5, profit_token="USDC")
    for _ in range(3):
        client.record_outcome(done)
    stats = client.get_stats()["outcomes"]
    assert (stats["sent"], stats["joined"], stats["duplicate"], stats["waiting"]) == (3, 3, 2, 0)
    client.record_outcome(replace(done, result=Result.FAILED))
    assert client.get_stats()["outcomes"]["conflicting"] == 1
    kinds = [line["kind"] for line in lines(kit.journals[0])]
    assert kinds == ["prediction", "outcome"], "each once, whatever was sent how often"


def test_what_the_service_says_of_itself(make: Make, served: str) -> None:
    client = make(served)
    client.enhance_opportunities([found(market())], ["r"])
    stats = client.get_stats()
    assert stats["ready"]
    assert {stats["models"][kind]["version"] for kind in ("scorer", "lstm", "volatility")} == {"7"}
    assert stats["service"]["health"]["status"] == "ok"
    assert client.service_stats()["predictions"] == 1


def test_a_cycle_over_three_pairs_goes_through(make: Make, kit: Kit, served: str) -> None:
    client = make(served)
    link = [replace(tick(NOW_MS, "dear", price), pair=pair) for pair, price in (("LINK/WETH", 0.005), ("LINK/USDC", 10.5))]
    client.observe(link)
    book = PoolBook()
    for one in [*market()[-2:], *link]:
        book.update(one)
    pools = {(pool.venue, pool.pair): pool for pair in book.pairs() for pool in book.pools(pair, 0)}
    hops = [Hop(pools["cheap", PAIR], "buy"), Hop(pools["dear", "LINK/WETH"], "buy"), Hop(pools["dear", "LINK/USDC"], "sell")]
    cycle = price_route(hops, 500.0, CostsConfig(), NOW_MS, native_price=2000.0)
    told = client.enhance_opportunities([cycle, found(market())], ["c", "p"])
    assert not is_absent(told[0]), told[0].reasons
    assert any(reason.startswith("input_out_of_range: 3 swaps") for reason in told[0].reasons)
    assert [one.recommendation is Recommendation.EXECUTE for one in told] == [False, True]


def test_one_opportunity_that_the_service_cannot_price_does_not_blind_the_others(make: Make, served: str) -> None:
    client = make(served)
    good = found(market())
    legs = tuple(replace(leg, venue="nowhere") if leg.side == "sell" else leg for leg in good.route.legs)
    bad = replace(good, route=replace(good.route, legs=legs))
    told = client.enhance_opportunities([good, bad, good], ["a", "b", "c"])
    assert [is_absent(one) for one in told] == [False, True, False]
    assert told[1].reasons[0].startswith("refused: opportunities[1].legs[1].price: no price given, and none observed")


def test_gone_for_a_while_then_back_nothing_is_missing(make: Make, kit: Kit) -> None:
    """Killed with ticks, a question and an outcome under way; the bot goes on; started anew, the service knows all that it would have."""
    bundle, port = kit.bundle(), free_port()
    steps = market(NOW_MS + 900_000, n=180)
    client = make(f"http://127.0.0.1:{port}", breaker_pause_ms=50, timeout_ms=3000)
    with ExitStack() as life:
        door = Door()
        door.open(kit.predictor(bundle), kit.journals[0])
        life.enter_context(serving(door, port))
        for one in steps[:200]:
            _show(client, kit, one)
        opportunity = found(steps[:200], ts_ms=kit.clock.now_ms())
        assert not is_absent(client.enhance_opportunities([opportunity], ["before"])[0])
    for one in steps[200:300]:
        _show(client, kit, one)
    assert is_absent(client.enhance_opportunities([opportunity], ["during"])[0])
    client.record_outcome(Execution(opportunity.ts_ms, kit.clock.now_ms(), "before", Result.REVERTED))
    kit.restart()
    with ExitStack() as life:
        door = Door()
        again = kit.predictor(bundle)
        door.open(again, kit.journals[0])
        life.enter_context(serving(door, port))
        time.sleep(0.06)
        for one in steps[300:]:
            _show(client, kit, one)
        last = found(steps, ts_ms=kit.clock.now_ms())
        told = client.enhance_opportunities([last], ["after"])[0]
        stats = client.get_stats()
    assert not is_absent(told), told.reasons
    assert (stats["ticks"]["waiting"], stats["ticks"]["lost"], stats["outcomes"]["waiting"]) == (0, 0, 0)
    assert stats["outcomes"]["joined"] == 1
    kit.restart()
    never_gone = kit.predictor(bundle)
    never_gone.observe(steps)
    mine = never_gone.predict(to_request(last, "other")).prediction
    assert (told.success_probability, told.expected_profit, told.reasons) == (mine.success_probability, mine.expected_profit, mine.reasons)
    assert (told.price_forecasts, told.volatility_forecast) == (mine.price_forecasts, mine.volatility_forecast)


def _show(client: AnyClient, kit: Kit, one: Tick) -> None:
    kit.clock.set(max(kit.clock.now_ms(), one.ts_known_ms))
    client.observe([one])


def test_restarted_between_two_requests_it_is_shown_again_what_it_forgot(make: Make, kit: Kit) -> None:
    """No request failed: only the instance tells. The features must be those of a service that was never restarted."""
    bundle, port = kit.bundle(), free_port()
    steps = market(NOW_MS + 900_000, n=180)
    client = make(f"http://127.0.0.1:{port}")
    for part in (steps[:-2], steps[-2:]):
        door = Door()
        predictor = kit.predictor(bundle)
        door.open(predictor, kit.journals[0])
        with serving(door, port):
            kit.clock.set(part[-1].ts_known_ms)
            client.observe(part)
        kit.restart()
    stats = client.get_stats()["ticks"]
    assert (stats["again"], stats["waiting"]) == (len(steps) - 2, 0)
    never_gone = kit.predictor(bundle)
    never_gone.observe(steps)
    for stream in (f"cheap|{PAIR}", f"dear|{PAIR}"):
        mine, theirs = never_gone._state.latest(stream), predictor._state.latest(stream)
        assert mine is not None
        assert theirs is not None
        assert mine.values.tobytes() == theirs.values.tobytes()
    assert len(SCORER_FEATURE_NAMES) > len(mine.values) > 20


def test_a_bot_that_asks_over_http_goes_on_at_its_pace_when_the_service_goes(kit: Kit) -> None:
    door = Door()
    door.open(kit.predictor(), kit.journals[0])
    with ExitStack() as life:
        client = ServiceClient(config(life.enter_context(serving(door)), timeout_ms=2000), clock=kit.clock)
        bot = ArbitrageOrchestrator(CONFIG.costs, BotConfig(without_ml="hold", max_wait_ms=0), kit.clock, client)
        bot.observe(market()[-2:])
        judged = bot.find_opportunities(["USDC"])[0]
        assert (judged.execute, judged.by_model, judged.why.partition(":")[0]) == (True, True, "profitable")
        bot.record_outcome(Execution(NOW_MS, NOW_MS, judged.request_id, Result.SUCCESS))
        assert client.get_stats()["outcomes"]["joined"] == 1
    for n in range(6):
        started_s = time.perf_counter()
        found = bot.find_opportunities(["USDC"])[0]
        assert time.perf_counter() - started_s < 0.2
        assert (found.execute, found.by_model) == (False, False)
        assert found.why.partition(":")[0] == ("service_gone" if n < 3 else "left_alone")
    bot.close()
    client.close()


def test_a_service_that_warms_up_is_waited_for(make: Make, kit: Kit) -> None:
    door = Door()
    with serving(door) as url:
        client = make(url, breaker_pause_ms=20)
        client.observe(market()[-2:])
        told = client.enhance_opportunities([found(market())], ["r"])[0]
        assert is_absent(told)
        assert "warming up" in client.get_stats()["problems"][0]
        door.open(kit.predictor(), kit.journals[0])
        time.sleep(0.03)
        assert client.enhance_opportunities([found(market())], ["r"])[0].recommendation is Recommendation.EXECUTE
