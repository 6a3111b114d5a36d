"""The BentoML service: `bentoml serve` imports this module from inside the built Bento.

One worker by default. Ticks, features and cache live in the worker: with more of them, each POST /observe would have to reach
every one; live ticks that come through Redis (REDIS_HOST) do. The bundle lies beside the code, so that nothing else is needed.
"""

import gc
import logging
import threading
from pathlib import Path

import bentoml

from arbml.clock import ReplayClock, SystemClock
from arbml.errors import ArbmlError
from arbml.fanout import TickFeed
from bentos.door import Door
from bentos.http import build_app
from bentos.orphans import end_with_parent

log = logging.getLogger("bentoml.arbml")

BUNDLE = Path(__file__).resolve().parent.parent / "bundle"
TIMEOUT_S = 2  # BentoML keeps every finished request for this long: a long one makes the collector stall

door = Door()


@bentoml.service(
    name="arbml",
    workers=1,
    traffic={"timeout": TIMEOUT_S},
    logging={"access": {"enabled": False}},
    metrics={"enabled": True},
)
@bentoml.asgi_app(build_app(door), path="/")
class ArbmlService:
    """Judges arbitrage opportunities in milliseconds: probability of success, expected profit, EXECUTE, QUEUE or SKIP."""

    def __init__(self) -> None:
        # late: the process that only starts and watches the worker imports this module, too
        from arbml.serving import Bundle, Journal, JournalFlusher, Ledger, Predictor, effective
        from arbml.serving.store_sink import store_opener
        from arbml.settings import load_settings

        if bentoml.server_context.worker_index is not None:  # a worker of its own, not one inside somebody else's process
            end_with_parent()
        settings = load_settings()
        bundle = Bundle.load(BUNDLE)
        config = effective(bundle.config, settings)
        self.journal = Journal.open(config.home_path / "journal")
        self.flusher = JournalFlusher(self.journal, store_opener(config.store, config.home_path))
        clock = ReplayClock(0) if config.inference.clock == "ticks" else SystemClock()
        self.feed: TickFeed | None = None
        self.predictor = Predictor(bundle, config, Ledger(self.journal), clock)
        door.worker = bentoml.server_context.worker_index or 1
        # the warm-up compiles and replays: in the background, so that /livez and /readyz answer meanwhile
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def _warm_up(self) -> None:
        try:
            taken = self.predictor.warm_up()
        except Exception as error:
            door.failed = str(error) if isinstance(error, ArbmlError) else type(error).__name__
            log.exception("the warm-up failed; the service stays unready")
            return
        self.flusher.start()
        # what is alive now stays: keep the collector from looking at it again, and from looking often
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 50, 1000)
        from bentos.live_ticks import live_ticks

        self.feed = live_ticks(self.predictor.config.redis, self.predictor)
        door.open(self.predictor, self.journal, self.flusher, self.feed)
        log.info("ready: %d ticks taken in, models %s, journal %s", taken, self.predictor.panel.versions, self.journal.lane)

    def __is_ready__(self) -> bool:
        return door.ready

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def shutdown(self) -> None:
        """Let nobody in any more, and put everything where it belongs."""
        door.close()
        if self.feed is not None:
            self.feed.stop()
        self.flusher.stop()
        self.journal.close()
