"""A made-up market of several pairs and chains, with people in it (docs/data.md). Import it from here only: it brings numba."""

from arbml.collectors.simulator.world.config import (
    ChainSettings,
    DemandSettings,
    PoolSettings,
    ProviderSettings,
    RivalSettings,
    TokenSettings,
    WorldBotSettings,
    WorldConfig,
    WorldPriceSettings,
)
from arbml.collectors.simulator.world.fate import WorldFate
from arbml.collectors.simulator.world.simulator import World

__all__ = [
    "ChainSettings",
    "DemandSettings",
    "PoolSettings",
    "ProviderSettings",
    "RivalSettings",
    "TokenSettings",
    "World",
    "WorldBotSettings",
    "WorldConfig",
    "WorldFate",
    "WorldPriceSettings",
]
