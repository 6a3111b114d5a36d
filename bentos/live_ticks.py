"""Ticks of the live fan-out into the predictor of a worker, as if each had been posted to /observe."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from arbml.config import RedisConfig
from arbml.errors import ConfigError
from arbml.fanout import TickFeed
from arbml.fanout.stream import connect
from arbml.market import Tick
from arbml.serving.schemas import ObserveRequest

if TYPE_CHECKING:
    from arbml.serving import Predictor

log = logging.getLogger("bentoml.arbml")


def live_ticks(redis: RedisConfig, predictor: "Predictor") -> TickFeed | None:
    """Return a running feed into `predictor`; None where no Redis is named, or its client is not installed, which is logged."""
    if redis.host is None:
        return None
    try:
        client = connect(redis)
    except ConfigError as error:
        log.error("no live ticks: %s", error)
        return None

    def take(ticks: Sequence[Tick]) -> None:
        # checked like a request: an entry that would open too many streams, or is from the future, is refused as a whole
        predictor.observe(ObserveRequest.model_validate({"ticks": [asdict(tick) for tick in ticks]}))

    return TickFeed(client, take).start()
