"""Every route, and everything that a hostile or sloppy client may send: always JSON, never a 500."""

import ast
import inspect
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import arbml.errors
from arbml.errors import ArbmlError, RequestError
from arbml.serving import answers
from bentos import http as bentos_http
from bentos.body import MAX_BODY_BYTES
from bentos.door import Door
from bentos.errors import TABLE, error_body, problem_of
from tests.bentos.conftest import Client
from tests.serving.kit import NOW_MS, PAIR, Kit, lines, opportunity

JSON = {"content-type": "application/json"}


def error(response: httpx.Response) -> dict[str, str]:
    body = answers.ErrorAnswer.model_validate(response.json())
    return body.error.model_dump()


def test_predict_answers_as_documented(client: Client) -> None:
    response = client.post("/predict", opportunity(request_id="r-1"))
    assert response.status_code == 200
    answer = answers.PredictionAnswer.model_validate(response.json())
    assert (answer.request_id, answer.recommendation, answer.variant) == ("r-1", "EXECUTE", "champion")


def test_every_route_answers_with_its_own_schema(client: Client) -> None:
    bodies: dict[str, Any] = {
        "/predict": opportunity(request_id="a"),
        "/predict_many": {"opportunities": [opportunity(), opportunity(amount_in=5.0)]},
        "/observe": {"ticks": [{"ts_ms": NOW_MS + 1, "venue": "cheap", "pair": PAIR, "price": 2000.0}]},
        "/outcome": {"request_id": "a", "result": "success"},
    }
    for endpoint in bentos_http.ROUTES:
        response = client.post(endpoint.path, bodies.get(endpoint.path))
        assert response.status_code == 200, response.text
        endpoint.gives.model_validate(response.json())


def test_a_whole_conversation(client: Client) -> None:
    ticks = [{"ts_ms": NOW_MS + 1, "venue": v, "pair": PAIR, "price": p, "fee_bps": 5.0} for v, p in (("cheap", 1990.0), ("dear", 2010.0))]
    assert client.post("/observe", {"ticks": ticks}).json()["accepted"] == 2
    first = client.post("/predict", opportunity(request_id="x")).json()
    assert client.post("/predict", opportunity(request_id="x")).json() == first
    failed = {"request_id": "x", "result": "failed"}
    assert client.post("/outcome", failed).json() == {"request_id": "x", "joined": True, "duplicate": False}
    assert client.post("/outcome", failed).json()["duplicate"]
    assert not client.post("/outcome", {"request_id": "unknown", "result": "failed"}).json()["joined"]
    assert client.post("/stats").json()["outcomes"] == {"failed": 1, "unknown": 1}
    assert client.post("/clear_cache").json() == {"cleared": 1}


