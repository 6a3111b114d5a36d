"""The one door to ccxt: an exchange by its name, or one line that says what is missing."""

import re
from difflib import get_close_matches
from typing import Any

from arbml.errors import ConfigError

TIMEOUT_MS = 10_000
TRADES_KEPT = 5_000  # of a pair. ccxt hands on at most so many at once, and takes in a whole socket buffer, up to 2 600, before it does

# what an exchange must be told so that polling and streaming speak of the same trades, and nothing private is asked
_OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {
        "fetchMarkets": {"types": ["spot"]}, "defaultType": "spot",
        "watchTrades": {"name": "aggTrade"}, "watchTradesForSymbols": {"name": "aggTrade"},
    },
}  # fmt: skip

# levels of an order book that are asked for: unasked, some send ten. Not all take a number, nor the same ones
_LEVELS = {"binance": 500, "kraken": 500}


def book_levels(name: str) -> int | None:
    """Return how many levels of an order book to ask an exchange for; None for as many as it sends unasked."""
    return _LEVELS.get(name)


def exchange_class(name: str, stream: bool) -> Any:
    """Return the ccxt class of an exchange.

    Args:
        name: as ccxt calls it, e.g. "kraken". stream: it must speak websocket.

    Raises:
        ConfigError: if ccxt is not installed, does not know the exchange, or cannot stream from it.
    """
    try:
        import ccxt
        import ccxt.async_support
        import ccxt.pro
    except ModuleNotFoundError as error:
        raise ConfigError(f"collecting from exchanges needs ccxt ({error.name} is missing); pip install 'arbml[ccxt]'") from None
    if name not in ccxt.exchanges:
        near = get_close_matches(name, ccxt.exchanges, n=1)
        mend = f"did you mean '{near[0]}'?" if near else "ccxt lists them: python -c 'import ccxt; print(ccxt.exchanges)'"
        raise ConfigError(f"no exchange is called '{name}'; {mend}")
    if name in ccxt.pro.exchanges:
        return getattr(ccxt.pro, name)
    if stream:
        raise ConfigError(f"ccxt has no websocket for '{name}'; say --poll")
    return getattr(ccxt.async_support, name)


def open_exchange(name: str, stream: bool, url: str | None = None) -> Any:
    """Return an exchange that has not been asked anything yet; it must be closed. Call it inside an event loop.

    Args:
        url: asked instead of the exchange's own hosts, e.g. "http://127.0.0.1:8080"; the paths stay.

    Raises:
        ConfigError: see `exchange_class`.
    """
    exchange = exchange_class(name, stream)({"enableRateLimit": True, "timeout": TIMEOUT_MS})
    exchange.has["fetchCurrencies"] = False  # many exchanges want a key for it
    exchange.options.update({"tradesLimit": TRADES_KEPT, **_OPTIONS.get(name, {})})
    if url is not None:
        exchange.urls["api"] = _redirected(exchange.urls["api"], url.rstrip("/"))
    return exchange


def _redirected(urls: Any, to: str) -> Any:
    if isinstance(urls, dict):
        return {key: _redirected(value, to) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    if urls.startswith("ws"):
        return re.sub(r"^wss?://[^/]+", re.sub(r"^http", "ws", to), urls)
    return re.sub(r"^https?://[^/]+", to, urls)
