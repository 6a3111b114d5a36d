"""What arbml costs, beside what the libraries under it cost. `python -m benchmarks` measures everything."""

SUITES = ("features", "models", "ingest", "serving", "clients", "finder", "backtest", "evm")
"""Modules of this package, each with `run() -> list[Figure]`, in the order of the report."""
