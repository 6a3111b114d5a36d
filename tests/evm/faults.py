"""What a misbehaving node does (see `proxy`): first when, then what."""

import json
import random
import time
from collections.abc import Sequence
from typing import Any

from tests.evm.proxy import Exchange, Fault, head


def when(method: str, fault: Fault) -> Fault:
    """Only for exchanges in which a method is asked."""
    return lambda exchange: method in exchange.methods and fault(exchange)


def first(times: int, fault: Fault) -> Fault:
    """Only so many times."""
    left = [times]

    def limited(exchange: Exchange) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fault(exchange)

    return limited


def at_random(rng: random.Random, share: float, faults: Sequence[Fault]) -> Fault:
    """Now and then, one of several."""
    return lambda exchange: rng.random() < share and rng.choice(faults)(exchange)


# what


def dropped(exchange: Exchange) -> bool:
    """Hang up without a word."""
    exchange.hang_up()
    return True


def reset(exchange: Exchange) -> bool:
    """Reset the connection."""
    exchange.hang_up(reset=True)
    return True


def half(exchange: Exchange) -> bool:
    """Promise a whole answer, send half of it, hang up."""
    body = exchange.true_answer()
    exchange.raw(head(200, len(body)) + body[: len(body) // 2])
    exchange.hang_up()
    return True


def half_chunked(exchange: Exchange) -> bool:
    """The same in chunks."""
    body = exchange.true_answer()
    part = body[: len(body) // 2]
    exchange.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(part), part))
    exchange.hang_up()
    return True


def half_unmarked(exchange: Exchange) -> bool:
    """Half an answer whose length was not told."""
    body = exchange.true_answer()
    exchange.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body[: len(body) // 2])
    exchange.hang_up()
    return True


def half_batch(exchange: Exchange) -> bool:
    """Well-formed, but answers are missing."""
    answers = json.loads(exchange.true_answer())
    exchange.answer(json.dumps(answers[: len(answers) // 2] if exchange.batch else {"jsonrpc": "2.0", "id": 0}).encode())
    return True


def malformed(exchange: Exchange) -> bool:
    """What is no JSON."""
    exchange.answer(b'{"jsonrpc":"2.0","id":0,"result":')
    return True


def garbage(exchange: Exchange) -> bool:
    """What is no HTTP."""
    exchange.raw(b"\x16\x03\x01\x00 this is not the protocol you are looking for\r\n\r\n")
    exchange.hang_up()
    return True


def silent(exchange: Exchange) -> bool:
    """Say nothing for a while, and nothing after it."""
    time.sleep(1.5)
    return dropped(exchange)


def dripping(exchange: Exchange) -> bool:
    """The right answer, a byte at a time."""
    body = exchange.true_answer()
    for byte in head(200, len(body)) + body:
        exchange.raw(bytes([byte]))
        time.sleep(0.02)
    return True


def status(code: int, headers: dict[str, str] | None = None, body: bytes = b"<html>nginx</html>") -> Fault:
    """An HTTP status."""

    def answer(exchange: Exchange) -> bool:
        exchange.answer(body, code, headers)
        return True

    return answer


def says(code: int, message: str, data: Any = None, http_status: int = 200) -> Fault:
    """An error of JSON-RPC in the place of every result."""

    def answer(exchange: Exchange) -> bool:
        error = {"code": code, "message": message} | ({"data": data} if data is not None else {})
        answers = [{"jsonrpc": "2.0", "id": one["id"], "error": error} for one in exchange.asked]
        exchange.answer(json.dumps(answers if exchange.batch else answers[0]).encode(), http_status)
        return True

    return answer


def at_most_blocks(most: int, message: str = "query returned more than 10000 results") -> Fault:
    """Refuse logs of more than so many blocks."""

    def answer(exchange: Exchange) -> bool:
        answers = json.loads(exchange.true_answer())
        for one, found in zip(exchange.asked, answers if exchange.batch else [answers], strict=True):
            asked = one["params"][0] if one["method"] == "eth_getLogs" else {}
            if "fromBlock" in asked and int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) + 1 > most:
                found.pop("result", None)
                found["error"] = {"code": -32005, "message": message}
        exchange.answer(json.dumps(answers).encode())
        return True

    return answer


def wrong_chain(chain_id: int) -> Fault:
    """Claim to be of another chain."""

    def answer(exchange: Exchange) -> bool:
        answers = json.loads(exchange.true_answer())
        for one, found in zip(exchange.asked, answers if exchange.batch else [answers], strict=True):
            if one["method"] == "eth_chainId":
                found["result"] = hex(chain_id)
        exchange.answer(json.dumps(answers).encode())
        return True

    return answer


def stale(tip: int) -> Fault:
    """A node that stopped at block `tip`: later blocks are unknown to it, and the logs of a range end there without a word."""

    def answer(exchange: Exchange) -> bool:
        asked = [dict(one) for one in exchange.asked]
        for one in asked:
            if one["method"] == "eth_getLogs" and "toBlock" in one["params"][0]:
                first_block, last_block = (min(int(one["params"][0][name], 16), tip) for name in ("fromBlock", "toBlock"))
                one["params"] = [one["params"][0] | {"fromBlock": hex(first_block), "toBlock": hex(last_block)}]
        answers = json.loads(exchange.true_answer(asked))
        for one, found in zip(exchange.asked, answers if exchange.batch else [answers], strict=True):
            _as_of(tip, one, found, exchange)
        exchange.answer(json.dumps(answers).encode())
        return True

    return answer


def _as_of(tip: int, one: dict[str, Any], found: dict[str, Any], exchange: Exchange) -> None:
    """Rewrite one answer to what a node would say whose last block is `tip`."""
    method, params = one["method"], one["params"]
    result: Any = found.get("result")
    if method == "eth_blockNumber":
        found["result"] = hex(min(int(result, 16), tip))
    elif method in ("eth_getBlockByNumber", "eth_getBlockByHash", "eth_getBlockReceipts") and result:
        number = result["number"] if isinstance(result, dict) else result[0]["blockNumber"]
        found["result"] = result if int(number, 16) <= tip else None
    elif method in ("eth_getLogs", "eth_call"):
        where = params[0] if method == "eth_getLogs" else params[1]
        block_hash = where.get("blockHash") if isinstance(where, dict) else None
        if block_hash:
            ask = {"jsonrpc": "2.0", "id": 0, "method": "eth_getBlockByHash", "params": [block_hash, False]}
            block = json.loads(exchange.upstream(json.dumps(ask).encode()))["result"]
            if block and int(block["number"], 16) > tip:
                found.pop("result", None)
                found["error"] = {"code": -32000, "message": "unknown block"}
