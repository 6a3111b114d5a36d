"""The one door to Redis: the connection, and what an entry of the stream looks like.

A stream, not pub/sub: whoever was away, or joins late, reads on from where it stopped; pub/sub forgets what nobody hears.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import orjson

from arbml.config import RedisConfig
from arbml.errors import ConfigError
from arbml.market import Tick

STREAM = "arbml:ticks"
KEPT = 20_000          # entries of up to `ENTRY_TICKS` ticks: all ticks of the last minutes to hours, at most a few hundred MB
ENTRY_TICKS = 100
FIELD = b"ticks"
TIMEOUT_S = 5.0
NAMES = tuple(field.name for field in fields(Tick))


def connect(redis_: RedisConfig) -> Any:
    """Return a client that has not connected yet.

    Raises:
        ConfigError: if no host is set, or the client library is not installed.
    """
    if redis_.host is None:
        raise ConfigError("no Redis server is named; set REDIS_HOST")
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ModuleNotFoundError:
        raise ConfigError("the live fan-out needs the Redis client; pip install 'arbml[redis]'") from None
    return redis.Redis(
        host=redis_.host, port=redis_.port, socket_connect_timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
    )  # fmt: skip


def pack(ticks: Sequence[Tick]) -> bytes:
    """Return ticks as the bytes of one entry."""
    return orjson.dumps([[getattr(tick, name) for name in NAMES] for tick in ticks])


def unpack(entry: bytes) -> list[Tick]:
    """Return the ticks of an entry.

    Raises:
        ValueError: if it is not one of ours.

    >>> ticks = [Tick(1, "a", "X/Y", 0.1, 2, chain_id=1)]
    >>> unpack(pack(ticks)) == ticks
    True
    """
    try:
        rows = orjson.loads(entry)
        return [Tick(*row) for row in rows]
    except TypeError as error:
        raise ValueError(f"not ticks of this version: {error}") from None
