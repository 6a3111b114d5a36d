"""Questions that wait together are answered together; nobody waits for ever."""

import asyncio
from collections.abc import Sequence

import pytest

from arbml.serving.batching import Asked, MicroBatcher


def run(questions: Sequence[int], size: int = 10) -> tuple[list[int | BaseException], list[list[int]]]:
    """Ask all at once; negative numbers are refused, 99 breaks the whole batch."""
    batches: list[list[int]] = []

    def answer(asked: Sequence[Asked[int]]) -> list[int | Exception]:
        batches.append([one.question for one in asked])
        if 99 in batches[-1]:
            raise ZeroDivisionError
        return [ValueError(one.question) if one.question < 0 else one.question * 2 for one in asked]

    async def main() -> list[int | BaseException]:
        batcher: MicroBatcher[int, int] = MicroBatcher(answer, size)
        found = await asyncio.gather(*(batcher.ask(question, 0.0) for question in questions), return_exceptions=True)
        assert len(batcher) == 0
        return found

    return asyncio.run(main()), batches


def test_each_gets_its_own_answer_in_batches_of_at_most_ten() -> None:
    found, batches = run(range(25))
    assert found == [n * 2 for n in range(25)]
    assert [len(batch) for batch in batches] == [10, 10, 5]


def test_a_lone_question_waits_for_nobody() -> None:
    assert run([4]) == ([8], [[4]])


def test_a_refused_question_refuses_no_other() -> None:
    found, _ = run([1, -1, 2])
    assert (found[0], found[2]) == (2, 4)
    assert isinstance(found[1], ValueError)


def test_a_batch_that_breaks_tells_everybody_and_the_next_one_works() -> None:
    found, _ = run([99, 1, 2, 3], size=2)
    assert [type(one) for one in found[:2]] == [ZeroDivisionError] * 2
    assert found[2:] == [4, 6]


def test_a_client_that_left_is_not_answered() -> None:
    seen: list[int] = []

    def answer(asked: Sequence[Asked[int]]) -> list[int]:
        seen.extend(one.question for one in asked)
        return [0] * len(asked)

    async def main() -> None:
        batcher: MicroBatcher[int, int] = MicroBatcher(answer, 10)
        left = asyncio.ensure_future(batcher.ask(1, 0.0))
        stays = asyncio.ensure_future(batcher.ask(2, 0.0))
        await asyncio.sleep(0)  # both wait now, the batch is due on the next turn
        left.cancel()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await left

    asyncio.run(main())
    assert 2 in seen
