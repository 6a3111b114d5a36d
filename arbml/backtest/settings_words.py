"""Settings in words: each with its value, its unit and what it means, from the configuration's own descriptions."""

from collections.abc import Iterator, Mapping
from typing import Any

from arbml.config import Config, Section

# by the end of the name; the longest that fits counts
UNITS = {
    "_ms": "ms",
    "_s": "s",
    "_minutes": "min",
    "_hours": "h",
    "_days": "days",
    "_bps": "bps",
    "_gwei": "gwei",
    "_quote": "token of the routes",
    "_price_quote": "token of the routes per gas token",
    "_base": "gas units",
    "_per_leg": "gas units",
    "_per_minute": "per minute",
    "_percentile": "percentile",
    "_threshold": "confidence",
    "_fraction": "share",
    "_split": "share",
    "_rate": "share",
    "_share": "share",
    "_symbols": "tokens",
    "_samples": "rows",
    "_positive": "rows",
}
NAMED = {
    "capital": "token of the routes",
    "inventory": "token of the routes at each venue",
    "rebalance_cost": "token of the routes",
    "rebalance_below": "share",
    "min_profit": "token of the routes",
    "max_open": "transactions",
    "max_legs": "swaps",
    "limit": "opportunities",
    "confidence": "share",
    "seed": "number",
    "trials": "trials",
}
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
    if isinstance(value, bool | str):
        return WORDS
    ends = sorted((end for end in UNITS if name.endswith(end)), key=len)
    return NAMED.get(name) or (UNITS[ends[-1]] if ends else WORDS)


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
