"""Data sets: labels joined to what was known at the time, and walk-forward splits of them."""

from arbml.dataset.backfilled import as_if_live
from arbml.dataset.opportunity import opportunity_dataset
from arbml.dataset.price import price_dataset
from arbml.dataset.splits import Fold, require_enough, walk_forward
from arbml.dataset.types import Dataset, Kind, hashed
from arbml.dataset.volatility import volatility_dataset

__all__ = [
    "Dataset",
    "Fold",
    "Kind",
    "as_if_live",
    "hashed",
    "opportunity_dataset",
    "price_dataset",
    "require_enough",
    "volatility_dataset",
    "walk_forward",
]
