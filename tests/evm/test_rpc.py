"""JSON-RPC answers of every shape: results in order, or an error of ours, never anything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.collectors.evm.errors import RpcError, Unreachable
from arbml.collectors.evm.masking import Endpoint
from arbml.collectors.evm.question import needed
from arbml.collectors.evm.rpc import Request, decoded, encoded

AT = Endpoint("http://h.io/0123456789abcdef")
NAMES = st.sampled_from(["id", "result", "error", "code", "message", "data", "fromBlock", "toBlock"])
TEXT = st.text(max_size=5) | st.text("0123456789abcdefxyz", max_size=6).map("0x".__add__)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner),
    max_leaves=12,
)
STATUS = st.sampled_from([200, 200, 200, 201, 301, 400, 401, 404, 413, 429, 500, 503])


def requests(n: int) -> list[Request]:
    return [("eth_getLogs", [{}]), ("eth_call", []), ("eth_blockNumber", [])][:n]


@given(JSON, st.integers(1, 3), STATUS, st.none() | st.text(max_size=5))
def test_any_json_is_results_or_an_error(answer: Any, n: int, status: int, retry_after: str | None) -> None:
    try:
        found = decoded(status, retry_after, json.dumps(answer).encode(), requests(n), AT)
    except RpcError:
        return
    assert len(found) == n


@given(st.binary(max_size=60), st.integers(1, 3), STATUS)
def test_any_bytes_are_results_or_an_error(body: bytes, n: int, status: int) -> None:
    try:
        assert len(decoded(status, None, body, requests(n), AT)) == n
    except RpcError:
        return


@given(st.permutations(range(5)), st.booleans())
def test_answers_find_their_requests(order: list[int], as_text: bool) -> None:
    asked: list[Request] = [("eth_call", [n]) for n in range(5)]
    sent = json.loads(encoded(asked))
    answers = [{"jsonrpc": "2.0", "id": str(sent[n]["id"]) if as_text else sent[n]["id"], "result": n} for n in order]
    assert decoded(200, None, json.dumps(answers).encode(), asked, AT) == list(range(5))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8).filter(lambda ids: sorted(ids) != list(range(5))))
def test_answers_that_are_missing_or_double_are_noticed(ids: list[int]) -> None:
    answers = [{"jsonrpc": "2.0", "id": n, "result": n} for n in ids]
    with pytest.raises(RpcError):
        decoded(200, None, json.dumps(answers).encode(), [("eth_call", [])] * 5, AT)


@pytest.mark.parametrize("bad", [None, "", "latest", "0x", "0xyz", 5, {}, "0x" + "1" * 64])
@pytest.mark.parametrize("method", ["eth_blockNumber", "eth_chainId"])
def test_a_height_that_is_no_number_is_half_an_answer(method: str, bad: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "result": bad}).encode()
    assert isinstance(decoded(200, None, body, [(method, [])], AT)[0], Unreachable)


@given(st.text(max_size=8), st.lists(JSON, max_size=3))
def test_any_parameters_name_a_block_or_none(method: str, params: list[Any]) -> None:
    for one in (method, "eth_getLogs", "eth_getBlockByNumber"):
        assert needed((one, params))[0] >= -1
