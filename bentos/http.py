"""The HTTP face of the service: an ASGI app that BentoML mounts, twice as fast as BentoML's own endpoints.

Each route is one line of `ROUTES`: what it reads, what it answers, and the method of the door that does it. FastAPI is there
for OpenAPI; bodies are read and checked by `arbml.serving.requests`, which is stricter than FastAPI and names the field.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from arbml import __version__
from arbml.clock import stopwatch_s
from arbml.serving import answers, requests, schemas
from bentos.body import read_body
from bentos.door import Door
from bentos.errors import error_body, problem_of

log = logging.getLogger(__name__)

Handler = Callable[[Door, Any, float], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route: POST `path` with `reads`, answered with `gives` by `handler(door, request, arrived_s)`."""

    path: str
    reads: type[schemas.Request]
    gives: type[answers.Answer]
    handler: Handler
    summary: str


ROUTES: tuple[Endpoint, ...] = (
    Endpoint("/predict", schemas.OpportunityRequest, answers.PredictionAnswer, Door.predict, "Judge one opportunity"),
    Endpoint("/predict_many", schemas.PredictManyRequest, answers.PredictManyAnswer, Door.predict_many, "Judge several opportunities"),
    Endpoint("/observe", schemas.ObserveRequest, answers.ObserveAnswer, Door.observe, "Take in ticks"),
    Endpoint("/outcome", schemas.OutcomeRequest, answers.OutcomeAnswer, Door.outcome, "What became of a prediction"),
    Endpoint("/stats", schemas.EmptyRequest, answers.StatsAnswer, Door.stats, "Throughput, latency, rates and counts"),
    Endpoint("/health", schemas.EmptyRequest, answers.HealthAnswer, Door.health, "What works, and what does not"),
    Endpoint("/models", schemas.EmptyRequest, answers.ModelsAnswer, Door.models, "Who answers which question"),
    Endpoint("/clear_cache", schemas.EmptyRequest, answers.ClearCacheAnswer, Door.clear_cache, "Forget the answers of the last second"),
)


def build_app(door: Door) -> FastAPI:
    """Return the app over `door`. Its OpenAPI document is at /openapi.json, and in BentoML's /docs.json."""
    app = FastAPI(title="arbml", version=__version__, docs_url=None, redoc_url=None, exception_handlers={HTTPException: _unknown})
    for endpoint in ROUTES:
        app.add_api_route(
            endpoint.path,
            _route(endpoint, door),
            methods=["POST"],
            summary=endpoint.summary,
            description=endpoint.gives.__doc__ or "",
            operation_id=endpoint.path[1:],
            response_class=Response,
            responses={
                200: {"model": endpoint.gives, "description": "done"},
                **{status: {"model": answers.ErrorAnswer, "description": text} for status, text in _REFUSALS.items()},
            },
            openapi_extra={"requestBody": {"content": {"application/json": {"schema": inline_schema(endpoint.reads)}}}},
        )
    for path in ("/", "/docs"):
        app.router.routes.append(Route(path, _documentation, methods=["GET"]))
    return app


PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>arbml {__version__}</title>
<link rel="stylesheet" href="static_content/swagger-ui.css"></head><body><div id="documentation"></div>
<noscript>POST {", ".join(endpoint.path for endpoint in ROUTES)}; the schemas are in <a href="openapi.json">openapi.json</a></noscript>
<script src="static_content/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({{url: "openapi.json", dom_id: "#documentation", validatorUrl: null}})</script></body></html>
"""


async def _documentation(_: Request) -> Response:
    """The documentation, drawn by what BentoML has on board; BentoML's own page also loads a tracker from elsewhere."""
    return Response(PAGE, media_type="text/html")


_REFUSALS: dict[int | str, str] = {
    409: "the request id was used for something else",
    413: "too long",
    415: "not JSON",
    422: "a field is wrong; the answer names it",
    503: "starting or stopping",
}


def inline_schema(model: type[schemas.Request]) -> dict[str, Any]:
    """Return the JSON schema of a request without references, because its parts have no place among the document's."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return resolve(parts[node["$ref"].rpartition("/")[2]])
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(item) for item in node] if isinstance(node, list) else node

    return resolve(schema)


def _route(endpoint: Endpoint, door: Door) -> Callable[[Request], Awaitable[Response]]:
    async def route(request: Request) -> Response:
        arrived_s = stopwatch_s()
        try:
            asked = requests.parse(endpoint.reads, requests.decode(await read_body(request)))
            return _json(await endpoint.handler(door, asked, arrived_s))
        except Exception as error:  # the table knows every error there is
            return _refusal(error, door, endpoint.path)

    return route


def _refusal(error: Exception, door: Door, path: str) -> Response:
    problem = problem_of(error)
    door.refused(problem.code, problem.blame)
    if problem.status == 500:
        log.error("%s failed", path, exc_info=error)
    headers = {"Retry-After": "1"} if problem.status == 503 else {}
    if problem.status in (400, 408, 413):
        headers["Connection"] = "close"  # the rest of the body was not read
    return _json(error_body(error), problem.status, headers)


async def _unknown(_: Request, error: Exception) -> Response:
    """What Starlette itself refuses, such as GET on a POST route."""
    assert isinstance(error, HTTPException)
    body = {"code": "not_allowed", "field": "", "message": str(error.detail), "mend": "see /openapi.json"}
    return _json({"error": body}, error.status_code, dict(error.headers or {}))


def _json(content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")
