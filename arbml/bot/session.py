"""What the blocking and the asynchronous client share: all that they keep, and every decision. No network; see `arbml.bot.link`."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import orjson

from arbml.bot.advisor import AbsentCode, absent
from arbml.bot.breaker import CircuitBreaker, State
from arbml.bot.delivery import Delivery
from arbml.bot.link import Fault, Link, Refusal, Send, Talk, Told
from arbml.bot.reading import read_object, read_prediction, read_predictions
from arbml.bot.requests import to_json, to_request
from arbml.clock import Clock
from arbml.config import ClientConfig
from arbml.errors import InvalidRequest, RequestError
from arbml.market import Execution, Opportunity, Prediction, Tick

log = logging.getLogger(__name__)

MAX_QUESTIONS = 100  # in one request
CATCH_UP = 0.2       # part of the time-out that observing may spend on outcomes that wait
_WINDOW = 1000


class Session:
    """One bot's talk with one service.

    Args:
        config: time-outs, breaker, buffers.
        clock: for what is ahead of its time.
        stopwatch: for deadlines and latencies, s.
        strict: a refusal is raised, not told as an absent answer.
    """

    def __init__(self, config: ClientConfig, clock: Clock, stopwatch: Callable[[], float], strict: bool) -> None:
        breaker = CircuitBreaker(config.breaker_failures, config.breaker_pause_ms / 1000, stopwatch)
        self.link = Link(breaker, config.retries, stopwatch)
        self.delivery = Delivery(self.link, config, clock, stopwatch)
        self.strict = strict
        self._config = config
        self._stopwatch = stopwatch
        self._closed_because = "not initialized yet"  # "" while open
        self._service: dict[str, Any] = {}
        self._asked = 0
        self._variants: Counter[str] = Counter()
        self._recommendations: Counter[str] = Counter()
        self._absent: Counter[str] = Counter()
        self._latencies_ms: deque[float] = deque(maxlen=_WINDOW)

    @property
    def open(self) -> bool:
        """Whether anything may be sent."""
        return not self._closed_because

    def deadline_s(self, part: float = 1.0) -> float:
        """Return until when a call that begins now may last, on the stopwatch."""
        return self._stopwatch() + part * self._config.timeout_ms / 1000

    def drain_deadline_s(self) -> float:
        """Return until when closing may last."""
        return self._stopwatch() + self._config.drain_ms / 1000

    def left_s(self, deadline_s: float) -> float:
        """Return the time until a deadline, s, never negative."""
        return max(0.0, deadline_s - self._stopwatch())

    def begin(self) -> None:
        """Let everything through from now on; a client that was closed stays so."""
        if self._closed_because != "closed":
            self._closed_because = ""

    def end(self) -> None:
        """Let nothing through any more."""
        self._closed_because = "closed"

    def greet(self) -> Talk[None]:
        """Ask who is there, and who answers which question."""
        health = yield from self._fetch("/health")
        if health.get("status") in ("ok", "degraded"):
            models = yield from self._fetch("/models")
            self._service = {"health": health, **models}

    def figures(self) -> Talk[dict[str, Any]]:
        """Ask for the service's own figures; {} if there is no answer."""
        return (yield from self._fetch("/stats"))

    def take(self, ticks: Sequence[Tick]) -> None:
        """Queue ticks. Raises InvalidRequest for one that cannot be, if strict, after the others were queued."""
        why = self.delivery.take(ticks)
        if why and self.strict:
            raise InvalidRequest(why, "ticks", "the other ticks are on their way")

    def note(self, execution: Execution) -> None:
        """Queue an outcome. Raises InvalidRequest if it is none that the service takes, if strict."""
        try:
            self.delivery.note(execution)
        except InvalidRequest as error:
            self.delivery.lose("outcomes_refused", 1, f"outcome of '{execution.request_id}': {error}")
            if self.strict:
                raise

    def settle(self, request_id: str, deadline_s: float) -> Talk[None]:
        """Send outcomes. Raises if that of `request_id` is refused, if strict."""
        refused = yield from self.delivery.send_outcomes(deadline_s)
        if self.strict and request_id in refused:
            raise refused[request_id].error()

    def drain(self, deadline_s: float) -> Talk[None]:
        """Send the outcomes that are left, for the last time; what cannot be sent is lost, and said."""
        yield from self.delivery.send_outcomes(deadline_s, force=True)
        if left := len(self.delivery.outcomes):
            log.error("%d outcomes could not be sent: %s", left, self.link.last_fault or "no time")

    def judge(
        self, questions: Sequence[tuple[Opportunity, str]], deadline_s: float, started_s: float, behind: Fault | None
    ) -> Talk[list[Prediction]]:
        """Return a prediction for each question.

        Args:
            questions: opportunities and their request ids.
            deadline_s: on the stopwatch; what is not answered then is absent.
            started_s: when the bot asked.
            behind: why the service does not know all ticks yet; then it is not asked.
        """
        answers: list[Prediction | str] = [""] * len(questions)
        unasked = AbsentCode.NOT_READY.reason(self._closed_because) if not self.open else ""
        fault = self.link.left_alone() or behind
        if unasked or fault is not None:
            answers = [unasked or (fault.reason if fault else "")] * len(questions)
        else:
            bodies = self._bodies(questions, answers)
            for chunk in _chunks(list(bodies)):
                yield from self._ask(questions, chunk, bodies, answers, deadline_s)
        return self._told(questions, answers, started_s)

    def stats(self) -> dict[str, Any]:
        """Return what happened so far; asks nobody."""
        latencies = sorted(self._latencies_ms)
        delivery, breaker = self.delivery, self.link.breaker
        lost = delivery.ticks.dropped + delivery.counts["ticks_lost"]
        outcomes_lost = delivery.outcomes.dropped + delivery.counts["outcomes_lost"]
        return {
            "ready": self.open and self.link.reached and breaker.state is State.CLOSED,
            "problems": self._problems(),
            "url": self._config.url,
            "models": self._service.get("models", {}),
            "service": self._service,
            "predictions": self._asked,
            "variants": dict(self._variants),
            "recommendations": dict(self._recommendations),
            "absent": dict(self._absent),
            "latency_ms": {
                **{f"p{q}": latencies[(len(latencies) - 1) * q // 100] if latencies else None for q in (50, 95, 99)},
                "max": latencies[-1] if latencies else None,
            },
            "requests": self.link.counts["requests"],
            "retries": self.link.counts["retries"],
            "breaker": {"state": breaker.state.value, "opened": breaker.opened, "wait_ms": breaker.wait_s * 1000},
            "ticks": {"waiting": len(delivery.ticks), "lost": lost, **_of(delivery.counts, "ticks_", "lost")},
            "outcomes": {"waiting": len(delivery.outcomes), "lost": outcomes_lost, **_of(delivery.counts, "outcomes_", "lost")},
            "last_refusal": delivery.last_refusal,
        }

    def _problems(self) -> list[str]:
        found = []
        if not self.open:
            found.append(AbsentCode.NOT_READY.reason(self._closed_because))
        elif self.link.last_fault:
            found.append(self.link.last_fault)
        if self.delivery.ticks:
            found.append(f"ticks_waiting: {len(self.delivery.ticks)} ticks wait for the service")
        if self.delivery.outcomes:
            found.append(f"outcomes_waiting: {len(self.delivery.outcomes)} outcomes wait for the service")
        return found

    def _fetch(self, path: str) -> Talk[dict[str, Any]]:
        told: Told[dict[str, Any]] = yield from self.link.ask(Send(path, b"{}", self.deadline_s()), read_object)
        return told if isinstance(told, dict) else {}

    def _bodies(self, questions: Sequence[tuple[Opportunity, str]], answers: list[Prediction | str]) -> dict[int, bytes]:
        """What to send, by place; a question that cannot be put is answered with why."""
        bodies = {}
        for i, question in enumerate(questions):
            try:
                bodies[i] = orjson.dumps(to_json(to_request(*question)))
            except RequestError as error:
                if self.strict:
                    raise
                answers[i] = AbsentCode.REFUSED.reason(str(error))
        return bodies

    def _ask(
        self,
        questions: Sequence[tuple[Opportunity, str]],
        chunk: list[int],
        bodies: dict[int, bytes],
        answers: list[Prediction | str],
        deadline_s: float,
    ) -> Talk[None]:
        """Ask about the questions at the places of `chunk`; one that is refused is left out, and the others asked again."""
        while chunk:
            asked = [questions[i] for i in chunk]
            if len(chunk) == 1:
                send = Send("/predict", bodies[chunk[0]], deadline_s)
                told = yield from self.link.ask(send, partial(_only_one, question=asked[0]))
            else:
                body = b'{"opportunities":[' + b",".join(bodies[i] for i in chunk) + b"]}"
                told = yield from self.link.ask(Send("/predict_many", body, deadline_s), partial(read_predictions, questions=asked))
            if isinstance(told, list):
                for i, prediction in zip(chunk, told, strict=True):
                    answers[i] = prediction
                return
            if isinstance(told, Fault):
                for i in chunk:
                    answers[i] = told.reason
                return
            chunk = self._without_refused(chunk, told, answers)

    def _without_refused(self, chunk: list[int], told: Refusal, answers: list[Prediction | str]) -> list[int]:
        """Answer what was refused; return what is left to ask."""
        if self.strict:
            raise told.error()
        wrong = range(len(chunk)) if told.place is None or told.place >= len(chunk) else [told.place]
        for at in wrong:
            answers[chunk[at]] = told.reason
        return [i for at, i in enumerate(chunk) if at not in wrong]

    def _told(
        self, questions: Sequence[tuple[Opportunity, str]], answers: Sequence[Prediction | str], started_s: float
    ) -> list[Prediction]:
        took_ms = (self._stopwatch() - started_s) * 1000
        self._latencies_ms.append(took_ms)
        self._asked += len(questions)
        told = []
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, str):
                self._absent[answer.partition(":")[0]] += 1
                answer = absent(*question, answer, took_ms)
            self._variants[answer.variant.value] += 1
            self._recommendations[answer.recommendation.value] += 1
            told.append(answer)
        return told


def _only_one(data: Any, question: tuple[Opportunity, str]) -> list[Prediction]:
    return [read_prediction(data, question)]


def _chunks(places: list[int]) -> Iterator[list[int]]:
    for i in range(0, len(places), MAX_QUESTIONS):
        yield places[i : i + MAX_QUESTIONS]


def _of(counts: Counter[str], prefix: str, but: str) -> dict[str, int]:
    return {name.removeprefix(prefix): n for name, n in counts.items() if name.startswith(prefix) and name != prefix + but}
