"""Questions that arrive together are answered together: one call of the forest for up to ten rows.

No timer holds anybody back: what waits when the event loop comes round is one batch, so that a lone question pays one turn
of the loop and nothing else. Between two batches the loop serves everybody else.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Asked(Generic[Q]):
    """A question and when it arrived, on `stopwatch_s`, so that the time in the queue counts."""

    question: Q
    arrived_s: float


class MicroBatcher(Generic[Q, A]):
    """Collects questions of one event loop.

    Args:
        answer: answers a batch; for each question its answer or the error to raise for it.
        size: most questions of one batch.
    """

    def __init__(self, answer: Callable[[Sequence[Asked[Q]]], Sequence[A | Exception]], size: int) -> None:
        self._answer = answer
        self._size = size
        self._waiting: deque[tuple[Asked[Q], asyncio.Future[A]]] = deque()
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(self, question: Q, arrived_s: float) -> A:
        """Wait for the answer. Raises what `answer` gave for this question."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((Asked(question, arrived_s), future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._drain, loop)
        return await future

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
        batch = [(asked, future) for asked, future in batch if not future.done()]  # a client that left
        try:
            answers: Sequence[A | Exception] = self._answer([asked for asked, _ in batch]) if batch else []
        except Exception as error:  # one question's fault must not leave the others waiting for ever
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            loop.call_soon(self._drain, loop)