def test_health_says_that_no_training_library_is_there_by_itself(client: Client) -> None:
    health = client.post("/health").json()
    assert health["status"] == "ok"
    assert health["journal"]["lane"].endswith("lane-0")
    assert health["code_path"].endswith("arbml")


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        (b"{", 422, "invalid_request", ""),
        (b"", 422, "invalid_request", "pair"),
        (b"[1, 2]", 422, "invalid_request", ""),
        (b'{"pair": NaN}', 422, "invalid_request", ""),
        (b'{"pair": "A/B", "pair": "A/B"}', 422, "invalid_request", "pair"),
        (b"[" * 5000, 422, "invalid_request", ""),
        (b'{"ts_ms": ' + b"9" * 10_000 + b"}", 422, "invalid_request", ""),
        (orjson.dumps(opportunity(unknown=1)), 422, "invalid_request", "unknown"),
        (orjson.dumps(opportunity(ts_ms=NOW_MS + 10**9)), 422, "invalid_request", "ts_ms"),
        (orjson.dumps(opportunity(pair="NEW/USDC")), 422, "invalid_request", "legs[0].price"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "too_large", ""),
    ],
)
def test_wrong_bodies_are_refused_with_field_and_code(client: Client, body: bytes, status: int, code: str, field: str) -> None:
    response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code == status
    assert (error(response)["code"], error(response)["field"]) == (code, field)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "\xff"},
    ],
)
def test_other_content_is_415(client: Client, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    response = client.post("/predict", content=orjson.dumps(opportunity()), headers=raw)
    assert (response.status_code, error(response)["mend"] != "") == (415, True)


@pytest.mark.parametrize("kind", ["application/json", "APPLICATION/JSON; Charset=UTF-8", 'application/json;charset="utf-8"'])
def test_json_by_any_spelling_is_read(client: Client, kind: str) -> None:
    response = client.post("/predict", content=orjson.dumps(opportunity()), headers={"content-type": kind})
    assert response.status_code == 200


def test_a_body_without_announced_length_is_bounded_too(client: Client) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 65_536
            yield b" " * 65_536

    response = client.post("/observe", content=chunks(), headers=JSON)
    assert (response.status_code, error(response)["code"]) == (413, "too_large")
    assert sent <= MAX_BODY_BYTES + 2 * 65_536, "it must stop reading"


def test_a_body_in_pieces_is_read_as_one(client: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for byte in orjson.dumps(opportunity()):
            yield bytes([byte])

    assert client.post("/predict", content=chunks(), headers=JSON).status_code == 200


@pytest.mark.parametrize("length", ["-1", "1e9", "99999999999999999999999999", "x", "١٢"])
def test_a_lying_content_length_is_no_500(client: Client, length: str) -> None:
    headers = {"content-type": b"application/json", "content-length": length.encode()}
    assert client.post("/predict", content=orjson.dumps(opportunity()), headers=headers).status_code in (200, 413, 422)


def test_other_methods_and_paths(client: Client) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response = client.request(method, "/predict")
        assert (response.status_code, error(response)["code"]) == (405, "not_allowed")
        assert response.headers["allow"] == "POST"
    assert client.request("GET", "/nothing").status_code == 404


def test_the_documentation_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.request("GET", "/docs")
    assert page.text == client.request("GET", "/").text
    assert "openapi.json" in page.text
    assert "http" not in page.text.replace("<!doctype html>", "")


def test_conflicts_are_409(client: Client) -> None:
    client.post("/predict", opportunity(request_id="x"))
    response = client.post("/predict", opportunity(request_id="x", amount_in=1.0))
    assert (response.status_code, error(response)["field"]) == (409, "request_id")


def test_many_names_the_place(client: Client, kit: Kit) -> None:
    wrong = opportunity(legs=[{"venue": "cheap", "side": "buy"}, {"venue": "dear", "side": "sell", "prise": 1}])
    response = client.post("/predict_many", {"opportunities": [opportunity(), wrong]})
    assert (response.status_code, error(response)["field"]) == (422, "opportunities[1].legs[1].prise")
    assert error(response)["mend"] == "did you mean 'price'?"
    too_many = client.post("/predict_many", {"opportunities": [opportunity()] * 101})
    assert (too_many.status_code, error(too_many)["field"]) == (422, "opportunities")
    assert lines(kit.journals[0]) == []


def test_two_hundred_at_once_each_get_their_own(client: Client, kit: Kit) -> None:
    amounts = [float(10 + n) for n in range(200)]
    calls = [lambda http, a=a: http.post("/predict", json=opportunity(request_id=f"r{a:g}", amount_in=a)) for a in amounts]
    responses = client.all(calls)
    assert [r.status_code for r in responses] == [200] * 200
    assert [r.json()["opportunity"]["amount_in"] for r in responses] == amounts
    assert [r.json()["request_id"] for r in responses] == [f"r{a:g}" for a in amounts]
    assert len(lines(kit.journals[0])) == 200


def test_nobody_comes_in_before_it_is_warm_or_after_it_closed(kit: Kit) -> None:
    door = Door()
    client = Client(door)
    early = client.post("/predict", opportunity())
    assert (early.status_code, error(early)["code"], early.headers["retry-after"]) == (503, "not_ready", "1")
    assert client.post("/health").json()["status"] == "starting"
    assert not door.ready
    door.failed = "the model is damaged"
    assert client.post("/health").json()["problems"] == ["warm_up_failed: the model is damaged"]
    door.open(kit.predictor(), kit.journals[0])
    assert (door.ready, client.post("/predict", opportunity()).status_code) == (True, 200)
    door.close()
    late = client.post("/predict", opportunity())
    assert (late.status_code, error(late)["message"]) == (503, "the service is shutting down")


def test_an_unforeseen_fault_is_a_500_that_tells_nothing_and_is_counted(client: Client, kit: Kit, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise ZeroDivisionError("secret detail")

    predictor = kit.predictor()
    client.door.open(predictor, kit.journals[0])
    predictor._judge = Broken()  # type: ignore[assignment]
    response = client.post("/clear_cache")
    assert (response.status_code, error(response)["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert "secret detail" in caplog.text
    assert predictor.stats.snapshot()["error_rate"] == 1.0


def test_an_outcome_that_cannot_be_kept_is_503(client: Client, kit: Kit) -> None:
    kit.restart()
    response = client.post("/outcome", {"request_id": "a", "result": "success"})
    assert (response.status_code, error(response)["code"]) == (503, "store_unavailable")


def test_every_error_of_arbml_has_a_status() -> None:
    tree = ast.parse(inspect.getsource(arbml.errors))
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    for name in names:
        kind: type[ArbmlError] = getattr(arbml.errors, name)
        made = kind("x", 1, 2) if name == "NotEnoughData" else kind("x")
        problem = problem_of(made)
        assert 400 <= problem.status < 600
        assert problem.status != 500, f"{name} is foreseen"
        assert problem.blame == (not issubclass(kind, RequestError) or kind is RequestError)
        assert error_body(made)["error"]["message"]
    assert problem_of(ZeroDivisionError()).status == 500
    order = [kind for kind, _ in TABLE]
    assert all(not issubclass(later, earlier) for i, earlier in enumerate(order) for later in order[i + 1 :])


def test_openapi_shows_every_route_with_schemas(client: Client) -> None:
    document = client.request("GET", "/openapi.json").json()
    assert set(document["paths"]) == {endpoint.path for endpoint in bentos_http.ROUTES}
    predict = document["paths"]["/predict"]["post"]
    request = predict["requestBody"]["content"]["application/json"]["schema"]
    assert request["properties"]["legs"]["items"]["properties"]["side"]["enum"] == ["buy", "sell"]
    assert set(predict["responses"]) == {"200", "409", "413", "415", "422", "503"}
    text = orjson.dumps(document).decode()
    assert "$defs" not in text
    known = document["components"]["schemas"]
    assert all(part.partition('"')[0] in known for part in text.split("#/components/schemas/")[1:])


LINK_TICKS = [
    {"ts_ms": NOW_MS, "venue": "dear", "pair": pair, "price": price, "fee_bps": 5.0}
    for pair, price in (("LINK/WETH", 0.005), ("LINK/USDC", 10.5))
]
CYCLE = [
    {"venue": "cheap", "side": "buy"},
    {"venue": "dear", "side": "buy", "pair": "LINK/WETH"},
    {"venue": "dear", "side": "sell", "pair": "LINK/USDC"},
]


def test_a_cycle_over_three_pairs_is_answered_in_its_start_token(client: Client) -> None:
    client.post("/observe", {"ticks": LINK_TICKS})
    answer = answers.PredictionAnswer.model_validate(client.post("/predict", opportunity(legs=CYCLE, amount_in=100.0)).json())
    assert (answer.pair, answer.profit_token, answer.opportunity.amount_in) == (PAIR, "USDC", 100.0)
    assert answer.opportunity.net_profit > 0
    assert answer.recommendation != "EXECUTE", "the scorer knows two-leg routes only"
    back = [CYCLE[0], {"venue": "dear", "side": "sell", "pair": "LINK/WETH"}, CYCLE[2]]
    refused = client.post("/predict", opportunity(legs=back))
    assert (refused.status_code, error(refused)["field"], error(refused)["mend"]) == (422, "legs[1].side", "'buy' takes WETH")
    many = client.post("/predict_many", {"opportunities": [opportunity(), opportunity(legs=back)]})
    assert error(many)["field"] == "opportunities[1].legs[1].side"


def test_ticks_that_go_on_from_another_instance_are_refused_and_not_taken_in(client: Client, kit: Kit) -> None:
    first = client.post("/observe", {"ticks": LINK_TICKS}).json()["instance"]
    later = [{**one, "ts_ms": NOW_MS + 1} for one in LINK_TICKS]
    assert client.post("/observe", {"ticks": later, "instance": first}).json()["accepted"] == 2
    client.door.open(kit.predictor(), kit.journals[0])
    refused = client.post("/observe", {"ticks": later, "instance": first})
    assert (refused.status_code, error(refused)["field"]) == (409, "instance")
    assert client.post("/health").json()["streams"] == 2, "those of the bundle"
    assert client.post("/observe", {"ticks": later}).json()["instance"] not in ("", first)


def test_openapi_says_how_many_legs(client: Client) -> None:
    document = client.request("GET", "/openapi.json").json()
    legs = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]["legs"]
    assert (legs["minItems"], legs["maxItems"]) == (2, 4)
    assert "each takes the token that the one before it gives" in legs["description"]


PLACES = ("request_id", "ts_ms", "pair", "legs", "amount_in", "gas_price_gwei", "native_price_quote", "unknown")
LEG = ("venue", "side", "price", "fee_bps", "reserve_base", "reserve_quote", "liquidity", "pair")
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), st.sampled_from([1e-15, 1e15, 1e21, 1e-12, 0, -0.0])
)
PARTS = st.dictionaries(st.text(max_size=3), NUMBERS, max_size=2)
VALUES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=10), st.lists(NUMBERS, max_size=2), PARTS)
fuzzed = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(top=st.dictionaries(st.sampled_from(PLACES), VALUES, max_size=2), leg=st.dictionaries(st.sampled_from(LEG), VALUES, max_size=4))
def test_no_value_in_any_place_makes_a_500(client: Client, top: dict[str, Any], leg: dict[str, Any]) -> None:
    body = opportunity()
    body["legs"][1] |= leg
    response = client.post("/predict", content=orjson.dumps(body | top), headers=JSON)
    assert response.status_code in (200, 409, 422), response.text
    if response.status_code == 200:
        answers.PredictionAnswer.model_validate(response.json())
    else:
        error(response)


