"""Whether the legs of a request make a route: each takes what the one before it gives, and the last gives what the first took."""

from typing import NamedTuple

from arbml.errors import InvalidRequest
from arbml.serving.schemas import LegRequest, OpportunityRequest


class Swap(NamedTuple):
    """A leg with the pair it trades, its own or the opportunity's."""

    leg: LegRequest
    pair: str

    @property
    def takes(self) -> str:
        """The token that goes in."""
        base, _, quote = self.pair.partition("/")
        return quote if self.leg.side == "buy" else base

    @property
    def gives(self) -> str:
        """The token that comes out."""
        base, _, quote = self.pair.partition("/")
        return base if self.leg.side == "buy" else quote


def chain(request: OpportunityRequest) -> tuple[Swap, ...]:
    """Return the legs as swaps that follow from one another.

    Raises:
        InvalidRequest: naming the leg at which they do not, what arrives there, and what it takes.
    """
    swaps = tuple(Swap(leg, leg.pair or request.pair) for leg in request.legs)
    for i, swap in enumerate(swaps[1:], start=1):
        if swap.takes != swaps[i - 1].gives:
            raise _broken(i, swap, swaps[i - 1].gives)
    start, last = swaps[0].takes, len(swaps) - 1
    if swaps[last].gives != start:
        said = f"gives {swaps[last].gives}, but the route started with {start}"
        raise InvalidRequest(said, f"legs[{last}].pair", f"end with a leg that gives {start}")
    if swaps[0].pair != request.pair:
        said = f"is '{swaps[0].pair}', the opportunity's is '{request.pair}'"
        raise InvalidRequest(said, "legs[0].pair", "the opportunity's pair is that of its first leg")
    return swaps


def in_two_venues(swaps: tuple[Swap, ...]) -> bool:
    """Return whether it is the plain case, that of the labels: buy the base of one pair with its quote, sell it elsewhere."""
    return [swap.leg.side for swap in swaps] == ["buy", "sell"] and swaps[0].pair == swaps[1].pair


def check_cycle(swaps: tuple[Swap, ...]) -> None:
    """Refuse what no cycle of several pairs can be.

    Raises:
        InvalidRequest: for a pair of a token with itself, and for a pool that is used twice: the first swap moves it, and
            the second would be priced as if it had not.
    """
    seen: dict[tuple[str, str], int] = {}
    for i, swap in enumerate(swaps):
        if swap.takes == swap.gives:
            raise InvalidRequest(f"'{swap.pair}' is a token against itself", f"legs[{i}].pair", "send BASE/QUOTE of two tokens")
        first = seen.setdefault((swap.leg.venue, swap.pair), i)
        if first != i:
            said = f"'{swap.leg.venue}' {swap.pair} is already used by legs[{first}]"
            raise InvalidRequest(said, f"legs[{i}].venue", "use each pool once; the first swap moves it")


def _broken(i: int, swap: Swap, arrives: str) -> InvalidRequest:
    side = swap.leg.side
    said = f"{arrives} arrives from legs[{i - 1}], but '{side}' of {swap.pair} takes {swap.takes}"
    if arrives == swap.gives:
        other = "sell" if side == "buy" else "buy"
        return InvalidRequest(said, f"legs[{i}].side", f"'{other}' takes {arrives}")
    return InvalidRequest(said, f"legs[{i}].pair", f"name a pair of {arrives}, or put the legs in the order of the swaps")
