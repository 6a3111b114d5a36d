"""Blocks of an EVM chain: a thin client of its nodes, and the collector of pools on it."""
