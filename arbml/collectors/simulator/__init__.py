"""A market that is made up, for trying everything and for testing against a known truth (docs/data.md)."""

from arbml.collectors.simulator.config import (
    BotSettings,
    CompetitionSettings,
    GasSettings,
    PriceSettings,
    SimulatorConfig,
    VenueSettings,
)
from arbml.collectors.simulator.simulator import Simulator
from arbml.collectors.simulator.truth import SimulatedFate

__all__ = [
    "BotSettings",
    "CompetitionSettings",
    "GasSettings",
    "PriceSettings",
    "SimulatedFate",
    "Simulator",
    "SimulatorConfig",
    "VenueSettings",
]
