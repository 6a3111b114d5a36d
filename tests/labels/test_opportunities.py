"""Labels from recorded executions."""

import orjson
import pandas as pd
import pytest

from arbml.config import CostsConfig
from arbml.errors import SchemaError
from arbml.frames import EXECUTIONS, ExecutionFrame
from arbml.labels import opportunity_labels
from arbml.market import Opportunity, Pool, best_opportunity


def opportunity(ts_ms: int) -> Opportunity:
    pools = [Pool("a", "WETH/USDC", 2000.0, 5.0, ts_ms, ts_ms), Pool("b", "WETH/USDC", 2020.0, 5.0, ts_ms, ts_ms)]
    found = best_opportunity(pools, CostsConfig(), ts_ms)
    assert found is not None
    return found


def executions(*rows: tuple[int, int, str, float | None, object]) -> ExecutionFrame:
    """Executions of (ts_ms, ts_known_ms, result, profit, opportunity)."""
    df = pd.DataFrame(rows, columns=["ts_ms", "ts_known_ms", "result", "profit", "opportunity"])
    return EXECUTIONS.check(df.assign(request_id=[f"r{i}" for i in range(len(df))]))


def test_result_profit_and_times() -> None:
    labels = opportunity_labels(
        executions(
            (3_000, 9_000, "success", 4.5, orjson.dumps(opportunity(3_000).to_dict()).decode()),
            (1_000, 8_000, "reverted", -2.0, opportunity(1_000).to_dict()),
            (2_000, 7_000, "failed", None, orjson.dumps(opportunity(2_000).to_dict()).decode()),
        )
    )
    assert labels["request_id"].tolist() == ["r1", "r2", "r0"]
    assert labels["ts_ms"].tolist() == [1_000, 2_000, 3_000]
    assert labels["label_end_ms"].tolist() == [8_000, 7_000, 9_000]
    assert labels["success"].tolist() == [0, 0, 1]
    assert labels["profit"].fillna(-99).tolist() == [-2.0, -99.0, 4.5]
    assert labels["opportunity"].tolist() == [opportunity(1_000), opportunity(2_000), opportunity(3_000)]


def test_executions_without_an_opportunity_have_no_label() -> None:
    labels = opportunity_labels(executions((1, 2, "success", 1.0, None), (3, 4, "success", 1.0, opportunity(3).to_dict())))
    assert labels["request_id"].tolist() == ["r1"]
    assert opportunity_labels(executions((1, 2, "success", 1.0, None))).empty
    assert opportunity_labels(EXECUTIONS.empty()).empty


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"route": {"legs": [{}]}}', "7"])
def test_an_unreadable_opportunity_is_named_by_row(text: str) -> None:
    with pytest.raises(SchemaError, match="executions: column 'opportunity', row 1: cannot be read"):
        opportunity_labels(executions((1, 2, "success", 1.0, None), (3, 4, "success", 1.0, text)))
