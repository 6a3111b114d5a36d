"""The market's side of an order: where it lands, what it meets there, and what that comes to."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from arbml.backtest.competition import best_of_others, drawn, left_by, outrun
from arbml.backtest.gas import GasMarket
from arbml.backtest.impact import Impacts, swapped
from arbml.backtest.orders import Fill, Sent
from arbml.backtest.slippage import priced
from arbml.backtest.strategy import Order
from arbml.backtest.tape import Tape
from arbml.config import BacktestConfig, CostsConfig
from arbml.errors import DataError
from arbml.labels import land
from arbml.market import Opportunity, Pool, Result, gas_price_gwei, pool_of
from arbml.market.amm import spot_price


class Fate(Protocol):
    """A world that says itself what becomes of an attempt, e.g. a simulated one."""

    def outcome(self, opportunity: Opportunity, request_id: str, now_ms: int, landed_ms: int) -> tuple[Result, float]:
        """Return the result, and the net profit in the token of the route (a revert's gas is negative)."""
        ...


class Exchange:
    """Lands orders as the labels have it (`arbml.labels.land`).

    An attempt lands with the first event of any of its venues at or after decision plus inclusion delay, and meets the
    state of that event time on all of them, as moved by the bot's own earlier trades (`impact`) and by whoever was faster
    (`competition`). If the amount still pays there after everything, it succeeds; otherwise it reverts and pays for gas.
    A bid below the gas price there never lands, and costs nothing.

    With a fate, result and profit are what that says: gas bids, competition and price impact on the profit are its own business.
    When and with what capital an attempt is made, and what a success does to the pools for later ones, stay as they are.

    Args:
        tape: the recording. costs, config: what is assumed. impacts: of the run. fate: see above.
    """

    def __init__(self, tape: Tape, costs: CostsConfig, config: BacktestConfig, impacts: Impacts, fate: Fate | None) -> None:
        self._tape, self._costs, self._config, self._impacts, self._fate = tape, costs, config, impacts, fate
        self._gas = GasMarket(tape, config)
        self._number_of = {name: number for number, name in enumerate(tape.names)}

    def send(self, number: int, order: Order, opportunity: Opportunity, now_ms: int, shrunk: bool) -> Sent | None:
        """Return an order under way; None if the recording ends before its outcome is known."""
        streams = tuple(self._number_of[f"{leg.venue}|{leg.pair}"] for leg in opportunity.route.legs)
        series = [self._tape.series[stream] for stream in streams]
        there = land(series, np.array([now_ms + self._costs.inclusion_delay_ms]))
        if not there.known[0]:
            return None
        rows = tuple(int(one.row[at[0]]) for one, at in zip(series, there.at, strict=True))
        bid = self._gas.bid(streams, now_ms, order.bid_gwei, opportunity.gas_price_gwei)
        landed_ms = int(there.ts_ms[0])
        known_ms = max(landed_ms, int(there.label_end_ms[0]))  # clocks differ: some ticks are known before they happened
        return Sent(number, order, opportunity, now_ms, landed_ms, known_ms, streams, rows, bid, shrunk)

    def fill(self, sent: Sent) -> Fill:
        """Return what becomes of an order. Orders must be filled in the order in which they land."""
        if self._fate is not None:
            result, net = self._fate.outcome(sent.opportunity, sent.order.request_id, sent.decided_ms, sent.landed_ms)
            if result is Result.SUCCESS:  # whoever gives the profit, the edge is taken: it is not there to be taken again
                self._move(sent, sent.opportunity, self._pools(sent))
            return _fated(sent, result, net)
        met = self._pools(sent)
        paid = sent.bid.paid(gas_price_gwei(met, self._costs))
        if paid is None:
            return Fill(Result.FAILED, 0.0)
        met = [replace(pool, gas_price_gwei=paid) for pool in met]
        others = self._others(sent) if len(sent.opportunity.route.pairs) > 1 else []
        then = self._priced(sent, met, others)
        competed = self._outrun(sent, then, met)
        if competed:
            left = left_by(then, met, self._costs.max_amount_quote)
            if left is None:
                return self._reverted(then, paid, competed)
            met, then = left, self._priced(sent, left, others)
        if not then.net_profit > 0.0:
            return self._reverted(then, paid, competed)
        self._move(sent, then, met)
        return Fill(
            Result.SUCCESS, then.net_profit, then.gross_profit, then.fee_cost, then.slippage_cost, then.gas_cost,
            float(then.gas_units), paid, competed,
        )  # fmt: skip

    def _pools(self, sent: Sent) -> list[Pool]:
        """The states that it meets, in the order of its legs."""
        recorded = map(pool_of, self._tape.ticks(list(sent.rows)))
        return [self._impacts.pool(pool, stream, sent.landed_ms) for pool, stream in zip(recorded, sent.streams, strict=True)]

    def _others(self, sent: Sent) -> list[Pool]:
        """What all other streams were like then: a route of several pairs needs them for the price of the gas token."""
        at = ((one, int(one.asof(np.array([sent.landed_ms]))[0])) for k, one in enumerate(self._tape.series) if k not in sent.streams)
        return [pool_of(tick) for tick in self._tape.ticks([int(one.row[number]) for one, number in at if number >= 0])]

    def _priced(self, sent: Sent, pools: Sequence[Pool], others: Sequence[Pool]) -> Opportunity:
        then = priced(sent.opportunity, [*pools, *others], self._costs, self._config, sent.landed_ms)
        assert then is not None, "all pools of the route are there"
        return then

    def _outrun(self, sent: Sent, then: Opportunity, pools: Sequence[Pool]) -> bool:
        """Whether a competitor has taken what pays there."""
        draw = drawn(self._config.seed, sent.opportunity.route.name, sent.landed_ms)
        if not outrun(self._config.competitors_per_minute, sent.landed_ms - sent.decided_ms, draw):
            return False
        return best_of_others(then, pools, self._costs.max_amount_quote) > 0.0

    def _reverted(self, then: Opportunity, paid: float, competed: bool) -> Fill:
        used = then.gas_units * self._costs.revert_gas_fraction
        return Fill(Result.REVERTED, -then.revert_cost, gas=then.revert_cost, gas_used=used, gas_price_gwei=paid, competed=competed)

    def _move(self, sent: Sent, then: Opportunity, pools: Sequence[Pool]) -> None:
        """Leave the traces of a trade."""
        if self._config.slippage != "exact":
            return
        for leg, pool, stream in zip(then.route.legs, pools, sent.streams, strict=True):
            moved = spot_price(swapped(pool, leg.side, leg.amount_in)) / spot_price(pool)
            self._impacts.add(stream, sent.landed_ms, math.log(moved))


def _fated(sent: Sent, result: Result, net: float) -> Fill:
    """Spread what a fate says over the terms: what differs from the decision's own is slippage, for or against the bot."""
    found = sent.opportunity
    if not math.isfinite(net) or (result is Result.FAILED and net != 0.0):
        raise DataError(f"the fate of '{sent.order.request_id}' is {result} with a profit of {net!r}; a failed attempt costs nothing")
    if result is Result.SUCCESS:
        slippage = found.gross_profit - found.fee_cost - found.gas_cost - net
        gas = (found.gas_cost, float(found.gas_units), found.gas_price_gwei)
        return Fill(result, net, found.gross_profit, found.fee_cost, slippage, *gas)
    if result is Result.FAILED:
        return Fill(result, 0.0)
    share = -net / found.gas_cost if found.gas_cost else 0.0
    return Fill(result, net, gas=-net, gas_used=found.gas_units * share, gas_price_gwei=found.gas_price_gwei)
