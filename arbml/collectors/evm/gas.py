"""What gas cost in a block, from its receipts: a node's own estimate of the priority fee is known to be wrong on some chains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arbml.collectors.evm.unit import PERCENTILES, Columns

GWEI = 10**9
_MEDIAN = PERCENTILES.index(50)


@dataclass(frozen=True, slots=True)
class BlockGas:
    """Gas of a block, wei.

    Attributes:
        percentiles: `PERCENTILES` of the priority fee per gas, weighted by gas used; empty without transactions.
        price: base fee and median priority fee, i.e. what the middle unit of gas paid; the base fee alone without
            transactions; None where there is neither.
    """

    percentiles: tuple[int, ...]
    price: int | None

    @property
    def price_gwei(self) -> float | None:
        """`price` in gwei."""
        return None if self.price is None else self.price / GWEI


def block_gas(base_fee_wei: int | None, receipts: Sequence[Mapping[str, Any]]) -> BlockGas:
    """Return what was paid, by the rule of eth_feeHistory: sorted by fee, the one at which the part of the gas is reached.

    Args:
        base_fee_wei: of the block; None on chains without one, where the whole price is the priority fee.
        receipts: of the whole block, as the node gives them.

    >>> block_gas(10, [{"effectiveGasPrice": hex(11), "gasUsed": hex(90)}, {"effectiveGasPrice": hex(30), "gasUsed": hex(10)}])
    BlockGas(percentiles=(1, 1, 1, 1, 1), price=11)
    """
    base = base_fee_wei or 0
    fees = sorted((int(receipt["effectiveGasPrice"], 16) - base, int(receipt["gasUsed"], 16)) for receipt in receipts)
    if not fees:
        return priced(base_fee_wei, ())
    total, reached, at = sum(gas for _, gas in fees), 0, -1
    percentiles = []
    for percent in PERCENTILES:
        while at < len(fees) - 1 and (at < 0 or reached * 100 < total * percent):
            at += 1
            reached += fees[at][1]
        percentiles.append(fees[at][0])
    return priced(base_fee_wei, tuple(percentiles))


def priced(base_fee_wei: int | None, percentiles: tuple[int, ...]) -> BlockGas:
    """Return the gas of a block of which the percentiles are known."""
    return BlockGas(percentiles, (base_fee_wei or 0) + percentiles[_MEDIAN] if percentiles else base_fee_wei)


def gas_columns(chain_id: int, number: int, ts_ms: int, ts_known_ms: int, gas: BlockGas) -> Columns:
    """Return one row of gas prices, or none where the block says no price."""
    price = gas.price_gwei
    row = {
        "ts_known_ms": ts_known_ms, "ts_ms": ts_ms, "chain_id": chain_id, "gas_price_gwei": price, "block_number": number,
    }  # fmt: skip
    return {name: [] if price is None else [value] for name, value in row.items()}
