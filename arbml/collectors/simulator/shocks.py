"""All randomness of the simulator, drawn ahead: one stream of the seed for each name, so that more steps only append."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from arbml.collectors.simulator.config import SimulatorConfig

Floats = npt.NDArray[np.float64]


class Shocks(NamedTuple):
    """Random numbers for n steps and m venues. "unit" is uniform on [0, 1), "normal" standard normal.

    Attributes:
        returns: (n,) Student-t, variance 1.
        volatility, jump_size, gas, competition: (n,) normal. jump, spike, cross: (n,) unit. spike_size: (n,) exponential, mean 1.
        trade, side, informed, informed_part, liquidity: (n, m) unit. trade_size, liquidity_size, latency: (n, m) normal.
        cross_part: (n,) unit.
        success, revert: (n,) unit. slippage, landing: (n,) normal.
    """

    returns: Floats
    volatility: Floats
    jump: Floats
    jump_size: Floats
    gas: Floats
    spike: Floats
    spike_size: Floats
    competition: Floats
    trade: Floats
    side: Floats
    trade_size: Floats
    informed: Floats
    informed_part: Floats
    liquidity: Floats
    liquidity_size: Floats
    cross: Floats
    cross_part: Floats
    latency: Floats
    success: Floats
    revert: Floats
    slippage: Floats
    landing: Floats


_UNIT = {"jump", "spike", "cross", "cross_part", "trade", "side", "informed", "informed_part", "liquidity", "success", "revert"}
_BY_VENUE = {"trade", "side", "trade_size", "informed", "informed_part", "liquidity", "liquidity_size", "latency"}


def draw(config: SimulatorConfig) -> Shocks:
    """Return the random numbers of a simulation. The first n rows do not depend on how many follow."""
    seeds = np.random.SeedSequence(config.seed).spawn(len(Shocks._fields))
    return Shocks(*(_stream(name, np.random.default_rng(seed), config) for name, seed in zip(Shocks._fields, seeds, strict=True)))


def _stream(name: str, rng: np.random.Generator, config: SimulatorConfig) -> Floats:
    shape = (config.steps, len(config.venues)) if name in _BY_VENUE else (config.steps,)
    if name == "returns":
        degrees = config.price.tail_degrees
        return rng.standard_t(degrees, shape) / np.sqrt(degrees / (degrees - 2))
    if name == "spike_size":
        return rng.standard_exponential(shape)
    return rng.random(shape) if name in _UNIT else rng.standard_normal(shape)
