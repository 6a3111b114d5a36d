"""Centralised exchanges through ccxt (extra `ccxt`): quotes, depth and volume by polling or websocket."""

from arbml.collectors.exchange.collector import ExchangeCollector, ExchangeSettings
from arbml.collectors.exchange.watch import Gap

__all__ = ["ExchangeCollector", "ExchangeSettings", "Gap"]
