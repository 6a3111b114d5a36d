"""Blocks as a collector would hand them over."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pandas as pd

from arbml.frames import EXECUTIONS, TICKS, ExecutionFrame, TickFrame
from arbml.market import Execution, Result, Tick
from arbml.store import GAS_PRICES, GasFrame, executions_to_frame

BIG = 2**256 - 1
POOL = "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640"


@dataclass(frozen=True)
class Unit:
    """The fields of `chain_units.BlockUnit`."""

    number: int
    hash: str
    parent_hash: str
    ts_ms: int
    ts_known_ms: int
    chain_id: int = 1
    base_fee_wei: int | None = 7
    gas_used: int = 21_000
    gas_limit: int = 2**64 - 1
    priority_fee_percentiles: tuple[int, ...] = (1, 10**20)
    events: list[Any] = field(default_factory=list)
    states: list[Any] = field(default_factory=list)
    ticks: TickFrame = field(default_factory=TICKS.empty)
    gas: GasFrame = field(default_factory=GAS_PRICES.empty)
    executions: ExecutionFrame = field(default_factory=EXECUTIONS.empty)


def event(log_index: int, kind: str = "swap", pool: str = POOL, **args: int) -> Any:
    return SimpleNamespace(
        block_hash="unused", log_index=log_index, tx_hash=f"0xtx{log_index}", tx_index=0, pool=pool, kind=kind,
        args=args or {"amount0": -(2**255), "amount1": BIG},
    )  # fmt: skip


def state(pool: str = POOL, kind: str = "v3", **values: int | None) -> Any:
    names = ("reserve0", "reserve1", "sqrt_price_x96", "liquidity", "tick")
    return SimpleNamespace(pool=pool, kind=kind, **(dict.fromkeys(names) | values))


def unit(number: int, name: str = "a", parent: str | None = None, known_ms: int | None = None, chain_id: int = 1, **changes: Any) -> Unit:
    """A full block: an event, a state, a tick, a gas price, an execution; `name` tells rivals at one height apart."""
    ts_ms = 1_000 * (number // 2)  # two blocks share a second
    known = ts_ms + 5_000 if known_ms is None else known_ms
    venue = "uniswap" if chain_id == 1 else f"uniswap_{chain_id}"
    tick = Tick(ts_ms, venue, "WETH/USDC", 1_000.0 + number + ord(name[0]) / 1_000, known, chain_id=chain_id, pool=POOL,
                block_number=number, log_index=number * 65_536)  # fmt: skip
    gas = {"chain_id": chain_id, "ts_ms": ts_ms, "ts_known_ms": known, "gas_price_gwei": float(number), "block_number": number}
    made = Execution(ts_ms, known, f"tx-{chain_id}-{number}-{name}", Result.SUCCESS, chain_id=chain_id, profit=1.5)
    return Unit(**{
        "number": number, "hash": f"0x{name}{number}", "parent_hash": parent or f"0x{name}{number - 1}", "ts_ms": ts_ms,
        "ts_known_ms": known, "chain_id": chain_id, "events": [event(3)],
        "states": [state(sqrt_price_x96=BIG, liquidity=2**127, tick=-887_272)],
        "ticks": TICKS.check(pd.DataFrame([{name: getattr(tick, name) for name in TICKS.names}])),
        "gas": pd.DataFrame([gas]), "executions": executions_to_frame([made]), **changes,
    })  # fmt: skip
