"""Double entry in whole atoms, so that what was booked adds up to what is there, to the last one."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from arbml.errors import DataError

ATOMS = 1_000_000_000  # in one whole token
ATOM = 1e-9            # whole tokens

CASH, IN_FLIGHT, TRANSIT = "cash", "in_flight", "transit"
"""What the bot owns in the token of the routes; quote held at a venue is "quote:VENUE", base is "base:VENUE"."""
CAPITAL, MARKET, FEES, SLIPPAGE, GAS, REBALANCING, LOAN = "capital", "market", "fees", "slippage", "gas", "rebalancing", "loan"
"""Where it comes from and goes to: capital and gains are negative there, costs positive."""


class Entry(NamedTuple):
    """One line: `atoms` of `token` come into `account` (leave it if negative)."""

    ts_ms: int
    request_id: str
    account: str
    kind: str
    token: str
    atoms: int


def to_atoms(amount: float) -> int:
    """Return a number of whole tokens in atoms, rounded to the nearest.

    Raises:
        DataError: if it is no finite number.

    >>> to_atoms(1.5)
    1500000000
    """
    try:
        return round(amount * ATOMS)
    except (OverflowError, ValueError):
        raise DataError(f"an amount of {amount!r} cannot be booked; amounts are finite numbers of whole tokens") from None


def to_tokens(atoms: int) -> float:
    """Return atoms in whole tokens.

    >>> to_tokens(1_500_000_000)
    1.5
    """
    return atoms / ATOMS


class Ledger:
    """The book of one backtest.

    A booking is a set of entries that add up to nothing in each token; one that does not is refused, so the balances of all
    accounts always add up to nothing, and what the bot owns is what it was given plus all gains minus all costs.

    Args:
        token: of the routes; equity is counted in it. Base lent to the bot for its inventories is in other tokens, is owed
            in full, and is no part of equity.

    >>> ledger = Ledger("USDC")
    >>> ledger.book(0, "", "funding", {CASH: 100, CAPITAL: -100})
    >>> ledger.book(5, "a", "revert", {CASH: -3, GAS: 3})
    >>> ledger.balance(CASH), ledger.equity
    (97, 97)
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self._entries: list[Entry] = []
        self._balances: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._equity = 0
        self._curve: list[tuple[int, int, int]] = []

    def book(self, ts_ms: int, request_id: str, kind: str, entries: Mapping[str, int], token: str | None = None) -> None:
        """Book entries of one token (without `token`, that of the routes); those of no atoms are left out.

        Raises:
            DataError: if they do not add up to nothing, or are no whole numbers.
        """
        named = self.token if token is None else token
        for account, atoms in entries.items():
            if type(atoms) is not int:
                raise DataError(f"booking '{kind}' of '{request_id}': {account} {atoms!r} is no whole number of atoms")
        if sum(entries.values()) != 0:
            raise DataError(f"booking '{kind}' of '{request_id}' is out of balance by {sum(entries.values())} atoms of {named}")
        for account, atoms in entries.items():
            if atoms:
                self._entries.append(Entry(ts_ms, request_id, account, kind, named, atoms))
                self._balances[named, account] += atoms
                if named == self.token and owned(account):
                    self._equity += atoms
        if named == self.token:
            self._curve.append((ts_ms, self._equity, self.balance(IN_FLIGHT)))

    def balance(self, account: str, token: str | None = None) -> int:
        """Return what is in an account, atoms."""
        return self._balances.get((self.token if token is None else token, account), 0)

    @property
    def equity(self) -> int:
        """Everything the bot owns in the token of the routes, atoms."""
        return self._equity

    @property
    def balances(self) -> dict[tuple[str, str], int]:
        """All balances that are not nothing by (token, account), atoms."""
        return {key: atoms for key, atoms in sorted(self._balances.items()) if atoms}

    @property
    def entries(self) -> pd.DataFrame:
        """All entries as booked: ts_ms (UTC ms), request_id, account, kind, token, atoms (int64, or object beyond it)."""
        return pd.DataFrame(self._entries, columns=Entry._fields)

    @property
    def curve(self) -> list[tuple[int, int, int]]:
        """After each booking in the token of the routes: its time (UTC ms), equity, and what is in flight, atoms."""
        return list(self._curve)

    def __len__(self) -> int:
        return len(self._entries)


def owned(account: str) -> bool:
    """Return whether what is in an account belongs to the bot.

    >>> [owned(account) for account in ("cash", "quote:uniswap", "market")]
    [True, True, False]
    """
    return account in (CASH, IN_FLIGHT, TRANSIT) or account.startswith(("quote:", "base:"))
