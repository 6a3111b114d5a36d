"""What a node means by an error. Codes and words differ from provider to provider, and the same code means different things;
so the words decide, then the code.
"""

import re
from typing import Any

from arbml.collectors.evm.errors import (
    BatchTooLarge,
    Pruned,
    RateLimited,
    Refused,
    Reverted,
    RpcError,
    TooManyResults,
    UnknownBlock,
    Unreachable,
    Unsupported,
)  # fmt: skip
from arbml.collectors.evm.masking import Endpoint


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_REVERTED = _words(r"revert", r"out of gas", r"invalid opcode", r"stack (over|under)flow", r"vm execution error", r"bad instruction")
_BATCH = _words(
    r"batch(es)?\b.*(too (large|big|many)|limit|exceed|not (supported|allowed)|max)",
    r"(too (large|big|many)|limit|exceed|max\w*)\b.*\bbatch",
)
_RATE = _words(
    r"too many requests", r"rate.?limit", r"rate exceeded", r"request (count|limit)", r"requests? per (second|minute|day)",
    r"compute units", r"throughput", r"quota", r"(daily|monthly) .*(limit|exceed)", r"retry in", r"throttl", r"over rate",
    r"capacity", r"credits", r"slow down",
)  # fmt: skip
_TOO_MANY = _words(
    r"more than [\d,_]+ (results|logs|events)", r"too many (results|logs|events|blocks)", r"max(imum)? (results|logs|events)",
    r"range.*(too|limit|exceed|max|over|greater|up to|wide|large|big|not supported)", r"(limit|exceed|max|over|up to|wide).*range",
    r"(limit|max|exceed|at most|up to)\w*\b.*\bblocks\b", r"response.*(too (large|big)|size|exceed)", r"size.*exceed",
    r"(logs|results|query).*(exceed|limit)", r"block range should work", r"entity too large", r"specify (an|less|more) address",
)  # fmt: skip
_NO_BLOCK = _words(
    r"(unknown|missing|no such|future) (block|header)",
    r"(block|header)s?\b.*\b(not|cannot be|could not be|isn't) (\w+ )?(found|available|known)",
    r"header not found", r"could not find (block|header)", r"cannot find (block|header)", r"not currently canonical", r"unfinalized data",
    r"after last accepted block", r"beyond (the )?(current |latest )?(head|block)", r"does not have the requested block",
    r"resource not found", r"invalid block range param", r"block height is \d+ but requested",
    r"block .*(ahead|in the future)", r"block .*does ?n.t exist",
)  # fmt: skip
_PRUNED = _words(
    r"missing trie node", r"pruned", r"archive", r"(no|historical|required) state\b.*(available|supported)", r"state\b.*not available",
    r"state (is )?(unavailable|already)", r"old data not available", r"history (has been|is) ",
)  # fmt: skip
_NO_METHOD = _words(
    r"method\b.*\b(not|isn't|unsupported|unknown)", r"(unsupported|unknown) method", r"does not exist/is not available", r"not implemented",
)  # fmt: skip
_BUSY = _words(
    r"time.?out", r"timed out", r"deadline exceeded", r"internal (server )?error", r"unavailable", r"overloaded", r"try again",
    r"upstream", r"bad gateway", r"connection", r"no (healthy|available) (backend|node|upstream)", r"temporar", r"syncing",
)  # fmt: skip

_BLOCK = r"(0x[0-9a-f]+|\d+)"
_RANGE = re.compile(rf"\[\s*{_BLOCK}\s*,\s*{_BLOCK}\s*\]|\b{_BLOCK}\s*(?:-|\.\.|to)\s*{_BLOCK}\b", re.IGNORECASE)
_HINT = re.compile(r"\b(re)?try\b|should work|\buse\b|suggest", re.IGNORECASE)
_BLOCKS = re.compile(r"([\d][\d,_]*)\s*(k\b)?[\s-]*(?:blocks?|range)", re.IGNORECASE)
_BLOCKS_AFTER = re.compile(
    r"(?:max(?:imum)?(?: (?:allowed|is set to|block range|range))*|greater than|ranges? over)\D{0,12}(\d[\d,_]*)\s*(k\b)?", re.IGNORECASE
)
_WAIT = re.compile(r"(?:retry|again|wait)\D{0,20}?(\d+(?:\.\d+)?)\s*(ms|milliseconds?|s|sec\w*|m|min\w*)?\b", re.IGNORECASE)


def translate(method: str, endpoint: Endpoint, error: Any) -> RpcError:
    """Return what the error member of an answer means.

    Args:
        method: what was asked. endpoint: of whom; its secrets are cut out of what is said.
        error: the member as it came: {"code", "message", "data"} by the standard, text with some nodes.
    """
    said, code, data = _parts(error)
    shown, host = endpoint.scrub(said) or "an error without words", endpoint.masked
    if code == 3 or (_REVERTED.search(said) and method in ("eth_call", "eth_estimateGas")):
        return Reverted(method, host, shown, code)
    if _BATCH.search(said):
        return BatchTooLarge(method, host, shown, code)
    ranged = method in ("eth_getLogs", "eth_getFilterLogs", "eth_newFilter", "eth_feeHistory")
    if code in (429, -32029, -32016) or (_RATE.search(said) and not (ranged and _TOO_MANY.search(said))):
        return rate_limited(method, endpoint, said, code, _wait_s(said, data))
    if ranged:
        found = _too_many(method, host, shown, code, said, data)
        if found:
            return found
    return _other(method, host, shown, code, said)


