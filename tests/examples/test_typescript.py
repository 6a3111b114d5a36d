"""The TypeScript example: its types are those of the service, it compiles strictly, and it keeps its promises when it runs."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arbml.clock import FixedClock, SystemClock
from bentos.door import Door
from tests.bot.net import Server, free_port, good, half, hang_up, http, says, serving, silence, told
from tests.examples.openapi_types import TARGET, typescript
from tests.serving.conftest import kit, trained
from tests.serving.kit import PAIR, Kit, lines, market, with_inference

__all__ = ["kit", "trained"]

SOURCE = TARGET.parent
TSC = SOURCE / "node_modules" / "typescript" / "bin" / "tsc"
HERE = Path(__file__).parent
LEGS = [{"venue": "cheap", "side": "buy"}, {"venue": "dear", "side": "sell"}]

NPM = shutil.which("node") is not None and shutil.which("npm") is not None
WHY = "examples/typescript is not installed; run: npm ci --prefix examples/typescript" if NPM else "npm is absent"
needs_typescript = pytest.mark.skipif(not (NPM and TSC.exists()), reason=WHY)


def tsc(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["node", str(TSC), *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as JavaScript."""
    folder = tmp_path_factory.mktemp("typescript")
    done = tsc("--project", SOURCE, "--outDir", folder)
    assert done.returncode == 0, done.stdout
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


class TsClient:
    """The TypeScript client in a Node process, called line by line."""

    def __init__(self, compiled: Path, url: str, **options: Any) -> None:
        command = ["node", str(HERE / "drive.mjs"), str(compiled / "arbml.js"), json.dumps({"url": url, **options})]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, name: str, *arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": name, "args": arguments}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def predict(self, n: int = 0) -> dict[str, Any]:
        return self.call("predict", {"request_id": f"r{n}", "pair": PAIR, "legs": LEGS, "amount_in": 1000.0 + n})

    def stop(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(10)


@pytest.fixture
def client(compiled: Path) -> Iterator[Callable[..., TsClient]]:
    made: list[TsClient] = []

    def make(url: str, **options: Any) -> TsClient:
        made.append(TsClient(compiled, url, **options))
        return made[-1]

    yield make
    assert [one.stop() for one in made] == [0] * len(made)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(good)
    yield made
    made.close()


def ticks(n: int, start: int = 0) -> list[dict[str, Any]]:
    now_ms = SystemClock().now_ms() - 10_000
    return [{"ts_ms": now_ms + start + i, "venue": "cheap", "pair": PAIR, "price": 2000.0} for i in range(n)]


def test_its_types_are_those_of_the_service() -> None:
    assert TARGET.read_text(encoding="utf-8") == typescript(), "write them anew: python -m tests.examples.openapi_types"


def test_the_lock_pins_everything_and_names_no_host() -> None:
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    package = json.loads((SOURCE / "package.json").read_text())
    assert "dependencies" not in package, "nothing is needed at run time"
    for name, one in lock["packages"].items():
        assert "resolved" not in one
        assert name == "" or one["integrity"].startswith("sha512-")
    assert "http" not in (SOURCE / "package-lock.json").read_text().replace("https://opencollective", "")


@needs_typescript
def test_wrong_use_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')
    use = 'import {{ ArbmlClient }} from "{0}/arbml.js";\nconst c = new ArbmlClient({{ url: "" }});\nawait c.predict({1});\nexport {{}};\n'
    fine, wrong = tmp_path / "fine.ts", tmp_path / "wrong.ts"
    fine.write_text(use.format(SOURCE, '{ pair: "A/B", legs: [{ venue: "a", side: "buy" }] }'))
    wrong.write_text(use.format(SOURCE, '{ pair: "A/B", legs: [{ venue: "a", side: "Buy" }] }'))
    config = {"extends": str(SOURCE / "tsconfig.json"), "compilerOptions": {"noEmit": True, "typeRoots": [str(TSC.parents[2] / "@types")]}}
    for file in (fine, wrong):
        (tmp_path / f"{file.stem}.json").write_text(json.dumps({**config, "include": [], "files": [str(file)]}))
    done = tsc("--project", tmp_path / "fine.json")
    assert done.returncode == 0, done.stdout
    done = tsc("--project", tmp_path / "wrong.json")
    assert (done.returncode != 0, """'"Buy"' is not assignable to type '"buy" | "sell"'""" in done.stdout) == (True, True), done.stdout


@needs_typescript
def test_the_bot_runs_against_the_service_and_its_outcomes_join(compiled: Path, client: Callable[..., TsClient], kit: Kit) -> None:
    now_ms = SystemClock().now_ms()
    kit.clock = FixedClock(now_ms + 5_000)  # ahead by less than clocks may differ, so that nothing is from the future
    predictor = kit.predictor(kit.bundle(ticks=market(now_ms)), config=with_inference(max_model_age_hours=1_000_000))
    door = Door()
    door.open(predictor, kit.journals[0])
    with serving(door) as url:
        done = subprocess.run(["node", str(compiled / "bot.js"), url, "10"], capture_output=True, text=True, timeout=60, check=True)
        counts = json.loads(done.stdout.splitlines()[-1])
        assert counts | {"outcomesSent": 0} == {
            "predictions": 10, "absent": 0, "ticksSent": 20, "ticksLost": 0, "outcomesSent": 0, "outcomesLost": 0, "outcomesLeft": 0,
        }  # fmt: skip
        assert done.stdout.startswith("service: ")
        made = client(url, timeoutMs=2000)
        told = made.predict()["result"]
        assert (told["recommendation"], told["variant"], told["profit_token"]) == ("EXECUTE", "champion", "USDC"), told["reasons"]
        outcome = {"request_id": "r0", "result": "success", "profit": 2.5, "profit_token": "USDC"}
        for _ in range(2):
            assert made.call("outcome", outcome)["counts"]["outcomesLost"] == 0
        assert made.call("stats")["result"]["outcomes"] == {"success": 1}
        refused = made.call("predict", {"pair": PAIR, "legs": [LEGS[0], LEGS[0]]})["result"]
        said = "refused: legs[1].side: WETH arrives from legs[0], but 'buy' of WETH/USDC takes USDC; 'sell' takes WETH"
        assert refused["reasons"] == [said]
    kinds = [line["kind"] for line in lines(kit.journals[0])]
    assert (kinds.count("prediction"), kinds.count("outcome")) == (11, 1)


@needs_typescript
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (silence, "service_late: no answer within the time-out"), (hang_up, "service_gone: fetch failed"), (half, "service_gone: "),
        (says(500, {}), "service_gone: it answered 500"), (says(200, b"\xff{"), "service_gone: "), (says(200, {}), "misread: "),
        (says(404, {"detail": "Not Found"}), "misread: it answered 404"), (says(302, {}), "service_gone: "),
    ],
)  # fmt: skip
def test_whatever_the_service_does_the_bot_gets_a_baseline_in_time(
    client: Callable[..., TsClient], server: Server, answer: Any, reason: str
) -> None:
    made = client(server.url)
    made.predict()
    server.answer = answer
    told = made.predict(1)
    found = told["result"]
    assert (found["recommendation"], found["variant"], found["success_probability"], found["request_id"]) == ("SKIP", "baseline", 0, "r1")
    assert found["reasons"][0].startswith(reason)
    assert told["tookMs"] < 400


