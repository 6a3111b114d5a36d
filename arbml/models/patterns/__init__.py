"""Patterns of profitable opportunities: found on one period, confirmed on a later one, matched against a live opportunity.

Names are resolved on first use, so that the service, which only matches, never imports the library that finds clusters.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arbml.models.patterns.detector import Detection, PatternDetector
    from arbml.models.patterns.matcher import Case, PatternMatcher
    from arbml.models.patterns.pattern import Pattern, Sample

_HOME = {
    "Case": "matcher",
    "Detection": "detector",
    "Pattern": "pattern",
    "PatternDetector": "detector",
    "PatternMatcher": "matcher",
    "Sample": "pattern",
}

__all__ = ["Case", "Detection", "Pattern", "PatternDetector", "PatternMatcher", "Sample"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'arbml.models.patterns' has no attribute {name!r}")
    return getattr(importlib.import_module(f"arbml.models.patterns.{_HOME[name]}"), name)
