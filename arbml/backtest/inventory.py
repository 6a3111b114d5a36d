"""Capital that lies at the venues: legs are paid where they are traded, and venues run dry."""

import heapq

from arbml.backtest.ledger import CAPITAL, CASH, IN_FLIGHT, LOAN, REBALANCING, TRANSIT, Ledger, to_atoms, to_tokens
from arbml.backtest.orders import Fill
from arbml.backtest.wallet import gains, in_atoms
from arbml.config import BacktestConfig
from arbml.errors import ConfigError, DataError
from arbml.market import Opportunity, Result


class InventoryWallet:
    """Quote and base at each venue.

    Each venue gets `inventory` of quote out of the capital when its first pair quoted in the token is seen, and for each such
    pair base of the same value at that price. The base is lent: it is owed in full and no part of equity, so that equity
    shows what was earned and not what the base is worth by now. An order takes quote at the venue that buys and base at the one
    that sells; a success moves them to the other one. Both legs happen, or neither. When after an outcome one of the two
    venues has less than `rebalance_below` of a full inventory, half of the difference of both tokens is sent over: it is under way for
    `rebalance_s` and costs `rebalance_cost`, once. Gas is paid from the cash that lies at no venue.

    Args:
        ledger: to book in.
        config: capital, inventory and rebalancing.
        ts_ms: the start; venues seen before are funded then.
    """

    def __init__(self, ledger: Ledger, config: BacktestConfig, ts_ms: int) -> None:
        assert config.inventory is not None
        self._ledger, self._config, self._start_ms = ledger, config, ts_ms
        self._inventory, self._number = to_atoms(config.inventory), 0
        self._held: dict[str, tuple[Opportunity, int, int, int]] = {}  # quote, base, gas
        self._full_base: dict[tuple[str, str], int] = {}               # by (venue, base)
        self._due: list[tuple[int, int, tuple[str, str, str]]] = []    # when, number, what
        self._moving: dict[tuple[str, str, str], list[tuple[str, dict[str, int]]]] = {}
        ledger.book(ts_ms, "", "funding", {CASH: to_atoms(config.capital), CAPITAL: -to_atoms(config.capital)})

    @property
    def free(self) -> float:
        """What no order holds, at whatever venue, token."""
        return to_tokens(self._ledger.equity - self._ledger.balance(IN_FLIGHT) - self._ledger.balance(TRANSIT))

    def meet(self, stream: str, price: float, ts_ms: int) -> None:
        """Fund a venue.

        Raises:
            ConfigError: if the capital is not enough for it.
        """
        venue, _, pair = stream.partition("|")
        base, _, quote = pair.partition("/")
        if quote != self._ledger.token:
            return
        ts_ms = max(ts_ms, self._start_ms)
        if not any(known == venue for known, _ in self._full_base):
            if self._ledger.balance(CASH) < self._inventory:
                raise ConfigError(
                    f"a capital of {self._config.capital:g} {quote} does not fund another inventory of {self._config.inventory:g}, at "
                    f"'{venue}'; raise ML_BACKTEST__CAPITAL or lower ML_BACKTEST__INVENTORY"
                )
            self._ledger.book(ts_ms, "", "funding", {CASH: -self._inventory, f"quote:{venue}": self._inventory})
        if (venue, base) not in self._full_base:
            lent = self._full_base[venue, base] = to_atoms(to_tokens(self._inventory) / price)
            self._ledger.book(ts_ms, "", "loan", {f"base:{venue}": lent, LOAN: -lent}, token=base)

    def room(self, opportunity: Opportunity) -> float:
        """Return the most that may go into a route now: by the quote where it buys and the base where it sells."""
        buy, sell, base = _route(opportunity)
        if self._ledger.balance(CASH) < to_atoms(opportunity.gas_cost):
            return 0.0
        bought = opportunity.route.legs[0].amount_out
        by_base = to_tokens(self._ledger.balance(f"base:{sell}", base)) / bought * opportunity.amount_in if bought > 0.0 else 0.0
        return min(to_tokens(self._ledger.balance(f"quote:{buy}")), by_base)

    def reserve(self, request_id: str, opportunity: Opportunity, ts_ms: int) -> None:
        """Put aside quote where it buys, base where it sells, and gas."""
        buy, sell, base = _route(opportunity)
        quote = min(to_atoms(opportunity.amount_in), self._ledger.balance(f"quote:{buy}"))
        lent = min(to_atoms(opportunity.route.legs[0].amount_out), self._ledger.balance(f"base:{sell}", base))
        gas = to_atoms(opportunity.gas_cost)
        self._held[request_id] = (opportunity, quote, lent, gas)
        self._ledger.book(ts_ms, request_id, "reserve", {f"quote:{buy}": -quote, CASH: -gas, IN_FLIGHT: quote + gas})
        self._ledger.book(ts_ms, request_id, "reserve", {f"base:{sell}": -lent, IN_FLIGHT: lent}, token=base)

    def settle(self, request_id: str, fill: Fill, ts_ms: int) -> dict[str, int]:
        """Book what became of an order, and level its venues if they need it."""
        self.pass_time(ts_ms)
        opportunity, quote, lent, gas = self._held.pop(request_id)
        buy, sell, base = _route(opportunity)
        booked = in_atoms(fill)
        success = fill.result is Result.SUCCESS
        entries = {IN_FLIGHT: -quote - gas, CASH: gas - booked["gas"], **gains(booked)}
        entries[f"quote:{sell if success else buy}"] = quote + booked["net"] + booked["gas"]
        self._ledger.book(ts_ms, request_id, fill.result.value, entries)
        back = f"base:{buy if success else sell}"
        self._ledger.book(ts_ms, request_id, fill.result.value, {IN_FLIGHT: -lent, back: lent}, token=base)
        self._level(buy, sell, base, ts_ms)
        return booked

    def release(self, request_id: str, ts_ms: int) -> None:
        """Take back what an order holds whose fate nobody knows."""
        opportunity, quote, lent, gas = self._held.pop(request_id)
        buy, sell, base = _route(opportunity)
        self._ledger.book(ts_ms, request_id, "unsettled", {IN_FLIGHT: -quote - gas, CASH: gas, f"quote:{buy}": quote})
        self._ledger.book(ts_ms, request_id, "unsettled", {IN_FLIGHT: -lent, f"base:{sell}": lent}, token=base)

    def pass_time(self, now_ms: int) -> None:
        """Let what was sent over by now arrive."""
        while self._due and self._due[0][0] <= now_ms:
            ts_ms, _, what = heapq.heappop(self._due)
            for token, entries in self._moving.pop(what):
                self._ledger.book(ts_ms, "", "arrival", entries, token=token)

    def _level(self, buy: str, sell: str, base: str, ts_ms: int) -> None:
        """Send half of the difference of both tokens over, if one of the two venues has too little of one."""
        first, second = sorted((buy, sell))
        what, quote = (first, second, base), self._ledger.token
        full = {f"quote:{venue}": self._inventory for venue in (buy, sell)}
        full |= {f"base:{venue}": self._full_base[venue, base] for venue in (buy, sell)}
        token_of = {account: quote if account.startswith("quote:") else base for account in full}
        held = {account: self._ledger.balance(account, token_of[account]) for account in full}
        if what in self._moving or all(held[account] >= self._config.rebalance_below * full[account] for account in full):
            return
        cost = to_atoms(self._config.rebalance_cost)
        self._ledger.book(ts_ms, "", "rebalancing", {CASH: -cost, REBALANCING: cost})
        arrivals = []
        for kind, token in (("quote", quote), ("base", base)):
            gap = held[f"{kind}:{first}"] - held[f"{kind}:{second}"]
            sent, source, target = abs(gap) // 2, *((first, second) if gap > 0 else (second, first))
            self._ledger.book(ts_ms, "", "rebalancing", {f"{kind}:{source}": -sent, TRANSIT: sent}, token=token)
            arrivals.append((token, {TRANSIT: -sent, f"{kind}:{target}": sent}))
        self._moving[what] = arrivals
        self._number += 1
        heapq.heappush(self._due, (ts_ms + 1000 * self._config.rebalance_s, self._number, what))


def _route(opportunity: Opportunity) -> tuple[str, str, str]:
    """Return the venue that buys, the one that sells, and the base.

    Raises:
        DataError: for a route of more than two swaps or pairs, which inventories do not serve.
    """
    legs = opportunity.route.legs
    if len(legs) != 2 or legs[0].pair != legs[1].pair or legs[0].side != "buy":
        raise DataError(
            f"inventories serve routes that buy and sell one pair, not {opportunity.route.name}; "
            "leave ML_BACKTEST__INVENTORY empty for routes over several pairs"
        )
    return legs[0].venue, legs[1].venue, legs[0].pair.partition("/")[0]
