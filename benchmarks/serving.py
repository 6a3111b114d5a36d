"""One answer of the service, in process and over HTTP, beside the least that such an answer can cost."""

import http.client
import itertools
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from arbml.clock import ReplayClock
from arbml.collectors.simulator import Simulator, SimulatorConfig
from arbml.config import Config
from arbml.dataset import Dataset, opportunity_dataset, price_dataset, volatility_dataset
from arbml.features import compute_features
from arbml.frames import TickFrame, frame_to_ticks
from arbml.models import LSTMPredictor, OpportunityScorer, VolatilityPredictor
from arbml.serving import Bundle, Journal, Ledger, Predictor, write_bundle
from arbml.serving.requests import decode, parse
from arbml.serving.schemas import ObserveRequest, OpportunityRequest
from benchmarks.figures import Figure, at, times_us
from bentos.packaging import build_bento
from bentos.serving_process import served

SEED = 1
HOURS = 6.0
SEQUENCES = 4000
# speed is measured here, not skill: a few successes are enough for a forest of full size
CONFIG = Config.model_validate(
    {"training": {"max_epochs": 1, "seed": SEED}, "scorer": {"min_samples": 10, "min_positive": 2}, "inference": {"clock": "ticks"}}
)
SHOWN = ("ts_ms", "ts_known_ms", "venue", "pair", "price", "fee_bps", "volume", "gas_price_gwei", "reserve_base", "reserve_quote")
PING = """
import sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] == "http":
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


@dataclass(frozen=True)
class Prepared:
    """A bundle, the ticks that follow it, and one vote of a scikit-learn forest of the same size."""

    bundle: Path
    later: TickFrame
    vote: Callable[[], object]


def run(answers: int = 2000) -> list[Figure]:
    """Measure on simulated ticks; takes about a minute, most of it fits, build and start."""
    with tempfile.TemporaryDirectory(prefix="arbml-bench-") as name:
        folder = Path(name)
        prepared = _prepare(folder)
        return [*_in_process(prepared, folder, answers), *_over_http(prepared, folder, answers)]


def _in_process(prepared: Prepared, folder: Path, answers: int) -> list[Figure]:
    clock = ReplayClock(0)
    journal = Journal.open(folder / "in-process")
    predictor = Predictor(Bundle.load(prepared.bundle), CONFIG, Ledger(journal), clock)
    predictor.warm_up()
    ticks = itertools.cycle(frame_to_ticks(prepared.later))
    question = _questions(prepared.later)

    def after_a_tick() -> None:
        predictor.observe([next(ticks)])
        predictor.predict(_checked(OpportunityRequest, question()))

    same = _checked(OpportunityRequest, question())
    moved_us = times_us(after_a_tick, min(answers, len(prepared.later) - answers // 10))
    new_us = times_us(lambda: predictor.predict(_checked(OpportunityRequest, question())), answers)
    same_us = times_us(lambda: predictor.predict(same), answers)
    votes_us = times_us(prepared.vote, 100)
    journal.close()
    note = "checked, priced, features, forest, forecasts, decision, journal; the peer only votes"
    peer = "scikit-learn predict_proba of the same forest"
    return [
        Figure("in process, new question, p50", at(new_us, 50), "us", peer, at(votes_us, 50), note),
        Figure("in process, new question, p99", at(new_us, 99), "us", peer, at(votes_us, 99), note),
        Figure("in process, a tick and a question, p50", at(moved_us, 50), "us", note="features, LSTM and volatility are computed anew"),
        Figure("in process, a tick and a question, p99", at(moved_us, 99), "us"),
        Figure("in process, same question, p50", at(same_us, 50), "us", note="priced and compared anew, answered from the cache"),
    ]


def _over_http(prepared: Prepared, folder: Path, answers: int) -> list[Figure]:
    bento = build_bento(prepared.bundle, folder / "home")
    with served(bento, folder / "home", environment={"ML_INFERENCE__CLOCK": "ticks"}) as url, _ping() as port:
        ours = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]))
        bare = http.client.HTTPConnection("127.0.0.1", port)
        _post(ours, "/observe", _observation(prepared.later.head(500)))
        question = _questions(prepared.later.head(500))
        predict_us = times_us(lambda: _post(ours, "/predict", question()), answers)
        ping_us = times_us(lambda: _post(bare, "/", question()), answers)
        inside_ms = json.loads(_post(ours, "/stats", {}))["latency_ms"]
    note = "one client, keep-alive, new questions; client and server share the cores"
    peer = "bare uvicorn, empty answer"
    return [
        Figure("HTTP /predict, p50", at(predict_us, 50), "us", peer, at(ping_us, 50), note),
        Figure("HTTP /predict, p99", at(predict_us, 99), "us", peer, at(ping_us, 99), note),
        Figure("HTTP /predict, arrival to answer inside the service, p99", inside_ms["p99"] * 1000, "us", note="as /stats counts it"),
    ]


@contextmanager
def _ping() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen([sys.executable, "-c", PING, str(port)])
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def _post(connection: http.client.HTTPConnection, path: str, body: dict[str, Any]) -> bytes:
    connection.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path} answered {response.status}: {content[:300]!r}")
    return content


def _questions(ticks: TickFrame) -> Callable[[], dict[str, Any]]:
    """Return what makes one new question after another, of the two venues seen last."""
    buy, sell = ticks["venue"].drop_duplicates(keep="last").tolist()[-2:]
    pair = str(ticks["pair"].iloc[-1])
    amounts = itertools.count(1000)
    legs = [{"venue": buy, "side": "buy"}, {"venue": sell, "side": "sell"}]
    return lambda: {"pair": pair, "legs": legs, "amount_in": float(next(amounts))}


def _checked(model: Any, body: dict[str, Any]) -> Any:
    """As it comes over HTTP: from bytes."""
    return parse(model, decode(json.dumps(body).encode()))


def _observation(ticks: TickFrame) -> dict[str, Any]:
    rows = ticks[list(SHOWN)].to_dict("records")
    body = {"ticks": [{name: value for name, value in row.items() if not pd.isna(value)} for row in rows]}
    _checked(ObserveRequest, body)
    return body


def _prepare(folder: Path) -> Prepared:
    """Fit the three models in their default sizes on simulated ticks, and a forest of scikit-learn's beside them."""
    from sklearn.ensemble import RandomForestClassifier

    simulator = Simulator(SimulatorConfig(seed=SEED, hours=HOURS), CONFIG.costs)
    ticks = pd.concat(list(simulator.ticks()), ignore_index=True)
    executions = pd.concat(list(simulator.executions()), ignore_index=True)
    before = ticks.head(len(ticks) * 3 // 4)
    features = compute_features(before)
    opportunities = opportunity_dataset(before, features, executions, CONFIG.costs, CONFIG.scorer)
    sequences = price_dataset(before, features, CONFIG.lstm)
    sequences = sequences.take(np.arange(len(sequences))[-SEQUENCES:])
    models: dict[str, Any] = {
        "scorer": _fitted(OpportunityScorer(CONFIG.scorer, CONFIG.training), opportunities),
        "lstm": _fitted(LSTMPredictor(CONFIG.lstm, CONFIG.training), sequences),
        "volatility": _fitted(VolatilityPredictor(CONFIG.volatility), volatility_dataset(before, CONFIG.volatility)),
    }
    paths: dict[str, Path | None] = {kind: folder / "models" / kind for kind in models}
    for kind, model in models.items():
        model.save(folder / "models" / kind)
    bundle = write_bundle(paths, {}, CONFIG, before, folder / "bundle", versions=dict.fromkeys(paths, "1"))
    X, y, config = np.nan_to_num(opportunities.X), opportunities.y[:, 0], CONFIG.scorer
    forest = RandomForestClassifier(
        config.trees, max_depth=config.max_depth, min_samples_leaf=config.min_samples_leaf, random_state=SEED, n_jobs=1
    ).fit(X, y)
    row = itertools.cycle([X[i : i + 1] for i in range(len(X))])
    return Prepared(bundle, ticks.tail(len(ticks) - len(before)).reset_index(drop=True), lambda: forest.predict_proba(next(row)))


def _fitted(model: Any, ds: Dataset) -> Any:
    n = len(ds)
    model.fit(ds.take(np.arange(n * 3 // 4)), ds.take(np.arange(n * 3 // 4, n)))
    return model
