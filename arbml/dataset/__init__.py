"""Data sets: labels joined to what was known at the time, and walk-forward splits of them."""

from arbml.dataset.splits import Fold, require_enough, walk_forward
from arbml.dataset.types import Dataset, Kind, hashed

__all__ = ["Dataset", "Fold", "Kind", "hashed", "require_enough", "walk_forward"]
