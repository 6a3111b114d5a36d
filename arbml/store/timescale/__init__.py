"""What a database with the TimescaleDB extension gets on top of the plain tables. Not yet run against TimescaleDB itself."""

from arbml.store.timescale.found import Found, Layout, look
from arbml.store.timescale.plan import BARS, HYPERTABLES, Retention, Step, planned
from arbml.store.timescale.setup import Done, layout, setup

__all__ = ["BARS", "HYPERTABLES", "Done", "Found", "Layout", "Retention", "Step", "layout", "look", "planned", "setup"]
