"""Executions seen on chain: cyclic arbitrage that landed, and reverted attempts of addresses that are watched.

An arbitrage is a transaction whose swaps in watched pools can be ordered into a cycle: what one pays out, the next takes in,
until the first token is back. A swap through a pool that is not watched is not seen, so its cycle is not found. Who sent it
and whom it called share the profit: a flash loan contract pays its caller, an executor keeps it. Payments in the chain's own
coin (bribes to the block's builder, unwrapped profits) leave no log and are not counted.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from arbml.collectors.evm.decoding import TRANSFER
from arbml.collectors.evm.gas import GWEI
from arbml.collectors.evm.pools import EvmPool, Token
from arbml.collectors.evm.unit import PoolEvent
from arbml.frames import EXECUTIONS, ExecutionFrame
from arbml.market import Result

_NATIVE_DECIMALS = 18


class Swap(NamedTuple):
    """One swap as the pool saw it, raw integers."""

    pool: EvmPool
    token_in: Token
    token_out: Token
    amount_in: int
    amount_out: int


@dataclass(frozen=True, slots=True)
class Pricing:
    """What tokens are worth in one another at the end of a block.

    Attributes:
        native: symbols that are the chain's own coin. prices: (base, quote) symbols to quote per base.
    """

    native: frozenset[str]
    prices: Mapping[tuple[str, str], float]

    def convert(self, amount: float, of: str, to: str) -> float | None:
        """Return `amount` of one token in another, by a pool of the two; None where none is watched."""
        if of == to or {of, to} <= self.native:
            return amount
        for one in self._same(of):
            for other in self._same(to):
                if price := self.prices.get((one, other)):
                    return amount * price
                if price := self.prices.get((other, one)):
                    return amount / price
        return None

    def _same(self, symbol: str) -> Collection[str]:
        return self.native if symbol in self.native else (symbol,)


def swap_of(pool: EvmPool, event: PoolEvent) -> Swap | None:
    """Return what a swap event took and paid, None for other events and for a flash loan that gave all back in one token."""
    args = event.args
    if event.kind == "swap":
        got0, got1 = args["amount0In"] - args["amount0Out"], args["amount1In"] - args["amount1Out"]
    elif event.kind == "swap3":
        got0, got1 = args["amount0"], args["amount1"]
    else:
        return None
    if got0 > 0 > got1:
        return Swap(pool, pool.token0, pool.token1, got0, -got1)
    if got1 > 0 > got0:
        return Swap(pool, pool.token1, pool.token0, got1, -got0)
    return None


def cycle(swaps: Sequence[Swap], start: str) -> list[Swap] | None:
    """Return the swaps in an order that starts and ends in the token `start` (address) and uses each once, or None.

    The order of the logs is not that of the swaps where one is nested in the other (flash swaps).
    """
    balance: Counter[str] = Counter()
    for swap in swaps:
        balance[swap.token_in.address] += 1
        balance[swap.token_out.address] -= 1
    if any(balance.values()):
        return None
    # Hierholzer: walk until stuck, which is at the start; put each swap behind those that were left for later
    leaving: dict[str, list[Swap]] = {}
    for swap in reversed(swaps):
        leaving.setdefault(swap.token_in.address, []).append(swap)
    path: list[Swap] = []
    stack: list[tuple[str, Swap | None]] = [(start, None)]
    while stack:
        token, by = stack[-1]
        if leaving.get(token):
            swap = leaving[token].pop()
            stack.append((swap.token_out.address, swap))
        else:
            stack.pop()
            if by is not None:
                path.append(by)
    return path[::-1] if len(path) == len(swaps) else None


def net_flows(receipt: Mapping[str, Any]) -> dict[str, int]:
    """Return what sender and called contract together gained of each token (address to raw amount), zeros left out."""
    who = {receipt["from"].lower(), (receipt.get("to") or "").lower()}
    net: Counter[str] = Counter()
    for log in receipt["logs"]:
        topics = log["topics"]
        if len(topics) == 3 and topics[0] == TRANSFER and len(log["data"]) == 66:
            amount, token = int(log["data"], 16), log["address"].lower()
            net[token] += amount * (("0x" + topics[2][26:]) in who) - amount * (("0x" + topics[1][26:]) in who)
    return {token: amount for token, amount in net.items() if amount}


def executions(
    receipts: Iterable[Mapping[str, Any]],
    events: Iterable[PoolEvent],
    pools: Mapping[str, EvmPool],
    pricing: Pricing,
    watch: frozenset[str],
    *,
    chain_id: int,
    ts_ms: int,
    ts_known_ms: int,
) -> ExecutionFrame:
    """Return the executions of a block, in the order of its transactions.

    Args:
        receipts: of the whole block. events: of the block. pools: by address.
        watch: lower-case addresses whose reverted transactions, from them or to them, are attempts.

    Returns:
        A checked frame; profit is net of gas in the token of the cycle, NaN where its price in the chain's coin is not known;
        a reverted attempt costs its gas, in the chain's coin.
    """
    by_tx: dict[str, list[Swap]] = {}
    for event in events:
        swap = swap_of(pools[event.pool], event)
        if swap is not None:
            by_tx.setdefault(event.tx_hash, []).append(swap)
    rows = []
    for receipt in receipts:
        found: tuple[Result, str | None, float | None, str] | None = None
        if int(receipt["status"], 16):
            found = _landed(receipt, by_tx.get(receipt["transactionHash"], ()), pricing)
        elif watch & {receipt["from"].lower(), (receipt.get("to") or "").lower()}:
            found = Result.REVERTED, None, -_gas_cost(receipt), min(pricing.native, default="ETH")
        if found is not None:
            price_gwei = int(receipt["effectiveGasPrice"], 16) / GWEI
            rows.append(
                (ts_known_ms, ts_ms, receipt["transactionHash"], str(found[0]), float(chain_id), found[1], found[2], found[3],
                 float(int(receipt["gasUsed"], 16)), price_gwei, None, None)
            )  # fmt: skip
    return EXECUTIONS.check(pd.DataFrame(rows, columns=EXECUTIONS.names)) if rows else EXECUTIONS.empty()


def _landed(receipt: Mapping[str, Any], swaps: Sequence[Swap], pricing: Pricing) -> tuple[Result, str | None, float | None, str] | None:
    if len({swap.pool.address for swap in swaps}) < 2:
        return None
    tokens = {token.address: token for swap in swaps for token in (swap.token_in, swap.token_out)}
    net = {token: amount for token, amount in net_flows(receipt).items() if token in tokens}
    if not net:  # the profit went to a third address; the pools know what they lost
        net = _pool_losses(swaps)
    start = _profit_token(swaps, net)
    path = cycle(swaps, start)
    if path is None:
        return None
    token = tokens[start].symbol
    profit: float | None = 0.0
    for address, amount in net.items():
        whole = pricing.convert(amount / 10 ** tokens[address].decimals, tokens[address].symbol, token)
        profit = None if whole is None or profit is None else profit + whole
    gas = pricing.convert(_gas_cost(receipt), min(pricing.native, default="ETH"), token)
    return Result.SUCCESS, _route(path), None if gas is None or profit is None else profit - gas, token


def _pool_losses(swaps: Sequence[Swap]) -> dict[str, int]:
    net: Counter[str] = Counter()
    for swap in swaps:
        net[swap.token_out.address] += swap.amount_out
        net[swap.token_in.address] -= swap.amount_in
    return {token: amount for token, amount in net.items() if amount}


def _profit_token(swaps: Sequence[Swap], net: Mapping[str, int]) -> str:
    """Return the token that was gained: a quote before a base where it is several, the first swap's input where it is none."""
    gained = [token for token, amount in net.items() if amount > 0] or list(net)
    quotes = [swap.pool.quote.address for swap in swaps]
    return next((token for token in quotes if token in gained), gained[0] if gained else swaps[0].token_in.address)


def _gas_cost(receipt: Mapping[str, Any]) -> float:
    """What the transaction paid for gas, in the chain's coin; rollups add what the main chain costs them."""
    wei = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16) + int(receipt.get("l1Fee") or "0x0", 16)
    return wei / 10**_NATIVE_DECIMALS


def _route(path: Sequence[Swap]) -> str:
    """The name as `arbml.market.Route.name` has it."""
    pairs = {swap.pool.pair for swap in path}
    legs = [(("buy" if swap.token_in == swap.pool.quote else "sell"), swap.pool) for swap in path]
    if len(pairs) == 1:
        return ">".join(f"{side}:{pool.venue}" for side, pool in legs) + f" {pairs.pop()}"
    return ">".join(f"{side}:{pool.venue} {pool.pair}" for side, pool in legs)
