"""Both clients keep the same promises: one suite, run over each, against servers on real sockets."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from arbml.bot.advisor import Advisor, is_absent
from arbml.bot.client import ServiceClient
from arbml.errors import InvalidRequest, RequestConflict
from arbml.market import Prediction, Recommendation, Tick, Variant
from tests.bot.net import (
    AnyClient,
    BlockingAsyncClient,
    Server,
    config,
    cut,
    drip,
    execution,
    free_port,
    good,
    half,
    hang_up,
    http,
    once_per_connection,
    opportunity,
    says,
    silence,
    told,
)
from tests.serving.kit import NOW_MS, tick

Make = Callable[..., AnyClient]
SLACK_S = 1.5  # a busy machine stalls threads; what is tested would otherwise hang for good, or for 2 s


@pytest.fixture(params=["blocking", "async"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Return a maker of clients of one kind, initialized."""
    made: list[AnyClient] = []

    def one(url: str, initialize: bool = True, strict: bool = False, **changes: Any) -> AnyClient:
        kind: Any = ServiceClient if request.param == "blocking" else BlockingAsyncClient
        client: AnyClient = kind(config(url, **changes), strict=strict)
        made.append(client)
        if initialize:
            client.initialize()
        return client

    yield one
    for client in made:
        client.close()
        if isinstance(client, BlockingAsyncClient):
            client.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(good)
    yield made
    made.close()


def ticks(n: int, start: int = 0) -> list[Tick]:
    return [tick(NOW_MS + start + i, "cheap", 2000.0 + start + i) for i in range(n)]


def ask(client: AnyClient, n: int = 0) -> Prediction:
    return client.enhance_opportunities([opportunity(n)], [f"r{n}"])[0]


def _json(value: Any) -> bytes:
    return orjson.dumps(value)


def told_ticks(body: bytes) -> list[Any]:
    found: list[Any] = orjson.loads(body)["ticks"]
    return found


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start_s = time.perf_counter()
    return call(), time.perf_counter() - start_s


def test_an_answer_is_told_as_it_is(make: Make, server: Server) -> None:
    found = ask(make(server.url))
    assert (found.request_id, found.recommendation, found.variant) == ("r0", Recommendation.EXECUTE, Variant.CHAMPION)
    assert (found.features, found.price_forecasts[0].upper, found.volatility_forecast[0].volatility) == ({}, 3.0, 0.1)
    assert found.reasons == ("profitable: so it is",)
    path, sent = server.seen[-1]
    assert (path, sent["legs"][0]) == ("/predict", {"venue": "cheap", "side": "buy", "pair": "WETH/USDC"})


def test_it_is_an_advisor_and_decides_as_the_bot_does(make: Make, server: Server) -> None:
    client = make(server.url)
    assert isinstance(client, Advisor)
    enhanced = client.enhance_opportunity(opportunity())
    assert (enhanced.execute, enhanced.value) == (True, 7.5)
    assert client.enhance_opportunity(opportunity(), "mine").request_id == "mine"
    assert server.seen[-2][1]["request_id"] == enhanced.request_id


def test_one_connection_for_everything(make: Make, server: Server) -> None:
    client = make(server.url)
    for n in range(20):
        client.observe(ticks(3, 10 * n))
        ask(client, n)
        client.record_outcome(execution(f"r{n}"))
    assert server.connections == 1


def test_many_go_in_requests_of_a_hundred_in_order(make: Make, server: Server) -> None:
    found = make(server.url).enhance_opportunities([opportunity(n) for n in range(230)], [f"r{n}" for n in range(230)])
    assert [one.request_id for one in found] == [f"r{n}" for n in range(230)]
    sizes = [len(body["opportunities"]) for path, body in server.seen if path == "/predict_many"]
    assert sizes == [100, 100, 30]


def test_as_many_ids_as_opportunities_and_nothing_asks_nobody(make: Make, server: Server) -> None:
    client = make(server.url)
    with pytest.raises(ValueError, match="zip"):
        client.enhance_opportunities([opportunity()], [])
    assert client.enhance_opportunities([], []) == []
    assert "/predict" not in server.paths()


