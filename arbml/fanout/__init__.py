"""Live ticks from those who collect them to every process that wants them, over a Redis stream (extra `redis`)."""

from arbml.fanout.feed import TickFeed
from arbml.fanout.publishing import TickPublisher

__all__ = ["TickFeed", "TickPublisher"]
