"""The feature engine: one definition of each feature, one compiled arithmetic for batch and stream."""

from arbml.features.batch import compute_features
from arbml.features.extractor import FeatureExtractor
from arbml.features.parity import ParityDifference, ParityReport, check_parity
from arbml.features.route import route_features
from arbml.features.spec import (
    FEATURE_NAMES,
    FEATURE_SCHEMA,
    FEATURES,
    ROUTE_FEATURE_NAMES,
    ROUTE_FEATURES,
    SCORER_FEATURE_NAMES,
    WARM_UP_S,
    FeatureSpec,
    feature_set_id,
)
from arbml.features.state import FeatureVector
from arbml.features.stream import FeatureStream

__all__ = [
    "FEATURES",
    "FEATURE_NAMES",
    "FEATURE_SCHEMA",
    "ROUTE_FEATURES",
    "ROUTE_FEATURE_NAMES",
    "SCORER_FEATURE_NAMES",
    "WARM_UP_S",
    "FeatureExtractor",
    "FeatureSpec",
    "FeatureStream",
    "FeatureVector",
    "ParityDifference",
    "ParityReport",
    "check_parity",
    "compute_features",
    "feature_set_id",
    "route_features",
]
