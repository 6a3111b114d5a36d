"""Reads a request's body: bounded in size, time and kind."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from bentos.errors import NotAcceptable

MAX_BODY_BYTES = 1024 * 1024
MAX_READ_S = 1.5  # below BentoML's own timeout, so that a slow client gets 408 and not 504


async def read_body(request: Request) -> bytes:
    """Return the whole body.

    Raises:
        NotAcceptable: 413 if it is too long, whether announced or not; 415 if it is not plain JSON; 408 if it comes too
            slowly; 400 if the client left.
    """
    _check_type(request)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(MAX_READ_S):
            return await _read(request)
    except TimeoutError:
        raise NotAcceptable(408, "too_slow", f"the body was not there after {MAX_READ_S:g} s", "send it in one go") from None
    except ClientDisconnect:
        raise NotAcceptable(400, "disconnected", "the client left before the body was complete", "send it again") from None


async def _read(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def _check_type(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise NotAcceptable(415, "wrong_encoding", f"Content-Encoding '{encoding[:40]}' is not read", "send the body uncompressed")
    kind, _, parameters = request.headers.get("content-type", "application/json").partition(";")
    charset = parameters.replace('"', "").replace(" ", "").lower().partition("charset=")[2].partition(";")[0]
    if kind.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8"):
        given = request.headers.get("content-type", "")[:80]
        mend = "send Content-Type: application/json in UTF-8"
        raise NotAcceptable(415, "wrong_content_type", f"Content-Type '{given}' is not read", mend)


def _too_large() -> NotAcceptable:
    return NotAcceptable(413, "too_large", f"the body is longer than {MAX_BODY_BYTES} bytes", "send it in several requests")
