"""The kit of the service's tests: tiny real models, a clock and a stopwatch that tests move."""

from tests.serving.conftest import kit, trained

__all__ = ["kit", "trained"]
