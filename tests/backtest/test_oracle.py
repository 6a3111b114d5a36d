"""The upper mark: it sends what the truth says pays, and nothing else."""

from dataclasses import dataclass, field

import pytest

from arbml.backtest.oracle import OracleStrategy
from arbml.backtest.strategy import History
from arbml.config import CostsConfig
from arbml.market import Opportunity, Pool

COSTS = CostsConfig()


def pool(venue: str, price: float, pair: str = "WETH/USDC") -> Pool:
    return Pool(venue, pair, price, 5.0, 0, 0, reserve_base=1e5, reserve_quote=1e5 * price, gas_price_gwei=10.0)


@dataclass
class Market:
    """A view of three venues that stand still."""

    held: list[Pool]
    token: str = "USDC"
    now_ms: int = 1_000
    free_capital: float = 1e6
    in_flight: int = 0
    streams: tuple[str, ...] = ()

    @property
    def pairs(self) -> tuple[str, ...]:
        return tuple(sorted({one.pair for one in self.held}))

    def pools(self, pair: str, max_age_ms: int | None = None) -> list[Pool]:
        return sorted((one for one in self.held if one.pair == pair), key=lambda one: one.venue)

    def history(self, stream: str, n: int) -> History:
        raise AssertionError("not needed")


@dataclass
class Known:
    """A world that likes routes that end at one venue."""

    liked: str
    asked: list[int] = field(default_factory=list)

    def expected_profit(self, opportunity: Opportunity, now_ms: int) -> float:
        self.asked.append(now_ms)
        return 2.0 if opportunity.route.legs[-1].venue == self.liked else -1.0


@pytest.mark.parametrize("liked", ["b", "c"])
def test_it_sends_what_the_truth_likes_even_if_another_route_looks_better(liked: str) -> None:
    truth = Known(liked)
    oracle = OracleStrategy(COSTS, truth)
    oracle.start(Market([pool("a", 2000.0), pool("b", 2010.0), pool("c", 2020.0)]))
    sent = oracle.decide(1_000)
    assert [order.opportunity.route.legs[-1].venue for order in sent] == [liked]
    assert set(truth.asked) == {1_000}


def test_it_sends_nothing_where_nothing_pays_or_cannot_be_traded() -> None:
    oracle = OracleStrategy(COSTS, Known("nobody"))
    oracle.start(Market([pool("a", 2000.0), pool("b", 2010.0)]))
    assert oracle.decide(1_000) == []
    oracle = OracleStrategy(COSTS, Known("b"))
    oracle.start(Market([pool("a", 2000.0, "WETH/DAI"), pool("b", 2010.0, "WETH/DAI"), pool("b", 2010.0)]))
    assert oracle.decide(1_000) == [], "one venue has nothing to trade with, and DAI is not what it owns"


def test_above_a_floor_it_is_choosy() -> None:
    pools = [pool("a", 2000.0), pool("b", 2010.0)]
    for floor, sent in ((1.99, 1), (2.0, 0)):
        oracle = OracleStrategy(COSTS, Known("b"), floor=floor)
        oracle.start(Market(pools))
        assert len(oracle.decide(1_000)) == sent
