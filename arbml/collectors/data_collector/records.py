"""What can be recorded, and what is refused at the door: a row that a store cannot keep must not wait among good ones."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from arbml.errors import SchemaError
from arbml.market import Execution, Tick

_WHOLE = ("ts_ms", "ts_known_ms", "chain_id", "block_number", "log_index")
_POSITIVE = ("price",)
_ANY_SIGN = ("profit",)
_TEXTS = ("venue", "pair", "pool", "request_id", "route", "profit_token", "result")
_REQUIRED = ("ts_ms", "ts_known_ms", "venue", "pair", "price", "request_id", "result", "gas_price_gwei", "chain_id", "log_index")
_OPTIONAL_IN = {"Tick": ("gas_price_gwei", "chain_id"), "Execution": ("gas_price_gwei", "chain_id")}
_FORBIDDEN = {"venue": "|>", "pair": "|>"}


@dataclass(frozen=True, slots=True)
class GasPrice:
    """The gas price of a chain at a moment.

    Attributes:
        ts_ms, ts_known_ms: when it was, and when we knew it, UTC ms.
        gas_price_gwei: gwei. block_number: of which block, where it is of one.
    """

    ts_ms: int
    ts_known_ms: int
    chain_id: int
    gas_price_gwei: float
    block_number: int | None = None


Record: TypeAlias = Tick | Execution | GasPrice
R = TypeVar("R", Tick, Execution, GasPrice)


def check(record: Record) -> None:
    """Refuse a record that a store would refuse.

    Raises:
        SchemaError: naming the field, its value and what it must be.
    """
    kind = type(record).__name__
    optional = _OPTIONAL_IN.get(kind, ())
    for name in record.__slots__:
        value = getattr(record, name)
        if name == "opportunity":
            continue
        if value is None:
            if name in _REQUIRED and name not in optional:
                raise SchemaError(f"{kind}: {name} is missing")
            continue
        fault = _fault(name, value)
        if fault:
            raise SchemaError(f"{kind}: {name} {value!r} {fault}")
    if record.ts_known_ms < record.ts_ms:
        raise SchemaError(f"{kind}: ts_known_ms {record.ts_known_ms} is before ts_ms {record.ts_ms}; nothing is known before it happens")
    if isinstance(record, Tick) and (record.reserve_base is None) != (record.reserve_quote is None):
        raise SchemaError("Tick: one reserve without the other; give reserve_base and reserve_quote, or neither")


def _fault(name: str, value: Any) -> str:
    """Return what is wrong with a value that is there; empty if nothing is."""
    if name in _TEXTS:
        return _text_fault(name, value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    if name in _WHOLE:
        return "" if isinstance(value, int) and abs(value) < 2**63 else "must be a whole number of at most 64 bits"
    if not math.isfinite(value):
        return "is not finite"
    if name in _POSITIVE:
        return "" if value > 0 else "must be positive"
    return "must not be negative" if value < 0 and name not in _ANY_SIGN else ""


def _text_fault(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        return "must be text, and not empty"
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return "has a character that a database cannot keep"
    if any(character in value for character in _FORBIDDEN.get(name, "")):
        return "may not contain '|' or '>'"
    base, _, quote = value.partition("/")
    return "is not BASE/QUOTE" if name == "pair" and not (base and quote) else ""


class Places:
    """Gives ticks of one stream and millisecond the numbers 0, 1, 2, ... so that each keeps a key of its own.

    Args:
        size: (stream, millisecond) pairs remembered; the oldest are forgotten.

    >>> places = Places()
    >>> [places.next("a|X/Y", ts_ms) for ts_ms in (5, 5, 6, 5)]
    [0, 1, 0, 2]
    """

    def __init__(self, size: int = 5_000) -> None:
        self._size = size
        self._next: OrderedDict[tuple[str, int], int] = OrderedDict()

    def next(self, stream: str, ts_ms: int) -> int:
        """Return the place of another tick of a stream at a millisecond."""
        place = self._next.get((stream, ts_ms), 0)
        self._next[stream, ts_ms] = place + 1
        if len(self._next) > self._size:
            self._next.popitem(last=False)
        return place