@fuzzed
@given(leg=st.dictionaries(st.sampled_from(LEG), VALUES, max_size=3), place=st.integers(0, 2), amount=st.none() | NUMBERS)
def test_no_value_in_a_cycle_makes_a_500(client: Client, leg: dict[str, Any], place: int, amount: Any) -> None:
    client.post("/observe", {"ticks": LINK_TICKS})
    legs = [{**one, **(leg if i == place else {})} for i, one in enumerate(CYCLE)]
    response = client.post("/predict", content=orjson.dumps(opportunity(legs=legs, amount_in=amount)), headers=JSON)
    assert response.status_code in (200, 422), response.text
    if response.status_code == 200:
        answers.PredictionAnswer.model_validate(response.json())
    else:
        error(response)


@fuzzed
@given(
    price=st.floats(1e-15, 1e15), other=st.floats(1e-15, 1e15), fee=st.floats(0, 9999.99), amount=st.floats(1e-300, 1e15),
    gas=st.floats(0, 1e9), native=st.floats(1e-15, 1e15), base=st.floats(1e-12, 1e21),
)  # fmt: skip
def test_extreme_numbers_give_finite_answers(
    client: Client, price: float, other: float, fee: float, amount: float, gas: float, native: float, base: float
) -> None:
    legs: list[dict[str, Any]] = [
        {"venue": "cheap", "side": "buy", "price": price, "fee_bps": fee},
        {"venue": "dear", "side": "sell", "reserve_base": base, "reserve_quote": min(1e21, max(1e-12, base * other)), "fee_bps": fee},
    ]
    body = opportunity(legs=legs, amount_in=amount, gas_price_gwei=gas, native_price_quote=native)
    response = client.post("/predict", content=orjson.dumps(body), headers=JSON)
    assert response.status_code in (200, 422), response.text
    if response.status_code == 200:
        answers.PredictionAnswer.model_validate(response.json())  # null, which NaN and Infinity become, is no float


