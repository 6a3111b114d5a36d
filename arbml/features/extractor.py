"""The class that stands for the whole engine."""

from arbml.features.batch import compute_features
from arbml.features.parity import ParityReport, check_parity
from arbml.features.spec import FEATURE_NAMES, feature_set_id
from arbml.features.stream import FeatureStream
from arbml.frames import FeatureFrame, TickFrame


class FeatureExtractor:
    """Turns ticks into features: many at once, one at a time, and the proof that both are the same.

    Args:
        history: feature rows that a stream keeps of each series.
        max_streams: series that a stream keeps.
    """

    names = FEATURE_NAMES

    def __init__(self, history: int = 128, max_streams: int = 1024) -> None:
        self.history = history
        self.max_streams = max_streams

    @property
    def feature_set_id(self) -> str:
        """The name of the set of features that this code computes."""
        return feature_set_id()

    def compute(self, ticks: TickFrame) -> FeatureFrame:
        """Compute the features of a frame of ticks; see `compute_features`."""
        return compute_features(ticks)

    def stream(self) -> FeatureStream:
        """Return an empty stream, to be fed tick by tick."""
        return FeatureStream(self.history, self.max_streams)

    def check_parity(self, ticks: TickFrame) -> ParityReport:
        """Compare batch and stream bit for bit; see `check_parity`."""
        return check_parity(ticks)
