"""The finder of arbitrage cycles over many venues and tokens. Import it from here only: it brings numba."""

from arbml.market.cycles.finder import CycleFinder
from arbml.market.cycles.graph import Coverage

__all__ = ["Coverage", "CycleFinder"]