@fuzzed
@given(path=st.sampled_from([endpoint.path for endpoint in bentos_http.ROUTES]), body=st.binary(max_size=80))
def test_no_bytes_make_a_500(client: Client, path: str, body: bytes) -> None:
    assert client.post(path, content=body, headers=JSON).status_code in (200, 422)


TICK = {
    "ts_ms": st.integers(NOW_MS - 10**7, NOW_MS + 10**5),
    "venue": st.sampled_from(["cheap", "dear", "x"]),
    "pair": st.just(PAIR),
    "price": st.floats(1e-15, 1e15),
}
MORE = {
    **dict.fromkeys(("fee_bps", "volume", "liquidity", "gas_price_gwei", "reserve_base", "reserve_quote"), NUMBERS),
    "ts_known_ms": st.integers(NOW_MS - 10**7, NOW_MS + 10**7),
    "log_index": st.integers(-5, 5),
}


@fuzzed
@given(ticks=st.lists(st.fixed_dictionaries(TICK, optional=MORE), max_size=5))
def test_no_tick_spoils_the_answers(client: Client, ticks: list[dict[str, Any]]) -> None:
    assert client.post("/observe", content=orjson.dumps({"ticks": ticks}), headers=JSON).status_code in (200, 422)
    response = client.post("/predict", content=orjson.dumps(opportunity()), headers=JSON)
    assert response.status_code == 200, response.text
    answers.PredictionAnswer.model_validate(response.json())
