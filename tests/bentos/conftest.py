"""The kit of the serving tests, and the app over it as a client sees it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
import pytest

from bentos.door import Door
from bentos.http import build_app
from tests.serving.conftest import kit, trained
from tests.serving.kit import Kit

__all__ = ["kit", "trained"]


@dataclass
class Client:
    """Speaks to the app in process."""

    door: Door

    def __post_init__(self) -> None:
        self.app = build_app(self.door)

    def post(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        """POST once."""
        return self.all([lambda http: http.post(path, **({"json": json} if json is not None else {}), **more)])[0]

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Any method."""
        return self.all([lambda http: http.request(method, path, **more)])[0]

    def all(self, calls: list[Callable[[httpx.AsyncClient], Any]]) -> list[httpx.Response]:
        """Make all calls at once."""

        async def main() -> list[httpx.Response]:
            answers: dict[int, httpx.Response] = {}

            async def one(i: int) -> None:
                answers[i] = await calls[i](http)

            transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http, anyio.create_task_group() as group:
                for i in range(len(calls)):
                    group.start_soon(one, i)
            return [answers[i] for i in range(len(calls))]

        return anyio.run(main)


@pytest.fixture
def client(kit: Kit) -> Iterator[Client]:
    door = Door()
    predictor = kit.predictor()
    kit.stopwatch.step_s = 0.0
    door.open(predictor, kit.journals[0])
    yield Client(door)
    door.close()
