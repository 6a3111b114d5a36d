"""The bot's side: finds opportunities, asks what they are worth (in this process or over HTTP), and says what became of them.

Names are resolved on first use, so that a bot that only asks over HTTP pays for neither pandas, numba nor models.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arbml.bot.advisor import AbsentCode, Advisor, absent
    from arbml.bot.async_client import AsyncServiceClient
    from arbml.bot.client import ServiceClient
    from arbml.bot.enhanced import EnhancedOpportunity, decided, ranked
    from arbml.bot.ml import MLOrchestrator
    from arbml.bot.orchestrator import ArbitrageOrchestrator

_HOME = {
    "AbsentCode": "advisor",
    "Advisor": "advisor",
    "ArbitrageOrchestrator": "orchestrator",
    "AsyncServiceClient": "async_client",
    "EnhancedOpportunity": "enhanced",
    "MLOrchestrator": "ml",
    "ServiceClient": "client",
    "absent": "advisor",
    "decided": "enhanced",
    "ranked": "enhanced",
}

__all__ = [
    "AbsentCode",
    "Advisor",
    "ArbitrageOrchestrator",
    "AsyncServiceClient",
    "EnhancedOpportunity",
    "MLOrchestrator",
    "ServiceClient",
    "absent",
    "decided",
    "ranked",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'arbml.bot' has no attribute {name!r}")
    return getattr(importlib.import_module(f"arbml.bot.{_HOME[name]}"), name)
