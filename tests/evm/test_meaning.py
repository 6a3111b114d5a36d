"""Errors by meaning, in the words of the providers as their users report them, and URLs without their secrets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbml.collectors.evm import errors as e
from arbml.collectors.evm.masking import Endpoint, masked
from arbml.collectors.evm.meaning import translate
from arbml.errors import SourceError, TransientError

AT = Endpoint("https://user77:pass9999@Node.example.io/v3/0123456789abcdef?token=zyxwvu987")
LOGS, CALL = "eth_getLogs", "eth_call"


def meant(method: str, code: int, message: str, data: Any = None) -> e.RpcError:
    return translate(method, AT, {"code": code, "message": message, "data": data})


@pytest.mark.parametrize(
    ("code", "message", "data", "suggested", "blocks"),
    [
        (-32005, "query returned more than 10000 results", None, None, None),
        (-32005, "query returned more than 10000 results. Try with this block range [0x1, 0xff].", None, (1, 255), None),
        (-32005, "query returned more than 10000 results", {"from": "0x1", "to": "0xff", "limit": 10000}, (1, 255), None),
        (-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response "
         "size, or you can request any block range with a cap of 10K logs in the response. Based on your parameters and the response "
         "size limit, this block range should work: [0x0, 0x133]", None, (0, 307), None),
        (-32600, "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.", None, None, 10),
        (-32614, "eth_getLogs is limited to a 10,000 range", None, None, 10_000),
        (-32000, "eth_getLogs and eth_newFilter are limited to a 10,000 blocks range", None, None, 10_000),
        (-32600, "block range is too wide", None, None, None), (-32062, "Block range is too large", None, None, None),
        (-32047, "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800", None, None, 800),
        (-32005, "limit exceeded", None, None, None), (-32000, "exceed maximum block range: 5000", None, None, 5000),
        (-32000, "query timeout exceeded", None, None, None), (-32002, "request timed out", None, None, None),
        (-32000, "requested too many blocks from 1 to 9999, maximum is set to 2048", None, None, 2048),
        (-32000, "logs matched by query exceeds limit of 10000", None, None, None),
        (-32011, "backend response too large", None, None, None), (-32008, "Response is too big", "Exceeded max limit of 1024", None, None),
        (35, "ranges over 10000 blocks are not supported on freetier", None, None, 10_000),
        (-32000, "Block range limit exceeded. See more details at https://docs", None, None, None),
        (-32000, "query exceeds max results 20000, retry with the range 100-250", None, (100, 250), None),
        (-32701, "Please specify an address in your request or, to remove restrictions, order a dedicated full node", None, None, None),
    ],
)  # fmt: skip
def test_too_many_results(code: int, message: str, data: Any, suggested: tuple[int, int] | None, blocks: int | None) -> None:
    error = meant(LOGS, code, message, data)
    assert isinstance(error, e.TooManyResults), repr(error)
    assert isinstance(error, SourceError)
    assert (error.suggested_range, error.max_blocks) == (suggested, blocks)


@pytest.mark.parametrize(
    ("code", "message", "wanted_s"),
    [
        (-32005, "daily request count exceeded, request rate limited", None), (-32005, "Too Many Requests", None),
        (429, "Your app has exceeded its compute units per second capacity. If you have retries enabled, ignore this", None),
        (-32016, "over rate limit", None), (-32029, "whatever", None), (-32090, "call rate limit exhausted, retry in 10s", 10.0),
        (-32097, "rate limit exceeded, retry after 1500ms", 1.5), (-32000, "You have reached your monthly quota", None),
        (-32007, "50/second request limit reached - reduce calls per second", None),
        (-32000, "Too many requests, try again in 2 minutes", 120.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", [LOGS, CALL])
def test_rate_limits(method: str, code: int, message: str, wanted_s: float | None) -> None:
    error = meant(method, code, message)
    assert isinstance(error, e.RateLimited), repr(error)
    assert isinstance(error, TransientError)
    assert error.retry_after_s == wanted_s


@pytest.mark.parametrize(
    ("kind", "method", "code", "message"),
    [
        *((e.UnknownBlock, LOGS, -32000, message) for message in (
            "unknown block", "header not found", "block range extends beyond current head block", "invalid block range params",
            "One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be found.", "block not found: 0x12",
            "cannot query unfinalized data", "could not find block",
        )),
        (e.UnknownBlock, CALL, -32000, "header for hash not found"), (e.UnknownBlock, CALL, -32001, "resource not found"),
        (e.UnknownBlock, CALL, -32000, "hash 0x12 is not currently canonical"), (e.UnknownBlock, CALL, -39001, "Unknown block"),
        (e.UnknownBlock, CALL, -32000, "after last accepted block"),
        (e.UnknownBlock, CALL, -32602, "BlockOutOfRangeError: block height is 75 but requested was 80"),
        (e.UnknownBlock, CALL, -32000, "upstream does not have the requested block yet"),
        (e.Pruned, CALL, -32000, "missing trie node 0xabc (path ) state 0x12 is not available"),
        (e.Pruned, CALL, -32000, "No state available for block 0x12"),
        (e.Pruned, CALL, -32000, "project ID does not have access to archive state"),
        (e.Pruned, LOGS, 4444, "pruned history unavailable"), (e.Pruned, CALL, -32000, "required historical state unavailable"),
        (e.Unsupported, "eth_getBlockReceipts", -32601, "the method eth_getBlockReceipts does not exist/is not available"),
        (e.Unsupported, "eth_getBlockReceipts", -32000, "Method eth_getBlockReceipts is not supported"),
        (e.Reverted, CALL, 3, "execution reverted: K"), (e.Reverted, CALL, -32000, "execution reverted"),
        (e.Reverted, CALL, -32015, "VM execution error."), (e.Reverted, CALL, -32000, "out of gas"),
        (e.BatchTooLarge, LOGS, -32600, "batch too large"), (e.BatchTooLarge, CALL, -32000, "maximum batch size exceeded: 100"),
        (e.BatchTooLarge, CALL, -32600, "Batch requests are not supported"),
        (e.Unreachable, CALL, -32603, "Internal error"), (e.Unreachable, CALL, -32000, "request timed out"),
        (e.Unreachable, CALL, -32000, "no healthy upstream"), (e.Unreachable, CALL, -32000, "context deadline exceeded"),
        (e.RateLimited, CALL, -32005, "limit exceeded"),
        (e.Refused, CALL, -32602, "invalid argument 0: hex string without 0x prefix"), (e.Refused, LOGS, -32602, "invalid params"),
        (e.Refused, CALL, -32000, "must be authenticated!"), (e.Refused, CALL, 0, ""),
    ],
)  # fmt: skip
def test_everything_else(kind: type[e.RpcError], method: str, code: int, message: str) -> None:
    assert type(meant(method, code, message)) is kind


ANYTHING = st.none() | st.integers() | st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.text())


@given(ANYTHING | st.dictionaries(st.sampled_from(["code", "message", "data"]), ANYTHING))
def test_whatever_comes_as_an_error_means_something(error: Any) -> None:
    made = translate(LOGS, AT, error)
    assert isinstance(made, e.RpcError)
    assert "\n" not in str(made)
    assert len(str(made)) < 500


def test_secrets_are_cut_out_of_what_a_node_says() -> None:
    for secret in ("0123456789abcdef", "user77", "pass9999", "zyxwvu987", "/v3/0123456789abcdef?token=zyxwvu987", AT.url):
        assert secret not in str(meant(CALL, -32000, f"what is {secret}?"))
    assert (masked(AT.url), repr(AT)) == ("https://node.example.io", "Endpoint(https://node.example.io)")


@given(st.text(alphabet="0123456789abcdefXYZ-_%", min_size=6, max_size=40), st.sampled_from(["http", "https", "ws", "wss"]))
def test_no_key_is_ever_shown(key: str, scheme: str) -> None:
    for url in (f"{scheme}://h.io/v2/{key}", f"{scheme}://h.io/?k={key}", f"{scheme}://{key}:{key}@h.io:81/", f"{scheme}://h.io/#{key}"):
        assert masked(url) in (f"{scheme}://h.io", f"{scheme}://h.io:81")
        assert key not in Endpoint(url).scrub(f"bad key {key}, sorry")
