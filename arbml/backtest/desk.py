"""The bot's back office: checks orders, keeps limits, and books what became of them."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from arbml.backtest.exchange import Exchange
from arbml.backtest.ledger import Ledger, to_tokens
from arbml.backtest.orders import Sent, check_order
from arbml.backtest.results import Trade
from arbml.backtest.slippage import priced
from arbml.backtest.strategy import Order
from arbml.backtest.view import MarketView
from arbml.backtest.wallet import Wallet
from arbml.config import BacktestConfig, CostsConfig
from arbml.market import Execution, Opportunity

FAR = 2**62


class Desk:
    """Orders from acceptance to booking.

    An order beyond what is free is cut to it and priced anew on what is known, unless it then pays nothing where it did
    before; one that finds no room, or `max_open` others under way, is dropped. Everything is counted.

    Args:
        strategy: its name, for messages.
        exchange, wallet, ledger, view: of the run.
        costs, config: what is assumed.
    """

    def __init__(
        self, strategy: str, exchange: Exchange, wallet: Wallet, ledger: Ledger, view: MarketView, costs: CostsConfig,
        config: BacktestConfig,
    ) -> None:  # fmt: skip
        self._strategy, self._exchange, self._wallet, self._ledger, self._view = strategy, exchange, wallet, ledger, view
        self._costs, self._config = costs, config
        self.counts: Counter[str] = Counter(sent=0, shrunk=0, dropped_max_open=0, dropped_capital=0, unsettled=0)
        self.trades: list[Trade] = []
        self._used: set[str] = set()
        self._landing: list[tuple[int, int, Sent]] = []  # to be filled, by landing
        self._known: list[tuple[int, int, Sent]] = []    # to be settled, by knowing
        self._lost: list[str] = []                       # the recording ends before their outcome

    @property
    def in_flight(self) -> int:
        """Orders sent whose outcome is not known yet."""
        return len(self._known) + len(self._lost)

    @property
    def next_landing_ms(self) -> int:
        """Event time of the next landing."""
        return self._landing[0][0] if self._landing else FAR

    @property
    def next_known_ms(self) -> int:
        """When the next outcome is known."""
        return self._known[0][0] if self._known else FAR

    def accept(self, order: Order, now_ms: int) -> None:
        """Send an order, cut it or drop it.

        Raises:
            DataError: for an order that cannot be sent, naming strategy, order and field.
        """
        check_order(self._strategy, order, self._view.token, self._view.streams, self._used)
        self._used.add(order.request_id)
        if self.in_flight >= self._config.max_open:
            self.counts["dropped_max_open"] += 1
            return
        opportunity = self._fitted(order.opportunity, now_ms)
        if opportunity is None:
            self.counts["dropped_capital"] += 1
            return
        shrunk = opportunity is not order.opportunity
        self.counts["sent"] += 1
        self.counts["shrunk"] += shrunk
        self._wallet.reserve(order.request_id, opportunity, now_ms)
        sent = self._exchange.send(self.counts["sent"], order, opportunity, now_ms, shrunk)
        if sent is None:
            self._lost.append(order.request_id)
            return
        heapq.heappush(self._landing, (sent.landed_ms, sent.number, sent))
        heapq.heappush(self._known, (sent.known_ms, sent.number, sent))

    def land(self, until_ms: int) -> None:
        """Fill what lands by an event time, in order."""
        while self.next_landing_ms <= until_ms:
            _, _, sent = heapq.heappop(self._landing)
            sent.fill = self._exchange.fill(sent)

    def settle(self, now_ms: int) -> Iterator[Execution]:
        """Book what became known by now, and tell it."""
        while self.next_known_ms <= now_ms:
            _, _, sent = heapq.heappop(self._known)
            yield self._book(sent)

    def close(self, now_ms: int) -> None:
        """Take back what nobody will ever know."""
        left = [sent.order.request_id for _, _, sent in sorted(self._known, key=lambda one: one[1])]
        for request_id in (*left, *self._lost):
            self._wallet.release(request_id, now_ms)
            self.counts["unsettled"] += 1
        self._known.clear()
        self._lost.clear()

    def _fitted(self, opportunity: Opportunity, now_ms: int) -> Opportunity | None:
        room = self._wallet.room(opportunity)
        if opportunity.amount_in <= room:
            return opportunity
        if not room > 0.0:
            return None
        pools = [pool for pair in self._view.pairs for pool in self._view.pools(pair)]
        cut = priced(replace(opportunity, amount_in=room), pools, self._costs, self._config, now_ms)
        return None if cut is None or (opportunity.net_profit > 0.0 >= cut.net_profit) else cut

    def _book(self, sent: Sent) -> Execution:
        fill, order, found = sent.fill, sent.order, sent.opportunity
        assert fill is not None, "nothing is known before it landed"
        before = self._ledger.equity
        booked = {name: to_tokens(atoms) for name, atoms in self._wallet.settle(order.request_id, fill, sent.known_ms).items()}
        legs, said = found.route.legs, order.prediction
        self.trades.append(Trade(
            request_id=order.request_id, decided_ms=sent.decided_ms, landed_ms=sent.landed_ms, known_ms=sent.known_ms,
            route=found.route.name, pair=found.pair, buy_venue=legs[0].venue, sell_venue=legs[-1].venue, result=fill.result.value,
            amount_in=found.amount_in, gross_profit=booked["gross"], fee_cost=booked["fee"], slippage_cost=booked["slippage"],
            gas_cost=booked["gas"], net_profit=booked["net"], expected_net=found.net_profit,
            success_probability=said.success_probability if said else float("nan"),
            expected_profit=said.expected_profit if said else float("nan"),
            recommendation=str(said.recommendation) if said else None, variant=str(said.variant) if said else None,
            gas_price_gwei=fill.gas_price_gwei, competed=fill.competed, capital_before=to_tokens(before), shrunk=sent.shrunk,
        ))  # fmt: skip
        return Execution(
            ts_ms=sent.decided_ms, ts_known_ms=sent.known_ms, request_id=order.request_id, result=fill.result,
            route=found.route.name, profit=booked["net"], profit_token=found.token, gas_used=fill.gas_used,
            gas_price_gwei=None if fill.gas_price_gwei != fill.gas_price_gwei else fill.gas_price_gwei,
            latency_ms=float(sent.landed_ms - sent.decided_ms), opportunity=found,
        )  # fmt: skip
