"""The trades of one pair on one exchange, each counted once, and those that were never seen."""

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

REMEMBERED = 10_000
_ENOUGH = 10      # steps of one that make us believe that an exchange numbers its trades without holes
_MOST_HOLES = 10_000


class TradeTape:
    """Sums what is traded between two ticks. Trades may come twice, late and out of order.

    Trades without an id are told apart by time, side, price and amount, and by their count among equal ones of one message.

    Where the ids of an exchange are found to run without holes (each the one before plus one), a hole is a trade that was
    missed; it is closed again if the trade still comes.

    Attributes:
        last_ms: when the newest trade happened, on the exchange's clock; None before the first.
        hole_ms: when a trade before the oldest hole happened, on the exchange's clock; None without holes.
        duplicates, malformed: trades that came again, trades without time, price or amount.

    >>> tape = TradeTape()
    >>> trades = [{"id": str(i), "timestamp": 1000 + i, "price": 10.0, "amount": 1.0} for i in range(20)]
    >>> tape.begin(trades[:15])
    >>> tape.add([trades[18], trades[14], trades[15], trades[17]])
    3
    >>> tape.take(), tape.missing(), tape.duplicates
    (30.0, 1, 1)
    >>> tape.add([trades[16]])
    1
    >>> tape.take(), tape.missing()
    (10.0, 0)
    """

    def __init__(self) -> None:
        self.last_ms: int | None = None
        self.hole_ms: int | None = None
        self.duplicates = self.malformed = 0
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._volume = 0.0
        self._highest: int | None = None
        self._steps = 0
        self._numbered: bool | None = None  # None: not known yet
        self._holes: set[int] = set()
        self._more_holes = 0

    def begin(self, trades: Iterable[Mapping[str, Any]]) -> None:
        """Take note of what was traded before the first tick, without counting it."""
        self.add(trades)
        self._volume = 0.0

    def add(self, trades: Iterable[Mapping[str, Any]]) -> int:
        """Count trades that were not seen before, as ccxt gives them; return how many those were."""
        fresh = []
        alike: Counter[str] = Counter()
        for trade in trades:
            if not _whole(trade):
                self.malformed += 1
            elif (name := _name(trade, alike)) in self._seen:
                self.duplicates += 1
            else:
                self._seen[name] = None
                fresh.append(trade)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        before_ms = self.last_ms
        for trade in fresh:
            self._volume += trade["price"] * trade["amount"]
            self.last_ms = max(self.last_ms or 0, int(trade["timestamp"]))
        self._number(sorted(int(trade["id"]) for trade in fresh if str(trade.get("id")).isdecimal()), len(fresh))
        if not self.missing():
            self.hole_ms = None
        elif self.hole_ms is None:
            self.hole_ms = before_ms
        return len(fresh)

    def take(self) -> float:
        """Return what was traded since the last call, quote."""
        volume, self._volume = self._volume, 0.0
        return volume

    def missing(self) -> int:
        """Return how many trades were passed over by the ids of later ones and have not come since."""
        return len(self._holes) + self._more_holes

    def forgive(self) -> int:
        """Forget the holes, which have been reported; return how many they were."""
        count = self.missing()
        self._holes.clear()
        self._more_holes = 0
        self.hole_ms = None
        return count

    def _number(self, ids: list[int], count: int) -> None:
        if count and len(ids) < count:
            self._numbered = False
        for number in ids:
            if self._highest is None:
                self._highest = number
                continue
            step = number - self._highest
            if step <= 0:
                self._holes.discard(number)
                continue
            if self._numbered is None:
                self._steps += 1
                self._numbered = False if step != 1 else True if self._steps >= _ENOUGH else None
            elif self._numbered and step > 1:
                room = _MOST_HOLES - len(self._holes)
                self._holes.update(range(self._highest + 1, min(number, self._highest + 1 + room)))
                self._more_holes += max(0, step - 1 - room)
            self._highest = number


def _whole(trade: Mapping[str, Any]) -> bool:
    numbers = (trade.get("timestamp"), trade.get("price"), trade.get("amount"))
    return all(isinstance(n, int | float) and math.isfinite(n) and n > 0 for n in numbers)


def _name(trade: Mapping[str, Any], alike: Counter[str]) -> str:
    """Return what makes a trade itself: its id, or else its content and how many like it came before it in the message."""
    if trade.get("id") not in (None, ""):
        return str(trade["id"])
    content = f"{trade['timestamp']} {trade.get('side')} {trade['price']} {trade['amount']}"
    alike[content] += 1
    return f"{content} {alike[content]}"
