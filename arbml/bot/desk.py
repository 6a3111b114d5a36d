"""Between the bot and its advisor: whatever the advisor does or fails to do, the bot waits no longer than it said it would.

A thread of the desk talks to the advisor. It shows it the ticks of a shared memory in order, each once, so that whoever was
away is shown what was missed before the next question; it carries outcomes until they are taken; and a question whose time
is over is answered `absent`, at once where the advisor is known to be busy or not warm yet. With no limit (`max_wait_s` 0)
everything happens in the caller's own thread, in the order of the calls: for backtests, which must be repeatable.
"""

import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from arbml.bot.advisor import AbsentCode, Advisor, absent
from arbml.bot.memory import TickMemory
from arbml.market import Execution, Opportunity, Prediction

log = logging.getLogger(__name__)

BATCH = 500           # ticks shown at a time; a question comes in between
RETRY_S = 1.0         # pause after an outcome was not taken
MAX_OUTCOMES = 10_000
CLOSE_S = 5.0


@dataclass(eq=False, slots=True)
class _Question:
    """What was asked, and by when the answer is of use."""

    opportunities: Sequence[Opportunity]
    request_ids: Sequence[str]
    given_up: bool = False
    answered: threading.Event = field(default_factory=threading.Event)
    answers: list[Prediction] = field(default_factory=list)


