"""The service without HTTP: requests, answers, the predictor, its journal and the bundle of what it serves.

Names are resolved on first use, so that whoever needs the schemas only does not pay for pandas and the models.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arbml.serving.bundle import Bundle, effective, write_bundle
    from arbml.serving.flush import JournalFlusher, Sink
    from arbml.serving.journal import Journal
    from arbml.serving.ledger import Ledger
    from arbml.serving.predictor import Observed, Predictor
    from arbml.serving.schemas import ObserveRequest, OpportunityRequest, OutcomeRequest, PredictManyRequest, TickRequest
    from arbml.serving.settling import Settled

_HOME = {
    "Bundle": "bundle",
    "Journal": "journal",
    "JournalFlusher": "flush",
    "Ledger": "ledger",
    "ObserveRequest": "schemas",
    "Observed": "predictor",
    "OpportunityRequest": "schemas",
    "OutcomeRequest": "schemas",
    "PredictManyRequest": "schemas",
    "Predictor": "predictor",
    "Settled": "settling",
    "Sink": "flush",
    "TickRequest": "schemas",
    "effective": "bundle",
    "write_bundle": "bundle",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'arbml.serving' has no attribute {name!r}")
    return getattr(importlib.import_module(f"arbml.serving.{_HOME[name]}"), name)
