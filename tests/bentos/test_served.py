"""End to end: a Bento is built, served over HTTP as a process, loaded, ended, killed and started again."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from arbml.clock import SystemClock
from arbml.errors import ModelFileError, ServiceError
from arbml.serving import answers
from bentos.packaging import BuiltBento, build_bento, requirements
from bentos.serving_process import ServiceProcess, served
from tests.serving.kit import PAIR, Kit, Trained, market, opportunity
from tests.waiting import until

pytestmark = pytest.mark.slow

AGED = {"ML_INFERENCE__MAX_MODEL_AGE_HOURS": "1000000"}  # the kit's models are of 2024
NAMES = ("ts_ms", "venue", "pair", "price", "fee_bps", "volume", "gas_price_gwei", "reserve_base", "reserve_quote")


@dataclass(frozen=True)
class Built:
    bento: BuiltBento
    home: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Iterator[Built]:
    root = tmp_path_factory.mktemp("built")
    kit = Kit(root, trained)
    bundle = kit.bundle()
    bento = build_bento(bundle, root / "home", version="test1")
    for path in sorted(bundle.rglob("*"), reverse=True):  # nothing of it may be needed any more
        path.unlink() if path.is_file() else path.rmdir()
    yield Built(bento, root / "home")
    kit.restart()


def live_ticks() -> list[dict[str, Any]]:
    return [{name: getattr(tick, name) for name in NAMES} for tick in market(SystemClock().now_ms(), n=150)]


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def worker(process: ServiceProcess) -> int:
    found = [pid for pid in children(process.pid) if "_bentoml_impl.worker.service" in Path(f"/proc/{pid}/cmdline").read_text()]
    return found[0]


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def journal_ids(home: Path) -> list[str]:
    found = []
    for file in sorted((home / "journal").rglob("*.jsonl")):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            if record["kind"] == "prediction":
                found.append(record["record"]["prediction"]["request_id"])
    return found


def test_the_whole_life_of_a_service(built: Built, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = ServiceProcess(built.bento, home, environment=AGED).start()
    try:
        with httpx.Client(base_url=process.url, timeout=10) as http:
            _speaks(http, built.bento)
            _carries_no_training_library(process)
            asyncio.run(_load(process.url))
            stats = http.post("/stats").json()
            assert stats["predictions"] >= 200
            assert stats["error_rate"] == 0
    finally:
        code = process.stop()
    assert code == 0, process.log_tail()
    told = journal_ids(home)
    assert len(set(told)) == len(told) >= 201
    with served(built.bento, home) as url, httpx.Client(base_url=url, timeout=10) as http:
        again = http.post("/predict", json=opportunity(request_id="first", amount_in=1234.5))
        assert again.status_code == 200
        assert again.json()["ts_ms"] < SystemClock().now_ms() - 1000, "the answer of before the restart"
        outcome = http.post("/outcome", json={"request_id": "load-7", "result": "success"}).json()
        assert outcome == {"request_id": "load-7", "joined": True, "duplicate": False}
        assert http.post("/outcome", json={"request_id": "first", "result": "reverted"}).json()["duplicate"]
    assert journal_ids(home) == told


def _speaks(http: httpx.Client, bento: BuiltBento) -> None:
    health = http.post("/health").json()
    assert health["code_path"] == str(bento.source / "arbml"), "the Bento runs its own code, not the checkout's"
    assert health["heavy_modules"] == []
    system = ("/healthz", "/livez", "/readyz", "/metrics", "/docs.json", "/openapi.json", "/docs", "/static_content/swagger-ui.css")
    for path in system:
        assert http.get(path).status_code == 200, path
    assert "/predict" in http.get("/docs.json").json()["paths"]
    assert http.post("/observe", json={"ticks": live_ticks()}).json()["accepted"] == 300
    response = http.post("/predict", json=opportunity(request_id="first", amount_in=1234.5))
    answer = answers.PredictionAnswer.model_validate(response.json())
    assert (answer.variant, answer.recommendation) == ("champion", "EXECUTE"), answer.reasons
    assert answer.model_versions == {"lstm": "7", "scorer": "7", "volatility": "7"}
    assert http.post("/outcome", json={"request_id": "first", "result": "reverted"}).json()["joined"]
    assert http.post("/predict", json=opportunity(pair="NEW/USDC")).status_code == 422
    assert http.post("/predict", content=b"{", headers={"content-type": "application/json"}).status_code == 422
    assert http.get("/predict").status_code == 405
    assert 'endpoint="/predict"' in http.get("/metrics").text


def _carries_no_training_library(process: ServiceProcess) -> None:
    mapped = Path(f"/proc/{worker(process)}/maps").read_text()
    assert "onnxruntime" in mapped, "the worker was found"
    for library in ("tensorflow", "sklearn", "arch/univariate", "matplotlib"):
        assert f"site-packages/{library}" not in mapped


async def _load(url: str) -> None:
    """200 requests, 20 at a time."""
    gate = asyncio.Semaphore(20)
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:

        async def one(n: int) -> httpx.Response:
            async with gate:
                return await http.post("/predict", json=opportunity(request_id=f"load-{n}", amount_in=100.0 + n))

        responses = await asyncio.gather(*(one(n) for n in range(200)))
    assert [response.status_code for response in responses] == [200] * 200
    assert [response.json()["request_id"] for response in responses] == [f"load-{n}" for n in range(200)]


def test_it_runs_without_checkout_and_takes_its_settings_from_the_environment(built: Built, tmp_path: Path) -> None:
    """As on another machine: another folder, code of the same names lying in wait in the working directory and on PYTHONPATH."""
    (tmp_path / "arbml.py").write_text("raise SystemExit('imported from the working directory')")
    before, search = Path.cwd(), os.environ.get("PYTHONPATH")
    os.chdir(tmp_path)
    os.environ["PYTHONPATH"] = str(tmp_path)
    try:
        (tmp_path / ".env").write_text("ML_SCORER_ENABLED=false\nML_INFERENCE__MAX_MODEL_AGE_HOURS=1\n")
        with served(built.bento, Path("home"), environment=AGED) as url, httpx.Client(base_url=url) as http:
            health = http.post("/health").json()
            assert health["code_path"] == str(built.bento.source / "arbml")
            assert health["journal"]["lane"] == str(tmp_path / "home" / "journal" / "lane-0")
            http.post("/observe", json={"ticks": live_ticks()})
            answer = http.post("/predict", json=opportunity()).json()
            assert answer["recommendation"] == "QUEUE"
            assert answer["reasons"][0] == "model_missing: scorer is switched off", "from .env; and the environment won over it for the age"
    finally:
        os.chdir(before)
        os.environ.pop("PYTHONPATH")
        os.environ.update({"PYTHONPATH": search} if search is not None else {})


def test_a_killed_worker_loses_no_answer_and_comes_back_and_a_killed_server_takes_it_along(built: Built, tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = ServiceProcess(built.bento, home).start()
    told: list[dict[str, Any]] = []
    try:
        with httpx.Client(base_url=process.url, timeout=5) as http, contextlib.suppress(httpx.HTTPError):
            http.post("/observe", json={"ticks": live_ticks()})
            for n in range(100_000):
                told.append(http.post("/predict", json=opportunity(request_id=f"k{n}", amount_in=1.0 + n)).json())
                if n == 300:
                    os.kill(worker(process), signal.SIGKILL)
        assert len(told) > 300
        assert journal_ids(home)[: len(told)] == [answer["request_id"] for answer in told]
        until(lambda: ready(process.url), 60)
        again = httpx.post(f"{process.url}/predict", json=opportunity(request_id="k7", amount_in=8.0))
        assert again.json() == told[7]
        orphan = worker(process)
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not alive(orphan), 15)
    finally:
        process.stop()


def test_no_process_outlives_its_parent(built: Built, tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from bentos.packaging import BuiltBento
from bentos.serving_process import ServiceProcess
process = ServiceProcess(BuiltBento("arbml:test1", Path({str(built.bento.path)!r})), Path({str(tmp_path / "home")!r})).start()
print(process.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    family = [server, *children(server)]
    assert len(family) > 1
    parent.kill()
    parent.wait()
    until(lambda: not any(alive(pid) for pid in family), 15)


def test_a_service_that_cannot_start_says_why_and_leaves_nothing(built: Built, tmp_path: Path) -> None:
    process = ServiceProcess(built.bento, tmp_path, environment={"ML_NO_SUCH": "1"})
    with pytest.raises(ServiceError, match="ML_NO_SUCH: no such setting"):
        process.start(timeout_s=60)
    assert not alive(process.pid)
    with pytest.raises(ServiceError, match="no built Bento there; build one: arbml build"):
        ServiceProcess(BuiltBento("arbml:none", tmp_path), tmp_path).start()


def test_the_bento_pins_what_it_needs_and_nothing_of_training(built: Built) -> None:
    listed = requirements()
    assert all("==" in line for line in listed)
    assert any(line.startswith("onnxruntime==") for line in listed)
    assert not [line for line in listed if line.startswith(("tensorflow", "scikit-learn", "mlflow", "arch", "prefect"))]
    written = "".join(path.read_text() for path in (built.bento.path / "env").rglob("requirements*.txt"))
    assert all(line in written for line in listed)
    assert (built.bento.path / "env" / "docker" / "Dockerfile").is_file()
    assert PAIR in (built.bento.source / "bundle" / "ticks.json").read_text()


def test_a_damaged_bundle_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError):
        build_bento(tmp_path, tmp_path / "home")
