"""The service without HTTP: requests, answers, the predictor, its journal and the bundle of what it serves."""

from arbml.serving.bundle import Bundle, effective, write_bundle
from arbml.serving.flush import JournalFlusher, Sink
from arbml.serving.journal import Journal
from arbml.serving.ledger import Ledger
from arbml.serving.predictor import Observed, Predictor, Settled
from arbml.serving.schemas import ObserveRequest, OpportunityRequest, OutcomeRequest, PredictManyRequest, TickRequest

__all__ = [
    "Bundle",
    "Journal",
    "JournalFlusher",
    "Ledger",
    "ObserveRequest",
    "Observed",
    "OpportunityRequest",
    "OutcomeRequest",
    "PredictManyRequest",
    "Predictor",
    "Settled",
    "Sink",
    "TickRequest",
    "effective",
    "write_bundle",
]
