"""What arbml costs, beside what the libraries under it cost. `python -m benchmarks` measures everything."""

SUITES = ("ingest",)
"""Modules of this package, each with `run() -> list[Figure]`, in the order of the report."""