FAULTS: list[tuple[str, Any, str]] = [
    ("silence", silence, "service_late: no answer within the time-out"),
    ("drip", drip, "service_late: no answer within the time-out"),
    ("hang up", hang_up, "service_gone: the connection to"),
    ("half an answer", half, "service_gone: the connection to"),
    ("500", says(500, {"error": {"code": "internal_error", "field": "", "message": "m", "mend": ""}}), "service_gone: it answered 500"),
    ("503", says(503, {"error": {"code": "not_ready", "field": "", "message": "warming up", "mend": ""}}), "service_gone: it answered 503"),
    ("502 of a proxy", says(502, b"<html>Bad Gateway</html>"), "service_gone: it answered 502, no JSON"),
    ("garbage", says(200, b"\xff\x00{"), "misread: it answered 200, no JSON"),
    ("NaN", says(200, b'{"success_probability": NaN}'), "misread: it answered 200, no JSON"),
    ("another schema", says(200, {"hello": "world"}), "misread: no such answer is known"),
    ("a list", says(200, []), "misread: no such answer is known"),
    ("somebody else's 404", says(404, {"detail": "Not Found"}), "misread: it answered 404"),
    ("no HTTP", lambda connection, *_: connection.sendall(b"SSH-2.0-OpenSSH_9.0\r\n\r\n"), "service_gone: the connection to"),
    ("a redirect", says(302, {}), "misread: it answered 302"),
]


@pytest.mark.parametrize(("answer", "reason"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
@pytest.mark.parametrize("many", [1, 3])
def test_whatever_the_service_does_the_bot_gets_a_labelled_answer_in_time(
    make: Make, server: Server, answer: Any, reason: str, many: int
) -> None:
    client = make(server.url)
    server.answer = answer
    asked = [opportunity(n) for n in range(many)]
    found, took_s = timed(lambda: client.enhance_opportunities(asked, [f"r{n}" for n in range(many)]))
    assert took_s < 0.25 + SLACK_S
    for n, one in enumerate(found):
        assert is_absent(one)
        assert one.reasons[0].startswith(reason), one.reasons
        assert (one.request_id, one.variant, one.recommendation) == (f"r{n}", Variant.BASELINE, Recommendation.SKIP)
        assert (one.success_probability, one.expected_profit) == (0.0, -asked[n].revert_cost)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"request_id": "another"}, "request_id"), ({"pair": "A/B"}, "pair"), ({"profit_token": "DAI"}, "profit_token"),
        ({"success_probability": 1.5}, "probability"), ({"success_probability": "0.9"}, "success_probability"),
        ({"success_probability": True}, "success_probability"), ({"expected_profit": None}, "expected_profit"),
        ({"recommendation": "SEND"}, "SEND"), ({"variant": "oracle"}, "oracle"), ({"variant": "baseline"}, "EXECUTE of a baseline"),
        ({"expected_profit": -1.0}, "expected loss"), ({"reasons": [1]}, "reasons"), ({"model_versions": []}, "model_versions"),
        ({"price_forecasts": [{"horizon_s": 5}]}, "log_return"), ({"latency_ms": "fast"}, "latency_ms"), ({"cached": "no"}, "cached"),
        ({"volatility_forecast": None}, "TypeError"),
    ],
)  # fmt: skip
def test_an_answer_is_believed_only_if_it_is_one(make: Make, server: Server, changes: dict[str, Any], what: str) -> None:
    client = make(server.url)
    server.answer = lambda connection, path, body: connection.sendall(http(200, _json({**told(path, body), **changes})))
    found = ask(client)
    assert found.reasons[0].startswith("misread: "), found
    assert what in found.reasons[0]


def test_fields_of_a_newer_service_are_passed_over(make: Make, server: Server) -> None:
    def newer(connection: Any, path: str, body: bytes) -> None:
        answer = told(path, body)
        answer["mood"] = "good"
        for one in answer.get("price_forecasts", []):
            one["model"] = "x"
        connection.sendall(http(200, _json(answer)))

    server.answer = newer
    assert ask(make(server.url)).recommendation is Recommendation.EXECUTE