def _other(method: str, host: str, shown: str, code: int, said: str) -> RpcError:
    if _PRUNED.search(said):
        return Pruned(method, host, f"{shown}; the state of so old a block needs an archive node", code)
    if code == -32601 or _NO_METHOD.search(said):
        return Unsupported(method, host, shown, code)
    if _NO_BLOCK.search(said) or code == -32001:
        return UnknownBlock(method, host, shown, code)
    if code == -32005:
        return RateLimited(method, host, shown, code)
    if code in (-32603, -32002, -32700) or code >= 500 or _BUSY.search(said):
        return Unreachable(method, host, shown, code)
    return Refused(method, host, shown, code)


def of_status(method: str, endpoint: Endpoint, status: int, retry_after: str | None, body: bytes) -> RpcError:
    """Return what an HTTP status other than 200 means, when the body is no JSON-RPC error."""
    said, host = endpoint.scrub(body[:200].decode("utf-8", "replace")), endpoint.masked
    said = "" if "<" in said else said  # a page of a proxy
    if status == 429:
        return rate_limited(method, endpoint, said or "too many requests", status, _seconds(retry_after))
    if status == 503 and _seconds(retry_after) is not None:
        return rate_limited(method, endpoint, said or "unavailable for now", status, _seconds(retry_after))
    if status == 413:
        return TooManyResults(method, host, said or "too large", status)
    if status >= 500 or status == 408:
        return Unreachable(method, host, said or "the server failed", status)
    if status in (401, 403):
        return Refused(method, host, f"no access{': ' + said if said else ''}; is the key in the URL right?", status)
    return Refused(method, host, said or "not a JSON-RPC answer; is the URL that of a node?", status)


def with_status(error: RpcError, endpoint: Endpoint, status: int, retry_after: str | None) -> RpcError:
    """Return what an error of JSON-RPC means that came with this HTTP status: its words say more, unless they say nothing."""
    if isinstance(error, RateLimited):
        error.retry_after_s = error.retry_after_s if error.retry_after_s is not None else _seconds(retry_after)
    elif type(error) is Refused and status == 429:
        return rate_limited(error.method, endpoint, error.said, status, _seconds(retry_after))
    elif type(error) is Refused and (status >= 500 or status == 408):
        return Unreachable(error.method, error.host, error.said, status)
    return error


def rate_limited(method: str, endpoint: Endpoint, said: str, code: int, retry_after_s: float | None) -> RateLimited:
    """Return the error with the time that the node wants."""
    error = RateLimited(method, endpoint.masked, endpoint.scrub(said), code)
    error.retry_after_s = retry_after_s
    return error


def _parts(error: Any) -> tuple[str, int, Any]:
    """Return the words, the code (0 without) and the data of an error in whatever shape it comes."""
    if not isinstance(error, dict):
        return str(error), 0, None
    code = error.get("code", 0)
    said, data = str(error.get("message") or ""), error.get("data")
    if isinstance(data, str) and data and not data.startswith("0x"):
        said = f"{said}: {data}" if said else data
    try:
        return said, int(code), data
    except (TypeError, ValueError):
        return said, 0, data


def _too_many(method: str, host: str, shown: str, code: int, said: str, data: Any) -> TooManyResults | None:
    # a node that gives up over a wide range says no more than that it took too long
    late = re.search(r"time.?out|timed out|deadline exceeded", said, re.IGNORECASE)
    if not (_TOO_MANY.search(said) or late or (code == -32005 and "limit" in said.lower())) or _beyond_head(said):
        return None
    error = TooManyResults(method, host, shown, code)
    if isinstance(data, dict) and "from" in data and "to" in data:
        error.suggested_range = _range(str(data["from"]), str(data["to"]))
    hint = _HINT.search(said)  # a range before that is the one that was asked for
    for found in _RANGE.finditer(said, hint.start()) if hint else ():
        error.suggested_range = error.suggested_range or _range(found[1] or found[3], found[2] or found[4])
    if error.suggested_range is None and re.search("block|range", said, re.IGNORECASE):
        blocks = _BLOCKS_AFTER.search(said) or _BLOCKS.search(said)
        n = int(re.sub(r"[,_]", "", blocks[1])) * (1000 if blocks[2] else 1) if blocks else 0
        error.max_blocks = n if n > 0 else None
    return error


def _beyond_head(said: str) -> bool:
    return re.search(r"beyond (the )?(current |latest )?(head|block)", said, re.IGNORECASE) is not None


def _range(first: str, last: str) -> tuple[int, int] | None:
    try:
        low, high = int(first, 0), int(last, 0)
    except ValueError:
        return None
    return (low, high) if low <= high else None


def _wait_s(said: str, data: Any) -> float | None:
    """Return how long a node wants to be left alone, from its words or from the data that it adds."""
    if isinstance(data, dict):
        for found in (data, data.get("rate")):
            if isinstance(found, dict):
                for name in ("backoff_seconds", "retry_after", "try_again_in"):
                    if isinstance(found.get(name), int | float) or str(found.get(name, "")).rstrip("s").replace(".", "", 1).isdigit():
                        return float(str(found[name]).rstrip("s"))
    words = _WAIT.search(said)
    if not words:
        return None
    unit = (words[2] or "s").lower()
    return float(words[1]) * (0.001 if unit.startswith(("ms", "mil")) else 60.0 if unit.startswith("m") else 1.0)


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header; a date is left to our own back-off, since clocks differ."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86_400 else None