@needs_typescript
def test_while_it_is_gone_nothing_is_lost_and_asking_costs_nothing(client: Callable[..., TsClient]) -> None:
    port = free_port()
    made = client(f"http://127.0.0.1:{port}", breakerPauseMs=200, tickBuffer=150)
    for n in range(4):
        made.call("outcome", {"request_id": f"r{n}", "result": "failed"})
    for n in range(4):
        last = made.call("observe", ticks(50, 50 * n))
    assert last["counts"]["ticksLost"] == 50
    alone = [made.predict(n) for n in range(50)]
    assert {one["result"]["reasons"][0].partition(":")[0] for one in alone} == {"left_alone"}
    assert sorted(one["tookMs"] for one in alone)[25] < 2
    server = Server(good, port)
    time.sleep(0.25)
    made.call("observe", ticks(1, 1000))
    assert made.predict()["result"]["recommendation"] == "EXECUTE"
    server.close()
    assert [body["request_id"] for path, body in server.seen if path == "/outcome"] == ["r0", "r1", "r2", "r3"]
    assert sum(len(body["ticks"]) for path, body in server.seen if path == "/observe") == 150


@needs_typescript
def test_a_tick_that_is_refused_does_not_hold_up_the_others_and_a_new_instance_is_shown_all_again(
    client: Callable[..., TsClient], server: Server
) -> None:
    instance = ["first"]

    def service(connection: Any, path: str, body: bytes) -> None:
        asked = json.loads(body)
        bad = next((i for i, one in enumerate(asked.get("ticks", [])) if one["price"] < 0), None)
        if bad is not None:
            error = {"code": "invalid_request", "field": f"ticks[{bad}].price", "message": "no", "mend": ""}
            connection.sendall(http(422, json.dumps({"error": error}).encode()))
        elif asked.get("instance") not in (None, instance[0]):
            error = {"code": "conflict", "field": "instance", "message": "started anew", "mend": ""}
            connection.sendall(http(409, json.dumps({"error": error}).encode()))
        else:
            connection.sendall(http(200, json.dumps({**told(path, body), "instance": instance[0]}).encode()))

    server.answer = service
    made = client(server.url, timeoutMs=2000)
    rows = ticks(5)
    rows[2]["price"] = -1.0
    done = made.call("observe", rows)
    assert (done["counts"]["ticksSent"], done["counts"]["ticksLost"]) == (4, 1)
    instance[0] = "second"
    made.call("observe", ticks(2, 100))
    assert [len(body["ticks"]) for path, body in server.seen if path == "/observe"] == [5, 4, 2, 6]
    assert made.predict()["result"]["recommendation"] == "EXECUTE"
