"""Random numbers without a stream: each is a hash of (key, second, place), so that a world may be continued from any state.

`place` is below 4096: weather 0..., pools from `POOL_PLACE` (24 each), rivals from `RIVAL_PLACE` (64 for each chain), providers from
`PROVIDER_PLACE` (8 for each pool), chains from `CHAIN_PLACE` (16 each).
"""
# mypy: allow-untyped-defs

import math

import numpy as np

from arbml.collectors.simulator.world.kernels.compiled import inner

PLACES = np.uint64(4096)
POOL_PLACE, RIVAL_PLACE, PROVIDER_PLACE, CHAIN_PLACE = 64, 1600, 2200, 3000
_GOLDEN, _MIX1, _MIX2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@inner
def unit(key, second, place):
    """A number in (0, 1): splitmix64 of Steele, Lea and Flood 2014, by counter."""
    z = key + (np.uint64(second) * PLACES + np.uint64(place)) * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    z = z ^ (z >> np.uint64(31))
    return (np.float64(z >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@inner
def normal(key, second, place):
    """Standard normal, by Box and Muller 1958; takes two places."""
    return math.sqrt(-2.0 * math.log(unit(key, second, place))) * math.cos(2.0 * math.pi * unit(key, second, place + 1))


@inner
def student(key, second, place, degrees):
    """Student-t of variance 1, by Bailey 1994; takes two places."""
    u = unit(key, second, place)
    t = math.sqrt(degrees * (u ** (-2.0 / degrees) - 1.0)) * math.cos(2.0 * math.pi * unit(key, second, place + 1))
    return t * math.sqrt((degrees - 2.0) / degrees)
