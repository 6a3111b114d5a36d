"""Executions: round trip, first result stands, opportunities come back whole."""

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from arbml.errors import SchemaError
from arbml.frames import EXECUTIONS, sort_by_knowing
from arbml.market import Execution, Leg, Opportunity, Result, Route
from arbml.store import Appended, Checkpoint, Store, executions_to_frame, frame_to_executions

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)
NOT_NEGATIVE = st.none() | st.floats(min_value=0, allow_nan=False, allow_infinity=False)

OPPORTUNITY = Opportunity(
    ts_ms=1_000, pair="WETH/USDC", token="USDC", amount_in=1234.5678901234567, gross_profit=3.0, fee_cost=1.0, slippage_cost=0.1,
    gas_cost=0.5, net_profit=1.4000000000000001, revert_cost=0.35, gas_price_gwei=21.0, gas_units=240_000, edge_bps=24.3,
    route=Route((
        Leg("a", "WETH/USDC", "buy", 5.0, 1234.5678901234567, 0.5, 2000.0, 1e6),
        Leg("b", "WETH/USDC", "sell", 30.0, 0.5, 1235.97, 2010.0),
    )),
)
EXECUTION = st.builds(
    Execution, ts_ms=st.integers(-(2**63), 2**63 - 1), ts_known_ms=st.integers(-(2**63), 2**63 - 1), request_id=TEXT,
    result=st.sampled_from(Result), chain_id=st.none() | st.integers(0, 2**53), route=st.none() | TEXT, profit=NUMBER,
    profit_token=st.none() | TEXT, gas_used=NOT_NEGATIVE, gas_price_gwei=NOT_NEGATIVE, latency_ms=NOT_NEGATIVE,
    opportunity=st.none() | st.floats(-1e300, 1e300).map(lambda profit: replace(OPPORTUNITY, net_profit=profit)),
)


def execution(request_id: str, ts_ms: int = 1_000, known_ms: int = 2_000, **changes: Any) -> Execution:
    return Execution(ts_ms, known_ms, request_id, **({"result": Result.SUCCESS} | changes))


def ids(store: Store, **period: int) -> list[str]:
    return store.executions.read(**period)["request_id"].tolist()


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(executions=st.lists(EXECUTION, max_size=10, unique_by=lambda execution: execution.request_id))
def test_every_value_survives_the_round_trip(store: Store, executions: list[Execution]) -> None:
    known = {execution.request_id: execution for execution in frame_to_executions(store.executions.read())}
    fresh = [execution for execution in executions if execution.request_id not in known]
    assert store.executions.append(fresh) == Appended(new=len(fresh))
    read = store.executions.read()
    wanted = executions_to_frame([*known.values(), *fresh]).sort_values("request_id")
    columns = [name for name in EXECUTIONS.names if name != "opportunity"]  # the same JSON, perhaps in another order
    assert_frame_equal(read[columns], sort_by_knowing(wanted)[columns], check_exact=True)
    found = {execution.request_id: execution for execution in frame_to_executions(read)}
    assert found == known | {execution.request_id: execution for execution in fresh}


def test_the_first_known_result_stands(store: Store) -> None:
    first = execution("r1", known_ms=2_000, result=Result.REVERTED, profit=-0.4)
    later = replace(first, ts_known_ms=3_000, result=Result.SUCCESS, profit=5.0)
    assert store.executions.append([later, first]) == Appended(new=1, conflicting=1)
    assert store.executions.append([replace(first, ts_known_ms=9_000)]) == Appended(known=1)
    assert frame_to_executions(store.executions.read()) == [first]


def test_the_same_opportunity_in_other_words_is_known(store: Store) -> None:
    store.executions.append([execution("r1", opportunity=OPPORTUNITY)])
    data = OPPORTUNITY.to_dict()
    shuffled = json.dumps({name: data[name] for name in reversed(list(data))}, indent=2)
    df_ = executions_to_frame([execution("r1")])
    for same in (shuffled, data):
        df_["opportunity"] = [same]
        assert store.executions.append(df_) == Appended(known=1)


def test_reads_by_period_and_as_of_in_the_order_of_knowing(store: Store) -> None:
    store.executions.append([
        execution("late", 1_000, 9_000), execution("b", 2_000, 2_500), execution("a", 2_000, 2_500), execution("c", 3_000, 3_100)
    ])
    assert ids(store) == ["a", "b", "c", "late"]
    assert ids(store, as_of_ms=3_100) == ["a", "b", "c"]
    assert ids(store, start_ms=1_000, end_ms=3_000) == ["a", "b", "late"]
    assert store.executions.read(start_ms=5_000).dtypes.to_dict() == EXECUTIONS.empty().dtypes.to_dict()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("result", "won", "column 'result', row 1: 'won' must be one of success, failed, reverted"),
        ("opportunity", "{", "column 'opportunity', row 1: not JSON"),
        ("opportunity", "{}", "column 'opportunity', row 1"),
        ("request_id", None, "column 'request_id', row 1"),
        ("chain_id", 0.5, "column 'chain_id', row 1"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_stored(store: Store, column: str, value: object, message: str) -> None:
    df_ = executions_to_frame([execution("r1"), execution("r2")]).astype({column: object})
    df_.loc[1, column] = value
    with pytest.raises(SchemaError, match=message):
        store.executions.append(df_, Checkpoint("s", "2", 2, 2))
    assert store.executions.read().empty
    assert store.checkpoint("s") is None


def test_rows_and_checkpoint_are_written_together(store: Store) -> None:
    checkpoint = Checkpoint("exec", "17", 1_000, 2_000)
    assert store.executions.append([], checkpoint) == Appended()
    assert store.checkpoint("exec") == checkpoint
    df_ = pd.DataFrame({"ts_ms": [1], "ts_known_ms": [2], "request_id": "x", "result": "failed"})
    assert store.executions.append(df_) == Appended(new=1)
