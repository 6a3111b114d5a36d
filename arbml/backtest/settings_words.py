"""Settings in words: each with its value, its unit and what it means, from the configuration's own descriptions."""

from collections.abc import Iterator, Mapping
from typing import Any

from arbml.config import Config, Section

# by the end of the name; the longest that fits counts
UNITS = {
    "_ms": "ms", "_s": "s", "_minutes": "min", "_hours": "h", "_days": "days", "_bps": "bps", "_gwei": "gwei",
    "_quote": "token of the routes", "_fraction": "share", "_threshold": "probability", "_percentile": "percentile", "_per_minute": "per minute", "_per_leg": "gas units",
    "_base": "gas units", "_split": "share", "_rate": "share", "_symbols": "tokens", "_price_quote": "token of the routes per gas token",
    "_samples": "rows", "_positive": "rows", "_share": "share",
}  # fmt: skip
NAMED = {
    "capital": "token of the routes", "inventory": "token of the routes at each venue", "rebalance_cost": "token of the routes",
    "min_profit": "token of the routes", "max_open": "transactions", "max_legs": "swaps", "limit": "opportunities", "trees": "trees",
    "max_depth": "splits", "confidence": "share", "seed": "number", "competitors_per_minute": "per minute", "period_hours": "h",
    "rebalance_below": "share", "trials": "trials", "ticks": "ticks", "slippage": "name", "gas": "name", "folds": "test blocks", "embargo_s": "s",
}  # fmt: skip
WORDS = "words"


def explained(settings: Mapping[str, Any], sections: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, value, unit and meaning of every setting; sections within sections are joined by a point.

    >>> next(explained({"costs": {"inclusion_delay_ms": 5000}}))
    ('costs.inclusion_delay_ms', '5,000', 'ms', 'decision to inclusion')
    """
    for name, value in settings.items():
        path = (*sections, name)
        if isinstance(value, Mapping):
            yield from explained(value, path)
        else:
            yield ".".join(path), _shown(value), unit_of_setting(name, value), meaning_of(path)


def unit_of_setting(name: str, value: Any) -> str:
    """Return the unit of a setting.

    >>> unit_of_setting("impact_half_life_s", 60.0), unit_of_setting("without_ml", "hold")
    ('s', 'words')
    """
    if name in NAMED and not (isinstance(value, str) and NAMED[name] != "name"):
        return WORDS if NAMED[name] == "name" else NAMED[name]
    if isinstance(value, bool | str) or value is None:
        return next((UNITS[end] for end in sorted(UNITS, key=len, reverse=True) if value is None and name.endswith(end)), WORDS)
    return next((UNITS[end] for end in sorted(UNITS, key=len, reverse=True) if name.endswith(end)), WORDS)


def meaning_of(path: tuple[str, ...]) -> str:
    """Return the configuration's description of a setting; "" where it has none."""
    model: Any = Config
    for name in path[:-1]:
        field = model.model_fields.get(name)
        model = field.annotation if field is not None else None
        if not (isinstance(model, type) and issubclass(model, Section)):
            return ""
    field = model.model_fields.get(path[-1])
    return (field.description or "") if field is not None else ""


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
