"""What only tasks can do to a client: be many at once, and be cancelled."""

import asyncio
import time

import pytest

from arbml.bot.advisor import is_absent
from arbml.bot.async_client import AsyncServiceClient
from tests.bot.net import Server, config, execution, good, opportunity, silence
from tests.serving.kit import NOW_MS, tick


def test_many_tasks_share_a_client_and_the_loop_never_stands_still() -> None:
    server = Server(good)

    async def main() -> float:
        async with AsyncServiceClient(config(server.url, timeout_ms=5000)) as client:
            longest_s = 0.0

            async def heart() -> None:
                nonlocal longest_s
                while True:
                    start_s = time.perf_counter()
                    await asyncio.sleep(0.001)
                    longest_s = max(longest_s, time.perf_counter() - start_s)

            async def work(who: int) -> None:
                for n in range(10):
                    await client.observe([tick(NOW_MS + 100 * who + n, "cheap", 2000.0)])
                    found = (await client.enhance_opportunities([opportunity(n)], [f"w{who}-{n}"]))[0]
                    assert (found.request_id, is_absent(found)) == (f"w{who}-{n}", False), found.reasons
                    await client.record_outcome(execution(f"w{who}-{n}"))

            beating = asyncio.create_task(heart())
            await asyncio.gather(*(work(who) for who in range(20)))
            beating.cancel()
            return longest_s

    longest_s = asyncio.run(main())
    settled = [body["request_id"] for path, body in server.seen if path == "/outcome"]
    server.close()
    assert sorted(settled) == sorted(f"w{who}-{n}" for who in range(20) for n in range(10))
    assert sum(len(body["ticks"]) for path, body in server.seen if path == "/observe") == 200
    assert longest_s < 0.25


@pytest.mark.parametrize("what", ["observe", "ask", "settle"])
def test_a_cancelled_task_loses_nothing_and_blocks_nobody(what: str) -> None:
    server = Server(good)

    async def main() -> None:
        client = AsyncServiceClient(config(server.url, timeout_ms=2000, breaker_failures=1, breaker_pause_ms=50))
        await client.initialize()
        server.answer = silence
        calls = {
            "observe": lambda: client.observe([tick(NOW_MS, "cheap", 2000.0)]),
            "ask": lambda: client.enhance_opportunities([opportunity()], ["r"]),
            "settle": lambda: client.record_outcome(execution("r")),
        }
        for _ in range(5):
            task = asyncio.create_task(calls[what]())
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        server.answer = good
        found = (await client.enhance_opportunities([opportunity(1)], ["next"]))[0]
        assert not is_absent(found), found.reasons
        await client.observe([])
        stats = client.get_stats()
        assert (stats["ticks"]["waiting"], stats["outcomes"]["waiting"], stats["breaker"]["opened"]) == (0, 0, 0)
        await client.close()

    asyncio.run(main())
    server.close()
    if what == "observe":
        assert server.paths().count("/observe") > 5
    if what == "settle":
        assert server.paths().count("/outcome") > 1


def test_a_service_that_hangs_holds_up_no_task_beyond_its_deadline() -> None:
    server = Server(good)

    async def main() -> float:
        client = AsyncServiceClient(config(server.url, timeout_ms=200))
        await client.initialize()
        server.answer = silence
        start_s = time.perf_counter()
        found = await asyncio.gather(*(client.enhance_opportunities([opportunity(n)], [f"r{n}"]) for n in range(50)))
        took_s = time.perf_counter() - start_s
        assert all(is_absent(one[0]) for one in found)
        await client.close()
        return took_s

    took_s = asyncio.run(main())
    server.close()
    assert took_s < 8, "one after the other they would take ten seconds"