def test_nobody_there_is_said_at_once(make: Make) -> None:
    client = make(f"http://127.0.0.1:{free_port()}")
    found, took_s = timed(lambda: ask(client))
    assert found.reasons[0].startswith("service_gone: no connection to http://127.0.0.1")
    assert took_s < SLACK_S
    assert not client.get_stats()["ready"]


def test_an_address_that_swallows_everything_costs_the_connect_time_out_only(make: Make) -> None:
    """A listener whose queue is full answers no SYN: as a firewall that drops."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        queued = [socket.socket() for _ in range(4)]
        for one in queued:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        client = make(f"http://127.0.0.1:{full.getsockname()[1]}", initialize=False, connect_timeout_ms=50, timeout_ms=2000)
        client.initialize()
        found, took_s = timed(lambda: ask(client))
        for one in queued:
            one.close()
    assert found.reasons[0].startswith("service_gone: no connection to")
    assert took_s < 0.05 + SLACK_S


def test_after_failures_in_a_row_it_is_left_alone_and_costs_nothing(make: Make, server: Server) -> None:
    client = make(server.url, breaker_pause_ms=60_000)
    server.answer = silence
    for n in range(3):
        ask(client, n)
    asked = len(server.seen)
    found, took_s = timed(lambda: [ask(client, n) for n in range(100)])
    assert {one.reasons[0].partition(":")[0] for one in found} == {"left_alone"}
    assert "since service_late: no answer within the time-out" in found[0].reasons[0]
    assert took_s / 100 < 0.002, "well under a millisecond each; the asynchronous one hops between threads here"
    client.observe(ticks(10))
    client.record_outcome(execution())
    assert len(server.seen) == asked, "nobody is asked"
    stats = client.get_stats()
    assert (stats["breaker"]["state"], stats["absent"]["left_alone"], stats["ready"]) == ("open", 100, False)
    assert stats["problems"][0].startswith("service_late")


def test_back_again_it_is_found_by_one_probe(make: Make, server: Server) -> None:
    client = make(server.url, breaker_pause_ms=100)
    server.answer = hang_up
    for n in range(3):
        ask(client, n)
    assert ask(client).reasons[0].startswith("left_alone")
    server.answer = good
    time.sleep(0.11)
    assert ask(client).recommendation is Recommendation.EXECUTE
    assert client.get_stats()["breaker"] == {"state": "closed", "opened": 1, "wait_ms": 0.0}


def test_a_connection_closed_between_requests_is_no_failure(make: Make, server: Server) -> None:
    client = make(server.url)
    server.answer = once_per_connection
    for n in range(30):
        assert ask(client, n).recommendation is Recommendation.EXECUTE
    assert client.get_stats()["breaker"]["opened"] == 0


def test_a_broken_connection_is_tried_again_with_the_same_bytes(make: Make, server: Server) -> None:
    client = make(server.url)
    breaks = [True]

    def breaking(connection: Any, path: str, body: bytes) -> None:
        if path == "/outcome" and breaks:
            breaks.pop()
            cut(connection)
        else:
            good(connection, path, body)

    server.answer = breaking
    client.record_outcome(execution())
    sent = [body for path, body in server.seen if path == "/outcome"]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    stats = client.get_stats()
    assert (stats["retries"], stats["outcomes"]["sent"], stats["outcomes"]["waiting"]) == (1, 1, 0)


def test_no_further_tries_than_set(make: Make, server: Server) -> None:
    client = make(server.url, retries=0)
    server.answer = hang_up
    ask(client)
    assert server.paths().count("/predict") == 1


def test_tries_and_chunks_share_one_deadline(make: Make, server: Server) -> None:
    """Each answer takes most of the time-out: the second request of the call has what is left."""
    client = make(server.url, timeout_ms=300)

    def slow(connection: Any, path: str, body: bytes) -> None:
        time.sleep(0.2)
        good(connection, path, body)

    server.answer = slow
    found, took_s = timed(lambda: client.enhance_opportunities([opportunity(n) for n in range(150)], [f"r{n}" for n in range(150)]))
    assert took_s < 0.3 + SLACK_S
    assert found[0].recommendation is Recommendation.EXECUTE
    assert found[149].reasons[0].startswith("service_late")


def test_the_market_comes_first_and_an_old_one_is_not_asked_about(make: Make, server: Server) -> None:
    client = make(server.url)

    def deaf(connection: Any, path: str, body: bytes) -> None:
        (silence if path == "/observe" else good)(connection, path, body)

    server.answer = deaf
    client.observe(ticks(5))
    found = ask(client)
    assert found.reasons[0].startswith("service_late"), "an answer on the market of before would look as good as any"
    assert "/predict" not in server.paths()
    server.answer = good
    assert ask(client).recommendation is Recommendation.EXECUTE
    assert server.paths()[-2:] == ["/observe", "/predict"]


def test_ticks_go_in_order_in_requests_of_at_most_a_thousand(make: Make, server: Server) -> None:
    client = make(server.url, timeout_ms=5000)
    client.observe(ticks(6000))
    sent = [body["ticks"] for path, body in server.seen if path == "/observe"]
    assert [one["ts_ms"] for chunk in sent for one in chunk] == [NOW_MS + i for i in range(6000)]
    assert max(len(chunk) for chunk in sent) == 1000
    assert sent[0][0] == {
        "ts_ms": NOW_MS, "venue": "cheap", "pair": "WETH/USDC", "price": 2000.0, "ts_known_ms": NOW_MS, "fee_bps": 5.0, "volume": 100.0,
        "gas_price_gwei": 1.0, "reserve_quote": 1e7, "reserve_base": 1e7 / 2000.0, "log_index": 0,
    }  # fmt: skip


def test_while_it_is_gone_ticks_are_kept_up_to_a_bound_and_sent_when_it_is_back(make: Make) -> None:
    port = free_port()
    client = make(f"http://127.0.0.1:{port}", tick_buffer=1000, breaker_pause_ms=50)
    for n in range(30):
        client.observe(ticks(100, 100 * n))
    stats = client.get_stats()["ticks"]
    assert (stats["waiting"], stats["lost"]) == (1000, 2000)
    server = Server(good, port)
    time.sleep(0.06)
    client.observe(ticks(1, 3000))
    sent = [one["ts_ms"] - NOW_MS for path, body in server.seen if path == "/observe" for one in body["ticks"]]
    server.close()
    assert sent == list(range(2001, 3001)), "the newest thousand, in order"
    assert client.get_stats()["ticks"]["waiting"] == 0


def test_a_service_too_slow_for_large_requests_gets_smaller_ones(make: Make, server: Server) -> None:
    client = make(server.url, breaker_failures=100)
    wall: list[int] = []

    def slow(connection: Any, path: str, body: bytes) -> None:
        n = len(told_ticks(body)) if path == "/observe" else 0
        wall.append(n)
        time.sleep(n * 0.002)
        good(connection, path, body)

    server.answer = slow
    client.observe(ticks(300))
    for _ in range(20):
        client.observe([])
    stats = client.get_stats()["ticks"]
    assert stats["waiting"] == 0
    assert stats["sent"] == 300


def test_ticks_that_cannot_be_are_left_out_and_counted(make: Make, server: Server) -> None:
    client = make(server.url)
    bad = [tick(NOW_MS, "a|b", 1.0), tick(NOW_MS, "cheap", float("nan")), tick(NOW_MS // 1000, "cheap", 1.0)]
    client.observe([*bad, *ticks(2)])
    stats = client.get_stats()["ticks"]
    assert (stats["refused"], stats["sent"], len(server.seen[-1][1]["ticks"])) == (3, 2, 2)
    assert client.get_stats()["last_refusal"]


def test_a_tick_that_only_the_service_refuses_does_not_hold_up_the_others(make: Make, server: Server) -> None:
    client = make(server.url)

    def picky(connection: Any, path: str, body: bytes) -> None:
        for i, one in enumerate(told_ticks(body)):
            if one["ts_ms"] == NOW_MS + 3:
                refusal = {"error": {"code": "invalid_request", "field": f"ticks[{i}].ts_ms", "message": "no", "mend": "yes"}}
                return connection.sendall(http(422, _json(refusal)))
        return good(connection, path, body)

    server.answer = picky
    client.observe(ticks(6))
    assert [one["ts_ms"] - NOW_MS for one in server.seen[-1][1]["ticks"]] == [0, 1, 2, 4, 5]
    stats = client.get_stats()["ticks"]
    assert (stats["waiting"], stats["sent"], stats["refused"]) == (0, 5, 1)


@pytest.mark.parametrize("status", [422, 500])
def test_ticks_that_are_refused_or_break_the_service_each_time_are_given_up(make: Make, server: Server, status: int) -> None:
    client = make(server.url, breaker_failures=100)
    server.answer = says(status, {"error": {"code": "x", "field": "ticks", "message": "no", "mend": ""}})
    client.observe(ticks(5))
    for _ in range(3):
        client.observe([])
    server.answer = good
    client.observe(ticks(2, 100))
    stats = client.get_stats()["ticks"]
    assert (stats["waiting"], stats["sent"], stats["lost"] + stats.get("refused", 0)) == (0, 2, 5)


def test_a_request_that_is_too_large_is_made_smaller(make: Make, server: Server) -> None:
    client = make(server.url, timeout_ms=2000)

    def small_doors(connection: Any, path: str, body: bytes) -> None:
        error = {"error": {"code": "too_large", "field": "", "message": "too long", "mend": ""}}
        connection.sendall(http(413, _json(error))) if len(body) > 20_000 else good(connection, path, body)

    server.answer = small_doors
    client.observe(ticks(500))
    assert client.get_stats()["ticks"] == {"waiting": 0, "lost": 0, "sent": 500, "accepted": 500, "late": 0, "refused": 0}


def test_outcomes_wait_in_order_and_none_is_lost(make: Make) -> None:
    port = free_port()
    client = make(f"http://127.0.0.1:{port}", breaker_pause_ms=50)
    for n in range(20):
        client.record_outcome(execution(f"r{n}"))
    assert client.get_stats()["outcomes"]["waiting"] == 20
    server = Server(good, port)
    time.sleep(0.06)
    client.record_outcome(execution("r20"))
    sent = [body["request_id"] for path, body in server.seen if path == "/outcome"]
    server.close()
    assert sent == [f"r{n}" for n in range(21)]
    stats = client.get_stats()["outcomes"]
    assert (stats["waiting"], stats["sent"], stats["joined"], stats["lost"]) == (0, 21, 21, 0)


def test_outcomes_that_wait_go_along_with_the_next_ticks(make: Make, server: Server) -> None:
    client = make(server.url)
    server.answer = hang_up
    client.record_outcome(execution())
    server.answer = good
    client.observe(ticks(1))
    assert server.paths()[-2:] == ["/observe", "/outcome"]


def test_a_full_disk_of_the_service_keeps_outcomes_waiting_and_opens_nothing(make: Make, server: Server) -> None:
    client = make(server.url)
    error = {"error": {"code": "store_unavailable", "field": "", "message": "disk full", "mend": ""}}
    server.answer = lambda connection, path, body: (says(503, error) if path == "/outcome" else good)(connection, path, body)
    for n in range(5):
        client.record_outcome(execution(f"r{n}"))
    assert ask(client).recommendation is Recommendation.EXECUTE, "predictions go on"
    stats = client.get_stats()
    assert (stats["breaker"]["opened"], stats["outcomes"]["waiting"]) == (0, 5)
    server.answer = good
    client.observe(ticks(1))
    assert client.get_stats()["outcomes"]["waiting"] == 0


def test_duplicates_and_conflicts_are_told_by_their_meaning(make: Make, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    client = make(server.url)
    server.answer = lambda connection, path, body: connection.sendall(http(200, _json({**told(path, body), "duplicate": True})))
    client.record_outcome(execution("again"))
    conflict = {"error": {"code": "conflict", "field": "request_id", "message": "already settled as failed", "mend": "check"}}
    server.answer = says(409, conflict)
    with caplog.at_level(logging.WARNING):
        client.record_outcome(execution("other"))
    stats = client.get_stats()["outcomes"]
    assert (stats["waiting"], stats["sent"], stats["duplicate"], stats["conflicting"]) == (0, 1, 1, 1)
    assert "already settled as failed" in caplog.text


def test_an_outcome_that_breaks_the_service_does_not_hold_up_the_others(make: Make, server: Server) -> None:
    client = make(server.url, breaker_failures=100)
    failing = says(500, {"error": {"code": "internal_error", "field": "", "message": "m", "mend": ""}})
    server.answer = lambda connection, path, body: (failing if b"poison" in body else good)(connection, path, body)
    client.record_outcome(execution("poison"))
    for n in range(4):
        client.record_outcome(execution(f"r{n}"))
    stats = client.get_stats()["outcomes"]
    assert (stats["waiting"], stats["sent"], stats["lost"]) == (0, 4, 1)


def test_the_buffer_of_outcomes_is_bounded(make: Make) -> None:
    client = make(f"http://127.0.0.1:{free_port()}", outcome_buffer=5, drain_ms=10)
    for n in range(8):
        client.record_outcome(execution(f"r{n}"))
    stats = client.get_stats()["outcomes"]
    assert (stats["waiting"], stats["lost"]) == (5, 3)


def test_closing_sends_what_is_left_even_if_the_breaker_is_open(make: Make, server: Server) -> None:
    client = make(server.url, breaker_pause_ms=60_000)
    server.answer = hang_up
    for n in range(5):
        client.record_outcome(execution(f"r{n}"))
    server.answer = good
    client.close()
    assert [body["request_id"] for path, body in server.seen if path == "/outcome"][-5:] == [f"r{n}" for n in range(5)]
    found = ask(client)
    assert found.reasons == ("not_ready: closed",)
    client.observe(ticks(1))
    client.record_outcome(execution())
    client.initialize()
    client.close()
    assert ask(client).reasons == ("not_ready: closed",)


def test_closing_takes_no_longer_than_set_and_says_what_is_lost(make: Make, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    client = make(server.url, drain_ms=200)
    server.answer = silence
    client.record_outcome(execution())
    with caplog.at_level(logging.ERROR):
        _, took_s = timed(client.close)
    assert took_s < 0.2 + SLACK_S
    assert "1 outcomes could not be sent" in caplog.text


def test_without_initialize_nobody_is_asked(make: Make, server: Server) -> None:
    client = make(server.url, initialize=False)
    client.observe(ticks(3))
    assert ask(client).reasons == ("not_ready: not initialized yet",)
    client.record_outcome(execution())
    assert server.seen == []
    client.initialize()
    ask(client)
    assert server.paths() == ["/health", "/models", "/observe", "/predict"]


REFUSAL = {"error": {"code": "invalid_request", "field": "legs[0].venue", "message": "no such venue", "mend": "name another"}}


def test_a_refusal_is_an_absent_answer_that_names_field_and_mend(make: Make, server: Server) -> None:
    client = make(server.url)
    server.answer = says(422, REFUSAL)
    found = ask(client)
    assert found.reasons == ("refused: legs[0].venue: no such venue; name another",)
    for n in range(5):
        ask(client, n)
    assert client.get_stats()["breaker"]["opened"] == 0, "the service is well"


def test_one_wrong_question_of_many_does_not_blind_the_others(make: Make, server: Server) -> None:
    client = make(server.url)

    def picky(connection: Any, path: str, body: bytes) -> None:
        asked = orjson.loads(body)
        for i, one in enumerate(asked.get("opportunities", [])):
            if one["request_id"] in ("r1", "r3"):
                where = f"opportunities[{i}].legs[0].price"
                error = {"code": "invalid_request", "field": where, "message": "none observed", "mend": "observe"}
                return connection.sendall(http(422, _json({"error": error})))
        return good(connection, path, body)

    server.answer = picky
    found = client.enhance_opportunities([opportunity(n) for n in range(5)], [f"r{n}" for n in range(5)])
    assert [one.recommendation.value for one in found] == ["EXECUTE", "SKIP", "EXECUTE", "SKIP", "EXECUTE"]
    assert [one.request_id for one in found] == [f"r{n}" for n in range(5)]
    assert found[1].reasons[0].startswith("refused: ")
    assert "none observed; observe" in found[3].reasons[0]


def test_what_cannot_be_asked_at_all_is_refused_without_the_service(make: Make, server: Server) -> None:
    found = make(server.url).enhance_opportunities([opportunity(), opportunity(1)], ["good", "bad id!"])
    assert (found[0].recommendation, found[1].reasons[0].startswith("refused: request_id")) == (Recommendation.EXECUTE, True)


def test_a_strict_client_raises_refusals_with_field_and_mend_and_nothing_else(make: Make, server: Server) -> None:
    client = make(server.url, strict=True)
    server.answer = says(422, REFUSAL)
    with pytest.raises(InvalidRequest) as refused:
        ask(client)
    assert (refused.value.field, refused.value.mend) == ("legs[0].venue", "name another")
    server.answer = says(409, {"error": {"code": "conflict", "field": "request_id", "message": "used", "mend": "another"}})
    with pytest.raises(RequestConflict):
        client.record_outcome(execution())
    with pytest.raises(InvalidRequest):
        client.record_outcome(execution(profit=float("nan")))
    server.answer = good
    with pytest.raises(InvalidRequest, match="cheap WETH/USDC"):
        client.observe([tick(NOW_MS, "cheap", -1.0), *ticks(1)])
    assert len(server.seen[-1][1]["ticks"]) == 1, "the sound ones went out"
    server.answer = hang_up
    assert is_absent(ask(client))


def test_what_cannot_be_an_outcome_is_counted_and_the_bot_goes_on(make: Make, server: Server) -> None:
    client = make(server.url)
    client.record_outcome(execution(profit=float("nan")))
    client.record_outcome(execution())
    stats = client.get_stats()["outcomes"]
    assert (stats["refused"], stats["sent"]) == (1, 1)


def test_an_endless_answer_is_cut_off(make: Make, server: Server) -> None:
    def endless(connection: Any, path: str, body: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            connection.sendall(b" " * 1_000_000)

    client = make(server.url, timeout_ms=1000)
    server.answer = endless
    found, took_s = timed(lambda: ask(client))
    assert is_absent(found)
    assert took_s < 1.0 + SLACK_S


def test_what_time_outs_leave_behind_is_bounded(make: Make, server: Server) -> None:
    """A connection that timed out is closed, not kept: forty of them do not use up the pool."""
    client = make(server.url, timeout_ms=40, breaker_failures=1000)
    server.answer = silence
    for n in range(40):
        ask(client, n)
    server.answer = good
    client_ok = [ask(client, n).recommendation for n in range(20)]
    assert client_ok.count(Recommendation.EXECUTE) >= 5, "with a pool used up there would be none; a busy machine may be late for some"


def test_stats_say_what_happened(make: Make, server: Server) -> None:
    client = make(server.url)
    client.observe(ticks(3))
    ask(client)
    stats = client.get_stats()
    assert stats["ready"]
    assert stats["problems"] == []
    assert (stats["predictions"], stats["variants"], stats["recommendations"]) == (1, {"champion": 1}, {"EXECUTE": 1})
    assert 0 < stats["latency_ms"]["p50"] < 250
    assert client.service_stats()["path"] == "/stats"
    assert ("ready" in stats, "problems" in stats) == (True, True)


def test_threads_share_a_blocking_client(server: Server) -> None:
    client = ServiceClient(config(server.url, timeout_ms=5000))
    client.initialize()
    failures: list[str] = []

    def work(who: int) -> None:
        for n in range(25):
            client.observe(ticks(4, 1000 * who + 10 * n))
            found = client.enhance_opportunities([opportunity(n)], [f"w{who}-{n}"])[0]
            if found.request_id != f"w{who}-{n}" or is_absent(found):
                failures.append(str(found.reasons))
            client.record_outcome(execution(f"w{who}-{n}"))

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert failures == []
    settled = [body["request_id"] for path, body in server.seen if path == "/outcome"]
    assert sorted(settled) == sorted(f"w{who}-{n}" for who in range(8) for n in range(25))
    assert sum(len(body["ticks"]) for path, body in server.seen if path == "/observe") == 800
