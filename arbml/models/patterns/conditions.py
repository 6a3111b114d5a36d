"""What a pattern says of an opportunity: a condition that a live one meets or not. Plain data, so that it can be stored.

Times of day and week are UTC. `key` names a condition for good: the same one found again has the same key, whatever its
thresholds have become. `words` is for people.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["time", "venue", "sequence", "cluster"]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_NAMED = 3  # inputs that a cluster is described by


class Signal(NamedTuple):
    """A market event: an input that rises above a threshold. `sign` -1: that falls below one."""

    feature: str
    sign: int
    words: str


SIGNALS = {
    "gas_spike": Signal("mempool_congestion", 1, "a gas spike"),
    "gas_drop": Signal("gas_trend", -1, "a drop of the gas price"),
    "volatility_burst": Signal("price_dispersion_trend", 1, "a burst of volatility"),
    "volume_burst": Signal("volume_ratio", 1, "a burst of volume"),
    "gap_opened": Signal("cross_spread_trend", 1, "a gap between venues that opened"),
}
"""Market events, noticed on any stream of the opportunity's pair."""

ROUTE_EVENTS = {"opportunity": "an opportunity that paid its costs", "success": "a success", "loss": "a failed attempt"}
"""Events of a route: seen, or its outcome became known."""


def hour_of(ts_ms: int) -> int:
    """Return the hour of the day, UTC.

    >>> hour_of(1_704_412_823_000)
    0
    """
    return ts_ms // HOUR_MS % 24


def weekday_of(ts_ms: int) -> int:
    """Return the day of the week, UTC, 0 for Monday.

    >>> WEEKDAYS[weekday_of(1_704_412_823_000)]
    'Friday'
    """
    return (ts_ms // DAY_MS + 3) % 7  # 1 January 1970 was a Thursday


@dataclass(frozen=True, slots=True)
class Hours:
    """A band of hours of the day, both ends included; it may go over midnight."""

    first: int
    last: int
    kind: ClassVar[Kind] = "time"

    @property
    def hours(self) -> tuple[int, ...]:
        """Every hour of the band, in order.

        >>> Hours(22, 1).hours
        (22, 23, 0, 1)
        """
        return tuple((self.first + i) % 24 for i in range((self.last - self.first) % 24 + 1))

    @property
    def key(self) -> str:
        return f"time:hours {self.first}-{self.last}"

    @property
    def words(self) -> str:
        return f"{self.first:02d}:00-{self.last:02d}:59 UTC"


@dataclass(frozen=True, slots=True)
class Weekday:
    """A day of the week, 0 for Monday."""

    day: int
    kind: ClassVar[Kind] = "time"

    @property
    def key(self) -> str:
        return f"time:{WEEKDAYS[self.day]}"

    @property
    def words(self) -> str:
        return f"{WEEKDAYS[self.day]} UTC"


@dataclass(frozen=True, slots=True)
class OnRoute:
    """One route: its venues in order, and its pairs."""

    route: str
    kind: ClassVar[Kind] = "venue"

    @property
    def key(self) -> str:
        return f"venue:{self.route}"

    @property
    def words(self) -> str:
        return spoken(self.route)


@dataclass(frozen=True, slots=True)
class OnVenues:
    """The venues in order, whatever the pairs."""

    venues: str
    kind: ClassVar[Kind] = "venue"

    @property
    def key(self) -> str:
        return f"venue:{self.venues} *"

    @property
    def words(self) -> str:
        return f"{spoken(self.venues)}, any pair"


@dataclass(frozen=True, slots=True)
class OnChain:
    """The chain on which the route begins."""

    chain_id: int
    kind: ClassVar[Kind] = "venue"

    @property
    def key(self) -> str:
        return f"venue:chain {self.chain_id}"

    @property
    def words(self) -> str:
        return f"chain {self.chain_id}"


@dataclass(frozen=True, slots=True)
class Follows:
    """An event, and within `memory_ms` the opportunity.

    Attributes:
        event: a name of SIGNALS, on the opportunity's own pair, or of ROUTE_EVENTS.
        after: the route of the event; "" for a market event.
        route: that of the opportunity; "" for any.
        threshold: of a market event, learnt from the period of discovery.
    """

    event: str
    after: str
    route: str
    memory_ms: int
    threshold: float | None = None
    kind: ClassVar[Kind] = "sequence"

    def __post_init__(self) -> None:
        if self.event not in SIGNALS and self.event not in ROUTE_EVENTS:
            raise ValueError(f"no event is called '{self.event}'")

    @property
    def key(self) -> str:
        return f"sequence:{self.event} {self.after or '*'} -> {self.route or '*'}"

    @property
    def words(self) -> str:
        what = SIGNALS[self.event].words if self.event in SIGNALS else f"{ROUTE_EVENTS[self.event]} on {spoken(self.after)}"
        return f"{what} within {self.memory_ms / 1000:g} s before {spoken(self.route) if self.route else 'any route'}"


@dataclass(frozen=True, slots=True)
class Near:
    """The inputs lie in a ball around a centre, in robust standard deviations; an input not known counts as the median.

    Attributes:
        names: inputs that count. median, scale: of each in the period of discovery, in its unit.
        centre: in units of `scale` from `median`. radius: largest distance.
    """

    names: tuple[str, ...]
    median: tuple[float, ...]
    scale: tuple[float, ...]
    centre: tuple[float, ...]
    radius: float
    kind: ClassVar[Kind] = "cluster"

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.median) == len(self.scale) == len(self.centre):
            raise ValueError(f"a cluster of {len(self.names)} inputs needs as many medians, scales and coordinates")

    @property
    def key(self) -> str:
        return "cluster:" + hashlib.sha256(repr((self.names, self.centre, self.radius)).encode()).hexdigest()[:8]

    @property
    def words(self) -> str:
        far = sorted(range(len(self.names)), key=lambda i: (-abs(self.centre[i]), i))[:MOST_NAMED]
        said = [f"{self.names[i]} {self.median[i] + self.centre[i] * self.scale[i]:.3g} ({self.centre[i]:+.1f} sd)" for i in far]
        return "like " + ", ".join(said)


Condition: TypeAlias = Hours | Weekday | OnRoute | OnVenues | OnChain | Follows | Near
_TYPES: dict[str, type[Condition]] = {one.__name__: one for one in (Hours, Weekday, OnRoute, OnVenues, OnChain, Follows, Near)}


def condition_to_dict(condition: Condition) -> dict[str, Any]:
    """Plain data, ready for JSON; floats survive unchanged."""
    return {"type": type(condition).__name__, **asdict(condition)}


def condition_from_dict(data: dict[str, Any]) -> Condition:
    """Rebuild what `condition_to_dict` wrote.

    Raises:
        KeyError, TypeError: if the type is unknown or fields are missing or unknown.
    """
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name != "type"}
    return _TYPES[data["type"]](**fields)


def spoken(route: str) -> str:
    """Return the name of a route as people say it.

    >>> spoken("buy:uniswap>sell:curve WETH/USDC")
    'buy uniswap > sell curve WETH/USDC'
    """
    return " > ".join(leg.replace(":", " ", 1) for leg in route.split(">"))
