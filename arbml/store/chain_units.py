"""What a collector hands over of each block, and its rows on their way into the tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
import pandas as pd

from arbml.errors import SchemaError
from arbml.frames import EXECUTIONS, TICKS, ExecutionFrame, Schema, TickFrame
from arbml.store import plain
from arbml.store.batch import refuse_bad_text
from arbml.store.executions import checked_executions
from arbml.store.gas import GAS_PRICES, GasFrame, checked_gas
from arbml.store.gas import WHOLE as WHOLE_OF_GAS
from arbml.store.plain import Columns
from arbml.store.ticks import WHOLE as WHOLE_OF_TICKS
from arbml.store.ticks import checked_ticks

Row = dict[str, Any]


class PoolEvent(Protocol):
    """One log of a pool: `args` by the names of the contract, exact."""

    @property
    def log_index(self) -> int: ...
    @property
    def tx_hash(self) -> str: ...
    @property
    def tx_index(self) -> int: ...
    @property
    def pool(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def args(self) -> Mapping[str, int]: ...


class PoolState(Protocol):
    """A pool at the end of a block, in the contract's integers; what its kind does not have is None."""

    @property
    def pool(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def reserve0(self) -> int | None: ...
    @property
    def reserve1(self) -> int | None: ...
    @property
    def sqrt_price_x96(self) -> int | None: ...
    @property
    def liquidity(self) -> int | None: ...
    @property
    def tick(self) -> int | None: ...


class BlockUnit(Protocol):
    """Everything that is stored of one block; times UTC ms, fees wei.

    Ticks, gas prices and executions carry the block's chain; ticks and gas prices also its number and its time.
    A unit may have `tick_columns` and `gas_columns` as well, the same rows as `plain.Columns`: then no frame is made.
    """

    @property
    def chain_id(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def hash(self) -> str: ...
    @property
    def parent_hash(self) -> str: ...
    @property
    def ts_ms(self) -> int: ...
    @property
    def ts_known_ms(self) -> int: ...
    @property
    def base_fee_wei(self) -> int | None: ...
    @property
    def gas_used(self) -> int: ...
    @property
    def gas_limit(self) -> int: ...
    @property
    def priority_fee_percentiles(self) -> Sequence[int]: ...
    @property
    def events(self) -> Sequence[PoolEvent]: ...
    @property
    def states(self) -> Sequence[PoolState]: ...
    @property
    def ticks(self) -> TickFrame: ...
    @property
    def gas(self) -> GasFrame: ...
    @property
    def executions(self) -> ExecutionFrame: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """The checked rows of units: columns of `blocks`, `pool_events` and `pool_states`, and frames or columns.

    `found_in` has the block number of each execution.
    """

    blocks: dict[str, list[Any]]
    events: dict[str, list[Any]]
    states: dict[str, list[Any]]
    ticks: TickFrame | Columns
    gas: GasFrame | Columns
    executions: ExecutionFrame
    found_in: list[int]


def rows(units: Sequence[BlockUnit]) -> Rows:
    """Return the rows of units, checked.

    Raises:
        SchemaError: if a value is missing, out of range or cannot be stored, or a row says that it is of another block.
    """
    blocks = _columns(
        [(u.chain_id, u.number, u.hash, u.parent_hash, u.ts_ms, u.ts_known_ms, u.base_fee_wei, u.gas_used, u.gas_limit,
          _json(list(u.priority_fee_percentiles))) for u in units],
        ("chain_id", "number", "hash", "parent_hash", "ts_ms", "ts_known_ms", "base_fee_wei", "gas_used", "gas_limit",
         "priority_fee_percentiles"), "blocks",
    )  # fmt: skip
    events = _columns(
        [(u.chain_id, u.number, u.ts_ms, u.ts_known_ms, *_EVENT(event), _json(event.args)) for u in units for event in u.events],
        (*_BLOCK, *_EVENT_FIELDS, "args"), "pool events",
    )  # fmt: skip
    states = _columns(
        [(u.chain_id, u.number, u.ts_ms, u.ts_known_ms, *_STATE(state)) for u in units for state in u.states],
        (*_BLOCK, *_STATE_FIELDS), "pool states",
    )  # fmt: skip
    executions = _of_its_block(units, "executions", ("chain_id",), EXECUTIONS.empty())
    found_in = np.empty(0, np.int64)
    if len(executions):
        executions = EXECUTIONS.check(executions)
        order = np.argsort(executions["ts_known_ms"].to_numpy(), kind="stable")  # in which they are checked and stored
        found_in = np.repeat([u.number for u in units], [len(u.executions) for u in units])[order]
        executions = checked_executions(executions)
    return Rows(
        blocks, events, states,
        _plain(units, "tick_columns", TICKS, WHOLE_OF_TICKS) or _ticks(units),
        _plain(units, "gas_columns", GAS_PRICES, WHOLE_OF_GAS) or _gas(units),
        executions,
        found_in.tolist(),
    )  # fmt: skip


def _plain(units: Sequence[BlockUnit], what: str, schema: Schema, whole: Sequence[str]) -> Columns | None:
    """Return columns of the units that are storable as they are; None where a frame must be made to check them or to complain."""
    parts: list[Columns] = []
    for unit in units:
        columns: Columns | None = getattr(unit, what, None)
        if columns is None or not plain.only(columns, {name: getattr(unit, _OF_BLOCK.get(name, name)) for name in _SAME}):
            return None
        parts.append(columns)
    found = parts[0] if len(parts) == 1 else plain.joined(parts, schema.names)
    return found if plain.storable_as_is(schema, found, whole) else None


def _ticks(units: Sequence[BlockUnit]) -> TickFrame:
    return checked_ticks(_of_its_block(units, "ticks", _SAME, TICKS.empty()))


def _gas(units: Sequence[BlockUnit]) -> GasFrame:
    return checked_gas(_first_of_each_moment(_of_its_block(units, "gas", _SAME, GAS_PRICES.empty())))


_SAME = ("chain_id", "block_number", "ts_ms")
_COLUMNS = {"ticks": "tick_columns", "gas": "gas_columns"}
_OF_BLOCK = {"block_number": "number"}  # where a column's name is not the block's
_BLOCK = ("chain_id", "block_number", "ts_ms", "ts_known_ms")
_EVENT_FIELDS = ("log_index", "tx_index", "tx_hash", "pool", "kind")
_STATE_FIELDS = ("pool", "kind", "reserve0", "reserve1", "sqrt_price_x96", "liquidity", "tick")
_TEXTS = frozenset({"hash", "parent_hash", "tx_hash", "pool", "kind"})
_EVENT = attrgetter(*_EVENT_FIELDS)
_STATE = attrgetter(*_STATE_FIELDS)


def _columns(found: Sequence[tuple[Any, ...]], names: Sequence[str], where: str) -> dict[str, list[Any]]:
    columns = dict(zip(names, map(list, zip(*found, strict=True)), strict=True)) if found else {name: [] for name in names}
    for name in _TEXTS & columns.keys():
        refuse_bad_text(columns[name], name, where, strict=True)
    return columns


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _of_its_block(units: Sequence[BlockUnit], what: str, same: Iterable[str], empty: pd.DataFrame) -> pd.DataFrame:
    """Join the frames of the units, whose rows must name their own block: by that they are found again when it is orphaned."""
    parts: list[Columns] = [part for unit in units if (part := getattr(unit, _COLUMNS.get(what, ""), None)) is not None]
    if 0 < len(parts) == len(units) and all(part.keys() == set(empty.columns) for part in parts):
        # one frame of all of them: one for each block would take longer than storing them
        lengths = [len(part["ts_ms"]) for part in parts]
        frames = [plain.frame(plain.joined(parts, list(empty.columns)))]
    else:
        frames = [getattr(unit, what) for unit in units]
        lengths = [len(frame) for frame in frames]
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return empty
    if len(units) == 1:
        _refuse_others(filled[0], what, {name: getattr(units[0], _OF_BLOCK.get(name, name)) for name in same})
        return filled[0]
    wanted = {name: np.repeat([getattr(unit, _OF_BLOCK.get(name, name)) for unit in units], lengths) for name in same}
    df = filled[0] if len(filled) == 1 else pd.concat(filled, ignore_index=True)
    _refuse_others(df, what, wanted)
    return df


def _refuse_others(df: pd.DataFrame, what: str, wanted: Mapping[str, Any]) -> None:
    for name, values in wanted.items():
        if name not in df.columns:
            raise SchemaError(f"{what} of a block: column '{name}' is missing")
        bad = np.flatnonzero(df[name].to_numpy() != values)
        if len(bad):
            block = values if np.ndim(values) == 0 else values[bad[0]]
            raise SchemaError(f"{what} of a block: column '{name}', row {bad[0]}: {df[name].iloc[bad[0]]!r}, but the block has {block}")


def _first_of_each_moment(gas: GasFrame) -> GasFrame:
    """Blocks may share a second, gas prices may not: the first block's stays, `blocks` has the fees of each."""
    return gas if len(gas) < 2 else gas.sort_values("block_number", kind="stable").drop_duplicates(["chain_id", "ts_ms"])
