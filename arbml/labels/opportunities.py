"""What became of opportunities that the bot acted on, as it recorded them."""

from typing import Any

import orjson
import pandas as pd

from arbml.errors import SchemaError
from arbml.frames import ExecutionFrame
from arbml.market import Opportunity, Result, opportunity_from_dict

LABELS = {"request_id": "object", "ts_ms": "int64", "label_end_ms": "int64", "success": "int64", "profit": "float64",
          "opportunity": "object"}


def opportunity_labels(executions: ExecutionFrame) -> pd.DataFrame:
    """Return one label for each execution that recorded its opportunity, in the order in which opportunities were seen.

    A revert and a failure are both no success; profit is what was recorded (NaN where it was not).

    Args:
        executions: a checked execution frame; `opportunity` is JSON text, a dict or missing.

    Returns:
        Columns request_id, ts_ms (when the opportunity was seen), label_end_ms (when its fate was known), success (0 or 1),
        profit (in the quote token, after all costs) and opportunity (an `Opportunity`).

    Raises:
        SchemaError: naming the row whose opportunity cannot be read.
    """
    rows = []
    columns = [executions[name] for name in ("request_id", "ts_known_ms", "result", "profit", "opportunity")]
    for number, (request_id, known_ms, result, profit, recorded) in enumerate(zip(*columns, strict=True)):
        if recorded is None or recorded != recorded:
            continue
        opportunity = _recorded(recorded, number)
        end_ms = max(int(known_ms), opportunity.ts_ms)
        rows.append((request_id, opportunity.ts_ms, end_ms, int(result == Result.SUCCESS), profit, opportunity))
    return label_frame(rows)


def _recorded(recorded: Any, row: int) -> Opportunity:
    try:
        return opportunity_from_dict(orjson.loads(recorded) if isinstance(recorded, str | bytes) else recorded)
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"executions: column 'opportunity', row {row}: cannot be read ({type(error).__name__}: {error}); "
            "it must be the JSON of Opportunity.to_dict or empty"
        ) from error


def label_frame(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Return label rows as a frame of the columns `LABELS`, in the order in which opportunities were seen."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(LABELS)
    named = zip(LABELS.items(), columns, strict=True)
    frame = pd.DataFrame({name: pd.Series(column, dtype=dtype) for (name, dtype), column in named})
    return frame.sort_values(["ts_ms", "request_id"], kind="stable").reset_index(drop=True)
