"""Whatever bytes come in: a checked request, or one line that names the field. Never anything else."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.errors import InvalidRequest
from arbml.serving.requests import decode, parse
from arbml.serving.schemas import ObserveRequest, OpportunityRequest, OutcomeRequest, PredictManyRequest, Request
from tests.serving.kit import opportunity

SCHEMAS: list[type[Request]] = [OpportunityRequest, PredictManyRequest, ObserveRequest, OutcomeRequest]


def refusal(model: type[Request], data: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as found:
        parse(model, decode(data if isinstance(data, bytes) else json.dumps(data).encode()))
    return found.value


def changed(path: str, value: Any) -> dict[str, Any]:
    data = opportunity()
    target: Any = data
    *way, last = path.split(".")
    for step in way:
        target = target[int(step)] if step.isdigit() else target[step]
    target[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        ("legs.0.prise", 1.0, "legs[0].prise", "no such field"),
        ("legs.0.price", "1.0", "legs[0].price", "must be a valid number; got '1.0'"),
        ("legs.0.price", True, "legs[0].price", "must be a valid number; got True"),
        ("legs.1.price", 0, "legs[1].price", "must be greater than or equal to 0.000000000000001; got 0"),
        ("legs.1.price", -1.5, "legs[1].price", "must be greater than or equal to 0.000000000000001; got -1.5"),
        ("legs.1.price", 1e300, "legs[1].price", "must be less than or equal to 1000000000000000; got 1e+300"),
        ("legs.0.fee_bps", 10_000, "legs[0].fee_bps", "must be less than 10000; got 10000"),
        ("legs.0.side", "Buy", "legs[0].side", "must be 'buy' or 'sell'; got 'Buy'"),
        ("legs.0.venue", "a|b", "legs[0].venue", "has a character that it cannot have, or is empty or too long; got 'a|b'"),
        ("legs.0.venue", "", "legs[0].venue", "has a character that it cannot have, or is empty or too long; got ''"),
        ("legs", [], "legs", "list should have at least 2 items after validation, not 0"),
        ("legs", "two", "legs", "must be a valid list; got 'two'"),
        ("legs", None, "legs", "must be a valid list; got None"),
        ("pair", "WETHUSDC", "pair", "has a character that it cannot have, or is empty or too long; got 'WETHUSDC'"),
        ("amount_in", 0, "amount_in", "must be greater than 0; got 0"),
        ("ts_ms", 1_704_412_800, "ts_ms", "must be greater than or equal to 1000000000000; got 1704412800"),
        ("ts_ms", 1.5, "ts_ms", "must be a valid integer; got 1.5"),
        ("ts_ms", 10**18, "ts_ms", "must be less than 10000000000000; got 1000000000000000000"),
        ("request_id", "x" * 200, "request_id", "has a character"),
        ("gas_price_gwei", -1, "gas_price_gwei", "must be greater than or equal to 0; got -1"),
    ],
)
def test_the_first_wrong_field_is_named(path: str, value: Any, field: str, message: str) -> None:
    error = refusal(OpportunityRequest, changed(path, value))
    assert error.field == field
    assert error.message.startswith(message)


@pytest.mark.parametrize(
    ("path", "value", "mend"),
    [
        ("legs.0.prise", 1.0, "did you mean 'price'?"),
        ("amount", 1.0, "did you mean 'amount_in'?"),
        ("xyzzy", 1.0, "remove it"),
        ("legs.0.side", "Buy", "did you mean 'buy'?"),
        ("ts_ms", 1_704_412_800, "send UTC milliseconds, not seconds"),
        ("legs.0.price", "1", "send a JSON number, without quotes"),
    ],
)
def test_the_mend_helps(path: str, value: Any, mend: str) -> None:
    assert refusal(OpportunityRequest, changed(path, value)).mend == mend


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not valid JSON"),
        (b'{"pair": NaN}', "not valid JSON"),
        (b'{"amount_in": Infinity}', "not valid JSON"),
        (b'{"amount_in": 1e999}', "not valid JSON"),
        (b'{"ts_ms": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"pair": "\xff"}', "not valid JSON"),
        (b'\xef\xbb\xbf{"pair": "A/B"}', "not valid JSON"),
        ('{"pair": "A/B"}'.encode("utf-16"), "not valid JSON"),
        (b'{"pair": "\\ud800"}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[" * 500 + b"]" * 500, "nested deeper than 16 levels"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "nested deeper than 16 levels"),
        (b'{"pair": "A/B", "pair": "C/D"}', "'pair' is given twice in one object"),
        (b'{"legs": [{"venue": "a", "venue": "b"}]}', "'venue' is given twice in one object"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
    ],
)
def test_what_is_no_request_at_all_is_said(body: bytes, message: str) -> None:
    assert refusal(OpportunityRequest, body).message.startswith(message)


def test_an_empty_body_is_an_empty_object() -> None:
    assert decode(b" \n") == {}
    assert refusal(OpportunityRequest, b"").field == "pair"


def test_messages_stay_short_and_sendable() -> None:
    error = refusal(OpportunityRequest, {"x" * 10_000: 1, "\u0000\u202e": 2})
    assert len(str(error) + error.mend) < 400
    orjson.dumps([error.field, error.message, error.mend])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=60), model=st.sampled_from(SCHEMAS))
def test_any_bytes_are_parsed_or_refused(body: bytes, model: type[Request]) -> None:
    try:
        parse(model, decode(body))
    except InvalidRequest as error:
        orjson.dumps([error.field, error.message, error.mend])


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_value_in_any_place_is_parsed_or_refused(data: st.DataObject) -> None:
    request = opportunity(ts_ms=1_704_412_800_000, amount_in=1.0)
    place: Any = data.draw(st.sampled_from([request, *request["legs"]]))
    fields = [*place, *OpportunityRequest.model_fields, "price", "reserve_base", "liquidity", "unknown"]
    place[data.draw(st.sampled_from(fields))] = data.draw(VALUES)
    body = json.dumps(request).encode()  # the standard library writes NaN and lone surrogates, as sloppy clients do
    try:
        parsed = parse(OpportunityRequest, decode(body))
    except InvalidRequest as error:
        orjson.dumps([error.field, error.message, error.mend])
    else:
        numbers = [leg.price for leg in parsed.legs] + [parsed.amount_in, parsed.gas_price_gwei]
        assert all(number is None or 0 <= number <= 1e15 for number in numbers)


@given(value=VALUES)
@settings(max_examples=200, deadline=None)
def test_decoding_keeps_every_value(value: Any) -> None:
    try:
        body = orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits, a lone surrogate
        return
    assert decode(body) == orjson.loads(body)
