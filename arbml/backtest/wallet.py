"""Capital: what an order may take, what it holds while under way, and what comes back."""

from typing import Protocol

from arbml.backtest.ledger import CAPITAL, CASH, FEES, GAS, IN_FLIGHT, MARKET, SLIPPAGE, Ledger, to_atoms, to_tokens
from arbml.backtest.orders import Fill
from arbml.market import Opportunity


class Wallet(Protocol):
    """Where capital is. All bookings go through one."""

    @property
    def free(self) -> float:
        """What no order holds, token."""
        ...

    def meet(self, stream: str, price: float, ts_ms: int) -> None:
        """Take note of a stream that is seen for the first time."""
        ...

    def room(self, opportunity: Opportunity) -> float:
        """Return the most that may go into a route now, besides its gas; 0 or less if nothing may."""
        ...

    def reserve(self, request_id: str, opportunity: Opportunity, ts_ms: int) -> None:
        """Put aside what an order takes; it has room."""
        ...

    def settle(self, request_id: str, fill: Fill, ts_ms: int) -> dict[str, int]:
        """Book what became of an order; return what was booked, atoms: gross, fee, slippage, gas and net."""
        ...

    def release(self, request_id: str, ts_ms: int) -> None:
        """Take back what an order holds whose fate nobody knows."""
        ...

    def pass_time(self, now_ms: int) -> None:
        """Do what was due by now."""
        ...


class AtomicWallet:
    """One account: the routes are atomic, so what goes into an order comes back with it or was never spent.

    Args:
        ledger: to book in.
        capital: at the start, token.
        ts_ms: when it is put in.
    """

    def __init__(self, ledger: Ledger, capital: float, ts_ms: int) -> None:
        self._ledger = ledger
        self._held: dict[str, int] = {}
        ledger.book(ts_ms, "", "funding", {CASH: to_atoms(capital), CAPITAL: -to_atoms(capital)})

    @property
    def free(self) -> float:
        """What no order holds, token."""
        return to_tokens(self._ledger.balance(CASH))

    def meet(self, stream: str, price: float, ts_ms: int) -> None:
        """Nothing is kept at venues."""

    def room(self, opportunity: Opportunity) -> float:
        """Return the most that may go into a route now, besides its gas."""
        return to_tokens(self._ledger.balance(CASH) - to_atoms(opportunity.gas_cost))

    def reserve(self, request_id: str, opportunity: Opportunity, ts_ms: int) -> None:
        """Put aside the amount and the gas that the finder expects."""
        wanted = to_atoms(opportunity.amount_in) + to_atoms(opportunity.gas_cost)
        held = self._held[request_id] = min(wanted, self._ledger.balance(CASH))  # floats of large amounts may be an atom off
        self._ledger.book(ts_ms, request_id, "reserve", {CASH: -held, IN_FLIGHT: held})

    def settle(self, request_id: str, fill: Fill, ts_ms: int) -> dict[str, int]:
        """Book what became of an order."""
        held, booked = self._held.pop(request_id), in_atoms(fill)
        entries = {IN_FLIGHT: -held, CASH: held + booked["net"], **gains(booked)}
        self._ledger.book(ts_ms, request_id, fill.result.value, entries)
        return booked

    def release(self, request_id: str, ts_ms: int) -> None:
        """Take back what an order holds whose fate nobody knows."""
        held = self._held.pop(request_id)
        self._ledger.book(ts_ms, request_id, "unsettled", {IN_FLIGHT: -held, CASH: held})

    def pass_time(self, now_ms: int) -> None:
        """Nothing is ever due."""


def in_atoms(fill: Fill) -> dict[str, int]:
    """Return the terms of a fill in atoms; gross is what makes them add up, since each is rounded by itself."""
    net, fee, slippage, gas = (to_atoms(value) for value in (fill.net, fill.fee, fill.slippage, fill.gas))
    return {"gross": net + fee + slippage + gas, "fee": fee, "slippage": slippage, "gas": gas, "net": net}


def gains(booked: dict[str, int]) -> dict[str, int]:
    """Return the entries that say where a profit comes from."""
    return {MARKET: -booked["gross"], FEES: booked["fee"], SLIPPAGE: booked["slippage"], GAS: booked["gas"]}
