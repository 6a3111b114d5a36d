"""The service inside BentoML's own app, in process: its probes and documents beside our routes."""

from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest

from tests.serving.kit import Kit, opportunity


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    """BentoML's app around the service class, whose `__init__` (bundle, settings, threads) belongs to a real process."""
    from _bentoml_impl.server.app import ServiceAppFactory

    from bentos import service

    service.ArbmlService.inject_config()
    factory = ServiceAppFactory(service.ArbmlService, is_main=True)
    factory._service_instance = object.__new__(service.ArbmlService.inner)
    return factory()


def ask(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    async def main() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
            return await http.request(method, path, **more)

    return anyio.run(main)


def test_ready_only_when_warm_alive_before(app: Any, kit: Kit) -> None:
    from bentos import service

    assert [ask(app, "GET", path).status_code for path in ("/livez", "/healthz", "/readyz")] == [200, 200, 503]
    assert ask(app, "POST", "/predict", json=opportunity()).status_code == 503
    assert ask(app, "POST", "/health").json()["status"] == "starting"
    service.door.open(kit.predictor(), kit.journals[0])
    try:
        assert ask(app, "GET", "/readyz").status_code == 200
        assert ask(app, "POST", "/predict", json=opportunity()).json()["recommendation"] == "EXECUTE"
    finally:
        service.door.close()
    assert ask(app, "GET", "/readyz").status_code == 503


def test_bentoml_documents_our_routes_and_ours_replaces_its_page(app: Any) -> None:
    paths = ask(app, "GET", "/docs.json").json()["paths"]
    assert {"/predict", "/predict_many", "/observe", "/outcome", "/stats", "/health", "/models", "/clear_cache", "/readyz"} <= set(paths)
    assert paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]["pair"]
    assert "googletagmanager" not in ask(app, "GET", "/").text
    assert ask(app, "GET", "/static_content/swagger-ui.css").status_code == 200
    assert ask(app, "GET", "/nothing").status_code == 404


def test_the_worker_setup_is_the_measured_one(app: Any) -> None:
    from bentos import service

    config = service.ArbmlService.config
    assert (config["workers"], config["traffic"]["timeout"]) == (1, 2)
