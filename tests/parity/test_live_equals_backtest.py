"""The bot in a backtest and the bot live, over HTTP, decide the same, request by request, when they see the same ticks."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from arbml.backtest.bot_strategy import BotStrategy
from arbml.backtest.engine import Backtester
from arbml.backtest.recording import Asked, Event, Observed, Told
from arbml.backtest.retraining import HOUR_MS, Schedule, WalkForward
from arbml.bot.advisor import Advisor
from arbml.bot.client import ServiceClient
from arbml.bot.ml import MLOrchestrator
from arbml.bot.orchestrator import ArbitrageOrchestrator
from arbml.clock import ReplayClock
from arbml.collectors.simulator import Simulator, SimulatorConfig
from arbml.config import ClientConfig, Config, changed
from arbml.market import Recommendation
from arbml.serving import Bundle, Journal, Ledger, Predictor, effective
from bentos.door import Door
from tests.bot.net import serving

pytestmark = pytest.mark.slow

CONFIG = Config.model_validate({
    "scorer": {"trees": 60, "min_samples": 100, "min_positive": 10},
    "promotion": {"min_samples": 20, "bootstrap_rounds": 200, "confidence": 0.6},
    "training": {"folds": 1},
    "volatility": {"max_samples": 2000},
    "lstm": {"enabled": False},
    "bot": {"max_wait_ms": 0},
    "backtest": {"competitors_per_minute": 1.0},
})  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    """What passed between bot and advisor in a backtest with a promoted scorer, and the bundle that answered."""
    simulator = Simulator(SimulatorConfig(seed=17, hours=14))
    ticks = pd.concat(list(simulator.ticks()), ignore_index=True)
    executions = pd.concat(list(simulator.executions()), ignore_index=True)
    start_ms = int(ticks["ts_known_ms"].min()) + 12 * HOUR_MS
    end_ms = start_ms + 2 * HOUR_MS
    schedule = Schedule({"scorer": 24, "volatility": 24})
    walk = WalkForward(ticks, executions, CONFIG, schedule, tmp_path_factory.mktemp("walk"), start_ms, end_ms)
    bundles: list[Path] = []

    def advise(bundle: Path, clock: ReplayClock) -> Advisor:
        bundles.append(bundle)
        return MLOrchestrator(bundle, CONFIG, clock=clock, journal=False, stopwatch=lambda: 0.0)

    strategy = BotStrategy("ML", CONFIG, ["USDC"], walk, ("scorer", "volatility"), record=True, advise=advise)
    result = Backtester(CONFIG.costs, CONFIG.backtest).run(ticks, strategy, start_ms, end_ms)
    strategy.close()
    assert [one.promoted for one in walk.trainings(start_ms) if one.kind == "scorer"] == [True], walk.trainings(start_ms)
    assert len(result.trades) > 20
    return strategy.events, bundles[0]


@pytest.fixture
def url(recorded: tuple[list[Event], Path], tmp_path: Path) -> Iterator[str]:
    """The service, on the replay clock; its stopwatch stands, or a busy machine would spend the budget of a request."""
    bundle = Bundle.load(recorded[1])
    journal = Journal.open(tmp_path / "journal")
    predictor = Predictor(bundle, effective(bundle.config, CONFIG), Ledger(journal), ReplayClock(0), lambda: 0.0)
    predictor.warm_up()
    door = Door()
    door.open(predictor, journal)
    with serving(door) as address:
        yield address
    door.close()
    journal.close()


def test_the_same_decisions_live_and_in_the_backtest(recorded: tuple[list[Event], Path], url: str) -> None:
    events = recorded[0]
    ids = iter([one for event in events if isinstance(event, Asked) for one in event.request_ids])
    clock = ReplayClock(0)
    client = ServiceClient(ClientConfig(url=url, timeout_ms=60_000, connect_timeout_ms=10_000), clock=clock, strict=True)
    live = ArbitrageOrchestrator(CONFIG.costs, changed(CONFIG.bot, max_wait_ms=0), clock, client, new_id=lambda: next(ids))
    asked, by_model, sent = 0, 0, 0
    for event in events:
        if isinstance(event, Observed):
            live.observe(event.ticks)
        elif isinstance(event, Told):
            live.record_outcome(event.execution)
        else:
            clock.see(event.opportunities[0].ts_ms)
            found = {one.request_id: one for one in live.find_opportunities(["USDC"])}
            assert set(found) == set(event.request_ids), "it looks at the same"
            for request_id, opportunity, prediction in zip(event.request_ids, event.opportunities, event.predictions, strict=True):
                mine = found[request_id]
                assert mine.opportunity == opportunity
                assert mine.prediction is not None
                there = replace(prediction, features={}, latency_ms=mine.prediction.latency_ms)
                assert mine.prediction == there, f"request {asked}, {request_id}"
                asked += 1
                by_model += mine.by_model
                sent += mine.prediction.recommendation is Recommendation.EXECUTE
    outcomes = client.get_stats()["outcomes"]
    client.close()
    assert asked > 100
    assert by_model > asked / 2
    assert 0 < sent < asked, "the model says yes to some and no to others"
    assert outcomes["joined"] == sum(isinstance(event, Told) for event in events) > 20
