"""Simulated sources: which market is opened, and what a wrong setting says."""

import pytest

from arbml.collectors import Simulator
from arbml.collectors.simulator.world import World
from arbml.config import CollectionConfig, Config, changed
from arbml.errors import ConfigError
from flows.backtest import _token, _world
from flows.sources import SimulatorSource, open_sources


def test_the_default_is_the_market_of_one_pair() -> None:
    (opened,) = open_sources([SimulatorSource(hours=1)], CollectionConfig(), ())
    assert isinstance(opened, Simulator)
    assert SimulatorSource().market == "pair"


def test_the_world_is_polled_as_the_settings_say() -> None:
    (opened,) = open_sources([SimulatorSource(seed=3, hours=1, market="world")], CollectionConfig(interval_ms=10_000), ())
    assert isinstance(opened, World)
    assert (opened.config.seed, opened.config.interval_ms, opened.total) == (3, 10_000, 3_600)


def test_the_world_goes_by_whole_seconds() -> None:
    with pytest.raises(ConfigError, match="ML_DATA_INTERVAL is 1500 ms"):
        open_sources([SimulatorSource(market="world")], CollectionConfig(interval_ms=1_500), ())


def test_a_simulated_market_judges_attempts_if_it_is_alone() -> None:
    worlds = open_sources([SimulatorSource(hours=1, market="world")], CollectionConfig(), ())
    assert _world(worlds) is not None
    assert _world([*worlds, *worlds]) is None


def test_routes_of_the_world_start_in_usdc_unless_the_settings_say_otherwise() -> None:
    config, world = Config(), [SimulatorSource(market="world")]
    assert _token([SimulatorSource()], config) is config
    assert _token(world, config).backtest.token == "USDC"
    weth = changed(config, backtest=changed(config.backtest, token="WETH"))
    assert _token(world, weth).backtest.token == "WETH"
