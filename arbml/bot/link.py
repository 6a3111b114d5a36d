"""One question to the service and what came of it, without any network: what to send, when to try again, what an answer is.

Conversations are generators. They yield a `Send`, and are sent a `Reply` or a `Fault`; whoever drives them does the network
(`arbml.bot.wire`), blocking or not, so that the two clients say and decide the same by construction.
"""

import re
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar, Union

import orjson

from arbml.bot.advisor import AbsentCode
from arbml.bot.breaker import CircuitBreaker
from arbml.errors import InvalidRequest, RequestConflict, RequestError

SHOWN = 120  # characters of what came back, in messages


@dataclass(frozen=True, slots=True)
class Send:
    """POST `body` to `path`; no word of the answer is awaited after `deadline_s` on the stopwatch."""

    path: str
    body: bytes
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no answer.

    Attributes:
        code: for the reason that the bot is told.
        detail: one line.
        broken: the connection broke under way, as an idle one may at any time: worth another try at once.
        answered: the service is alive and said that it cannot do this now.
        status: of the answer, if there was one; 500: it broke down over this very request.
    """

    code: AbsentCode
    detail: str
    broken: bool = False
    answered: bool = False
    status: int = 0

    @property
    def reason(self) -> str:
        """As a reason of an answer, "code: detail"."""
        return self.code.reason(self.detail)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The service understood, and refuses: the request is wrong."""

    status: int
    field: str
    message: str
    mend: str

    @property
    def reason(self) -> str:
        """As a reason of an answer, "code: detail"."""
        where = f"{self.field}: " if self.field else ""
        return AbsentCode.REFUSED.reason(f"{where}{self.message}" + (f"; {self.mend}" if self.mend else ""))

    @property
    def place(self) -> int | None:
        """Which of several opportunities is refused; None for the request as a whole."""
        found = _PLACE.match(self.field)
        return int(found[1]) if found else None

    def error(self) -> RequestError:
        """As an error to raise."""
        kind = RequestConflict if self.status == 409 else InvalidRequest
        return kind(self.message, self.field, self.mend)


_PLACE = re.compile(r"opportunities\[(\d+)\]")

T = TypeVar("T")
Talk = Generator[Send, Reply | Fault, T]
Told = Union[T, Refusal, Fault]  # noqa: UP007  (an alias with a type variable)


class Link:
    """Asks by the rules: through the breaker, again after a broken connection, and only an answer that can be used counts.

    Args:
        breaker: shared by all questions.
        retries: further tries after a broken connection, with the same bytes: request ids make that safe.
        stopwatch: seconds.
    """

    def __init__(self, breaker: CircuitBreaker, retries: int, stopwatch: Callable[[], float]) -> None:
        self.breaker = breaker
        self.counts: Counter[str] = Counter()
        self.last_fault = ""   # "" while it answers
        self.reached = False   # it answered at least once
        self._retries = retries
        self._stopwatch = stopwatch

    def ask(self, send: Send, read: Callable[[Any], T], force: bool = False) -> Talk[Told[T]]:
        """Return what `read` made of the answer, or why there is none.

        Args:
            send: what to send, until when.
            read: checks the JSON of an answer; raises KeyError, TypeError or ValueError if it is none.
            force: also while the breaker says no.
        """
        permit = self.breaker.admit()
        if permit is None and not force:
            return self.left_alone() or Fault(AbsentCode.LEFT_ALONE, self.last_fault)
        try:
            told = yield from self._tried(send, read)
        except BaseException:  # whoever asked was cancelled: a probe must not be out for ever
            self.breaker.abandoned(permit)
            raise
        if isinstance(told, Fault) and not told.answered:
            self.last_fault = told.reason
            self.breaker.failed(permit)
        else:
            self.last_fault, self.reached = "", True
            self.breaker.succeeded(permit)
        return told

    def left_alone(self) -> Fault | None:
        """Return why nobody may ask now; None if somebody may, or tries just now."""
        wait_s = self.breaker.wait_s
        if wait_s == 0.0:
            return None
        return Fault(AbsentCode.LEFT_ALONE, f"asked again in {wait_s * 1000:.0f} ms, since {self.last_fault}")

    def _tried(self, send: Send, read: Callable[[Any], T]) -> Talk[Told[T]]:
        self.counts["requests"] += 1
        told = _understood((yield send), read)
        for _ in range(self._retries):
            if not (isinstance(told, Fault) and told.broken) or self._stopwatch() >= send.deadline_s:
                break
            self.counts["retries"] += 1
            told = _understood((yield send), read)
        return told


def _understood(reply: Reply | Fault, read: Callable[[Any], T]) -> Told[T]:
    """Tell an answer from a refusal from anything else."""
    if isinstance(reply, Fault):
        return reply
    try:
        data = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return _no_answer(reply, "no JSON")
    if reply.status == 200:
        try:
            return read(data)
        except (KeyError, TypeError, ValueError) as error:
            return Fault(AbsentCode.MISREAD, f"no such answer is known: {type(error).__name__} {str(error)[:SHOWN]}")
    return _refused(reply, data)


def _refused(reply: Reply, data: Any) -> Refusal | Fault:
    """A refusal says so in the service's own form; the same status from somebody else is none."""
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return _no_answer(reply, "not in the service's form")
    code, field, message, mend = (str(error.get(name, ""))[: 2 * SHOWN] for name in ("code", "field", "message", "mend"))
    if reply.status in (409, 413, 415, 422):
        return Refusal(reply.status, field, message, mend)
    answered = (reply.status, code) == (503, "store_unavailable")  # alive, but a full disk keeps it from writing
    return Fault(AbsentCode.SERVICE_GONE, f"it answered {reply.status} {code}: {message}", answered=answered, status=reply.status)


def _no_answer(reply: Reply, what: str) -> Fault:
    shown = reply.body[:40].decode("utf-8", "replace")
    code = AbsentCode.MISREAD if reply.status < 500 else AbsentCode.SERVICE_GONE
    return Fault(code, f"it answered {reply.status}, {what}: {shown!r}", status=reply.status)
