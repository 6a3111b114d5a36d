"""JSON-RPC 2.0 without a connection: what is asked as bytes, what came back as results and errors."""

from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from arbml.collectors.evm.errors import BatchTooLarge, RpcError, TooManyResults, Unreachable
from arbml.collectors.evm.masking import Endpoint
from arbml.collectors.evm.meaning import of_status, translate, with_status

Request = tuple[str, list[Any]]  # method, parameters

_NUMBERS = ("eth_blockNumber", "eth_chainId")


class Rpc(Protocol):
    """Anything that asks a node, or several behind one face. Safe to share between threads."""

    def call(self, method: str, params: Sequence[Any]) -> Any:
        """Return the result of one request.

        Raises:
            RpcError: there is none; `errors` has what the kinds mean.
        """
        ...

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """Return the result of each request, in order; an `RpcError` stands in the place of one that has none.

        Raises:
            RpcError: there was no answer at all.
        """
        ...


def encoded(requests: Sequence[Request]) -> bytes:
    """Return the body that asks; a single request goes without the brackets of a batch, which not every node takes."""
    asked = [{"jsonrpc": "2.0", "id": n, "method": method, "params": params} for n, (method, params) in enumerate(requests)]
    return orjson.dumps(asked[0] if len(asked) == 1 else asked)


def label(requests: Sequence[Request]) -> str:
    """Return what an error calls several requests.

    >>> label([("eth_getLogs", []), ("eth_call", []), ("eth_call", [])])
    'eth_getLogs and 2 more'
    """
    return requests[0][0] + (f" and {len(requests) - 1} more" if len(requests) > 1 else "")


def decoded(status: int, retry_after: str | None, body: bytes, requests: Sequence[Request], endpoint: Endpoint) -> list[Any]:
    """Return results and errors in the order of the requests, whatever the order of the answers.

    Args:
        status: of HTTP; some nodes say 400 or 429 with an error of JSON-RPC in the body, which says more.
        retry_after: that header. body: of the answer, whole. requests: what was asked. endpoint: of whom.

    Raises:
        RpcError: the answer is not one, not whole, or refuses the batch as such.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        if status == 200:
            raise Unreachable(label(requests), endpoint.masked, f"{_size(body)} that are not JSON") from None
        answer = None
    failure = _error_of_all(answer)
    if failure is not None:
        error = with_status(translate(requests[0][0], endpoint, failure), endpoint, status, retry_after)
        if len(requests) > 1:
            raise _of_batch(error, requests)
        return [error]
    if status == 413 and len(requests) == 1:
        return [of_status(requests[0][0], endpoint, status, retry_after, body)]
    if status != 200 and not (isinstance(answer, list) and len(answer) == len(requests)):
        raise _of_batch(of_status(label(requests), endpoint, status, retry_after, body), requests)
    return _in_order(answer if isinstance(answer, list) else [answer], requests, endpoint)


def _error_of_all(answer: Any) -> Any:
    """Return the error of an answer that is not one per request; None where it is none."""
    if isinstance(answer, list):
        return next((one.get("error") for one in answer if isinstance(one, dict) and one.get("id") is None and one.get("error")), None)
    return answer.get("error") if isinstance(answer, dict) else None


def _of_batch(error: RpcError, requests: Sequence[Request]) -> RpcError:
    """Return what an error means when it answers a whole batch: too much at once is mended by asking in parts."""
    if len(requests) > 1 and (isinstance(error, TooManyResults) or error.code in (-32600, -32700)):
        return BatchTooLarge(label(requests), error.host, error.said, error.code)
    return error


def _in_order(answers: list[Any], requests: Sequence[Request], endpoint: Endpoint) -> list[Any]:
    if len(requests) == 1 and len(answers) == 1 and isinstance(answers[0], dict):
        return [_one(answers[0], requests[0], endpoint)]
    by_id: dict[int, Any] = {}
    for answer in answers:
        number = _number(answer)
        if number is None or number in by_id or number >= len(requests):
            raise Unreachable(label(requests), endpoint.masked, "an answer to something that was not asked")
        by_id[number] = answer
    if len(by_id) < len(requests):
        raise Unreachable(label(requests), endpoint.masked, f"answers to {len(by_id)} of {len(requests)} requests")
    return [_one(by_id[n], request, endpoint) for n, request in enumerate(requests)]


def _number(answer: Any) -> int | None:
    """Return the id of an answer; some nodes send it back as text."""
    found = answer.get("id") if isinstance(answer, dict) else None
    if isinstance(found, str) and found.isdecimal():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _one(answer: dict[str, Any], request: Request, endpoint: Endpoint) -> Any:
    if answer.get("error") is not None:
        return translate(request[0], endpoint, answer["error"])
    if "result" not in answer:
        return Unreachable(request[0], endpoint.masked, "an answer with neither result nor error")
    if request[0] in _NUMBERS and quantity(answer["result"]) is None:
        return Unreachable(request[0], endpoint.masked, "an answer that is not a number")
    return answer["result"]


def quantity(found: Any) -> int | None:
    """Return a number of JSON-RPC; None for what is none, such as a tag, a hash or nothing.

    >>> quantity("0x10"), quantity("latest"), quantity(None), quantity("0x")
    (16, None, None, None)
    """
    if not isinstance(found, str) or not found.startswith("0x") or len(found) > 20:
        return None
    try:
        return int(found, 16)
    except ValueError:
        return None


def _size(body: bytes) -> str:
    return f"{len(body)} bytes"
