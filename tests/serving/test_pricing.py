"""The client's legs and the observed state, priced by the finder that labelled the training data."""

from typing import Any

import pytest

from arbml.config import CostsConfig
from arbml.errors import InvalidRequest
from arbml.market import Pool
from arbml.market.finder import find_opportunities
from arbml.serving.pricing import price
from tests.serving.kit import NOW_MS, PAIR, ask

COSTS = CostsConfig()


def pool(venue: str, spot: float, **changes: Any) -> Pool:
    reserves = {"reserve_base": 1e6 / spot, "reserve_quote": 1e6}
    return Pool(venue, PAIR, spot, 5.0, NOW_MS, NOW_MS, **{**reserves, "gas_price_gwei": 2.0, **changes})


OBSERVED = {"cheap": pool("cheap", 2000.0), "dear": pool("dear", 2030.0), "third": pool("third", 2100.0)}


def legs(**second: Any) -> list[dict[str, Any]]:
    return [{"venue": "cheap", "side": "buy"}, {"venue": "dear", "side": "sell", **second}]


def test_observed_state_gives_exactly_what_the_finder_finds() -> None:
    priced = price(ask(), OBSERVED, COSTS, NOW_MS)
    best = find_opportunities([OBSERVED["cheap"], OBSERVED["dear"]], COSTS, NOW_MS)[0]
    assert priced.opportunity == best
    assert {p.venue for p in priced.observed} == {"cheap", "dear"}
    assert priced.gas_known


def test_state_sent_with_the_request_gives_the_same_as_state_observed() -> None:
    names = ("venue", "price", "fee_bps", "reserve_base", "reserve_quote")
    sides = {"cheap": "buy", "dear": "sell"}
    sent = [{"side": side, **{name: getattr(OBSERVED[venue], name) for name in names}} for venue, side in sides.items()]
    priced = price(ask(legs=sent, gas_price_gwei=2.0), {}, COSTS, NOW_MS)
    assert priced.opportunity == price(ask(), OBSERVED, COSTS, NOW_MS).opportunity
    assert priced.observed == ()


def test_reserves_alone_make_the_price() -> None:
    priced = price(ask(legs=legs(reserve_base=500.0, reserve_quote=1_015_000.0)), OBSERVED, COSTS, NOW_MS)
    assert priced.opportunity.route.legs[1].price == 2030.0


def test_a_price_alone_is_priced_without_the_observed_reserves() -> None:
    priced = price(ask(legs=legs(price=2031.0)), OBSERVED, COSTS, NOW_MS)
    sell = priced.opportunity.route.legs[1]
    assert (sell.price, sell.fee_bps, sell.depth_quote) == (2031.0, 5.0, None)
    assert [p.venue for p in priced.observed] == ["cheap"]


def test_a_loss_is_priced_by_the_same_formula() -> None:
    back = [{"venue": "dear", "side": "buy"}, {"venue": "cheap", "side": "sell"}]
    loss = price(ask(legs=back, amount_in=1000.0), OBSERVED, COSTS, NOW_MS).opportunity
    assert loss.edge_bps == pytest.approx(-price(ask(), OBSERVED, COSTS, NOW_MS).opportunity.edge_bps)
    assert loss.net_profit == pytest.approx(loss.gross_profit - loss.fee_cost - loss.slippage_cost - loss.gas_cost)
    assert loss.revert_cost > 0


def test_a_round_trip_on_one_venue_only_loses() -> None:
    trip = price(ask(legs=legs(venue="cheap")), OBSERVED, COSTS, NOW_MS).opportunity
    assert (trip.gross_profit, trip.edge_bps) == (0, 0)
    assert trip.net_profit < -trip.gas_cost


def test_gas_of_the_request_wins() -> None:
    assert price(ask(gas_price_gwei=7.0), OBSERVED, COSTS, NOW_MS).opportunity.gas_price_gwei == 7.0
    assert price(ask(), OBSERVED, COSTS, NOW_MS).opportunity.gas_price_gwei == 2.0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"side": "buy"}, "legs[1].side"),
        ({"venue": "cheap", "price": 2500.0}, "legs[1].venue"),
        ({"pair": "WBTC/USDC"}, "legs[1].pair"),
        ({"venue": "new"}, "legs[1].price"),
        ({"venue": "new", "price": 2030.0}, "legs[1].fee_bps"),
        ({"reserve_base": 500.0}, "legs[1].reserve_quote"),
        ({"reserve_quote": 500.0}, "legs[1].reserve_base"),
        ({"reserve_base": 1.0, "reserve_quote": 1e21, "price": 2000.0}, "legs[1].price"),
        ({"reserve_base": 1e-12, "reserve_quote": 1e21}, "legs[1].reserve_base"),
    ],
)
def test_contradictions_are_refused_by_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        price(ask(legs=legs(**change)), OBSERVED, COSTS, NOW_MS)
    assert refusal.value.field == field
    assert refusal.value.mend