class Desk:
    """One advisor's. All methods may be called from any thread, and none raises for what the advisor does.

    Args:
        advisor: who is asked.
        memory: of ticks; whoever writes to it holds `guard`.
        guard: of the memory.
        max_wait_s: longest wait of `ask`; 0 waits as long as it takes, without a thread.
        stopwatch: for latencies.
    """

    def __init__(
        self, advisor: Advisor, memory: TickMemory, guard: threading.Lock, max_wait_s: float, stopwatch: Callable[[], float]
    ) -> None:
        self.advisor = advisor
        self._memory, self._guard = memory, guard
        self._max_wait_s, self._stopwatch = max_wait_s, stopwatch
        self._wake = threading.Condition()
        self._showing = threading.Lock()
        self._questions: deque[_Question] = deque()
        self._outcomes: deque[Execution] = deque()
        self._next = 0  # number of the next tick to be shown
        self._on = self._ready = self._initialized = self._closed = False
        self._busy_since_s = math.inf
        self._retry_at_s = -math.inf
        self._counts: Counter[str] = Counter()
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="advisor-desk", daemon=True) if max_wait_s > 0 else None

    def turn_on(self) -> None:
        """Show what was missed, then all that comes, and let questions in."""
        with self._wake:
            if self._on:
                return
            self._on = True
            if self._thread is not None and not self._thread.is_alive():
                self._thread.start()
            self._wake.notify_all()
        if self._thread is None:
            self._get_ready()

    def wait_until_ready(self, timeout_s: float) -> bool:
        """Wait until it is shown all that it missed; false if that takes longer, or it is switched off."""
        with self._wake:
            return self._wake.wait_for(lambda: self._ready, timeout_s)

    def turn_off(self) -> None:
        """Show and ask nothing any more; outcomes are still carried."""
        with self._wake:
            self._on = self._ready = False

    def saw(self) -> None:
        """Say that there are new ticks in the memory."""
        if self._thread is not None:
            with self._wake:
                self._wake.notify_all()
        elif self._on:
            self._show_all()

    def ask(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str]) -> list[Prediction]:
        """Return one answer for each opportunity, within `max_wait_s`."""
        started_s = self._stopwatch()
        if why := self._hopeless(started_s):
            return self._absents(opportunities, request_ids, why, started_s)
        question = _Question(opportunities, request_ids)
        if self._thread is None:
            self._answer(question)
            return question.answers
        with self._wake:
            self._questions.append(question)
            self._wake.notify_all()
        if question.answered.wait(self._max_wait_s):
            return question.answers
        question.given_up = True
        why = AbsentCode.SERVICE_LATE.reason(f"no answer within {self._max_wait_s * 1000:.0f} ms")
        return self._absents(opportunities, request_ids, why, started_s)

    def tell(self, execution: Execution) -> None:
        """Carry an outcome to the advisor, in order, now or when it takes it."""
        with self._wake:
            if len(self._outcomes) == MAX_OUTCOMES:
                self._outcomes.popleft()
                self._counts["outcomes_lost"] += 1
            self._outcomes.append(execution)
            self._retry_at_s = -math.inf
            self._wake.notify_all()
            if self._thread is not None and not self._thread.is_alive() and not self._closed:
                self._thread.start()
        if self._thread is None or self._closed:
            self._carry()

    def figures(self) -> dict[str, Any]:
        """Return how the two get along, as plain data."""
        with self._guard:
            behind = max(0, self._memory.end - self._next)
        return {"ready": self._ready, "ticks_behind": behind, "outcomes_waiting": len(self._outcomes), **self._counts}

    def close(self, wait: bool = True) -> None:
        """Carry the outcomes that wait, once more, and end. The advisor stays open: it belongs to whoever made it."""
        with self._wake:
            self._closed, self._on, self._ready = True, False, False
            self._retry_at_s = -math.inf
            self._wake.notify_all()
        if self._thread is None or not self._thread.is_alive():
            self._carry()
        elif wait:
            self._thread.join(CLOSE_S)

    def _hopeless(self, now_s: float) -> str:
        """Return why it makes no sense to wait, "" if it does."""
        if not self._ready:
            return AbsentCode.NOT_READY.reason("it is being got ready and shown what it missed" if self._on else "switched off")
        if now_s - self._busy_since_s > self._max_wait_s > 0:
            return AbsentCode.LEFT_ALONE.reason(f"it has been busy for {now_s - self._busy_since_s:.1f} s")
        return ""

    def _absents(self, opportunities: Sequence[Opportunity], request_ids: Sequence[str], why: str, started_s: float) -> list[Prediction]:
        self._counts[f"absent_{why.partition(':')[0]}"] += len(opportunities)
        latency_ms = (self._stopwatch() - started_s) * 1000
        return [absent(one, request_id, why, latency_ms) for one, request_id in zip(opportunities, request_ids, strict=True)]

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._something_to_do():
                    left_s = self._retry_at_s - self._stopwatch()
                    self._wake.wait(max(left_s, 0.01) if self._outcomes else None)
                question = self._questions.popleft() if self._questions else None
                closed = self._closed
            if self._on and not self._ready:
                self._get_ready()
            if question is not None and not question.given_up:
                self._answer(question)
            elif self._on:
                self._show_some()
            if not self._questions:
                self._carry()
            if closed and not self._questions:
                return

    def _something_to_do(self) -> bool:
        to_show = self._on and (not self._ready or self._memory.end > self._next)
        to_carry = self._outcomes and self._stopwatch() >= self._retry_at_s
        return bool(self._closed or self._questions or to_show or to_carry)

    def _get_ready(self) -> None:
        if not self._initialized:
            self._call("initialize", self.advisor.initialize)
            self._initialized = True
        self._show_all()
        with self._wake:
            self._ready = self._on
            self._wake.notify_all()

    def _show_all(self) -> None:
        while self._on and self._show_some():
            pass

    def _show_some(self) -> bool:
        """Show the next ticks; false if there are none."""
        with self._showing:
            with self._guard:
                start = max(self._next, self._memory.oldest)
                ticks = self._memory.since(start, BATCH)
            if not ticks:
                return False
            # before the first one nothing was missed
            self._counts["ticks_lost"] += start - self._next if self._next else 0
            self._call("observe", partial(self.advisor.observe, ticks))
            self._next = start + len(ticks)
            return True

    def _answer(self, question: _Question) -> None:
        started_s = self._stopwatch()
        self._show_all()
        asked, request_ids = question.opportunities, question.request_ids
        failed: list[str] = []
        found: list[Prediction] | str | None = None
        if not self._ready:
            found = AbsentCode.NOT_READY.reason("switched off meanwhile, before all ticks were shown")
        else:
            found = self._call("judge", lambda: _read(self.advisor.enhance_opportunities(asked, request_ids), request_ids), failed)
        if found is None:
            found = AbsentCode.ADVISOR_FAILED.reason(failed[0])
        question.answers = self._absents(asked, request_ids, found, started_s) if isinstance(found, str) else found
        question.answered.set()

    def _carry(self) -> None:
        while self._outcomes and self._stopwatch() >= self._retry_at_s:
            execution = self._outcomes[0]
            failed: list[str] = []
            self._call("record an outcome", partial(self.advisor.record_outcome, execution), failed)
            if failed:
                self._retry_at_s = self._stopwatch() + RETRY_S
                return
            with self._wake:
                if self._outcomes and self._outcomes[0] is execution:
                    self._outcomes.popleft()

    def _call(self, what: str, call: Callable[[], Any], failed: list[str] | None = None) -> Any:
        """Call the advisor; None where it raises, and why in `failed`."""
        self._busy_since_s = self._stopwatch()
        try:
            return call()
        except Exception as error:  # an advisor promises not to raise; a bot does not depend on promises
            self._counts["advisor_failed"] += 1
            text = f"{type(error).__name__}: {error}"
            if f"{what} {text}" not in self._said and len(self._said) < 100:
                self._said.add(f"{what} {text}")
                log.error("the advisor could not %s: %s", what, text, exc_info=error)
            if failed is not None:
                failed.append(text)
            return None
        finally:
            self._busy_since_s = math.inf


def _read(answers: Sequence[Prediction], request_ids: Sequence[str]) -> list[Prediction] | str:
    """Return the answers, or why they are none to these questions."""
    if len(answers) != len(request_ids):
        return AbsentCode.MISREAD.reason(f"{len(answers)} answers to {len(request_ids)} questions")
    for answer, request_id in zip(answers, request_ids, strict=True):
        if answer.request_id != request_id:
            return AbsentCode.MISREAD.reason(f"the answer to '{request_id}' is one to '{answer.request_id}'")
        if not (0 <= answer.success_probability <= 1 and math.isfinite(answer.expected_profit)):
            said = f"probability {answer.success_probability}, expected profit {answer.expected_profit}"
            return AbsentCode.MISREAD.reason(f"'{request_id}': {said}")
    return list(answers)
