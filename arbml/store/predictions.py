"""Predictions as they were answered, and what became of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Select, select

from arbml.checkpoint import Checkpoint
from arbml.market import Outcome, Prediction, PriceForecast, Recommendation, Variant, VolatilityForecast
from arbml.store import tables
from arbml.store.batch import Appended, Batch, refuse_bad_text
from arbml.store.checkpoints import save
from arbml.store.engine import Database
from arbml.store.executions import execution_from_row
from arbml.store.period import within

_NUMBERS = ("success_probability", "expected_profit", "confidence", "latency_ms")
_JSON = ("reasons", "price_forecasts", "volatility_forecast", "patterns", "model_versions", "features")
_NAMES = [column.name for column in tables.predictions.columns]


class Predictions:
    """All predictions, keyed by request id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, predictions: Iterable[Prediction], checkpoint: Checkpoint | None = None) -> Appended:
        """Store predictions in one transaction; the first answer to a request stands.

        Numbers that are not finite are kept as missing: a prediction is logged whatever it says.

        Raises:
            SchemaError: if a text cannot be stored.
            StoreError: if the database refuses; then nothing of this call is stored.
        """
        ordered = sorted(predictions, key=lambda prediction: prediction.ts_ms)
        columns = {name: [_stored(prediction, name) for prediction in ordered] for name in _NAMES}
        for name in _NAMES:
            refuse_bad_text(columns[name], name, "predictions")
        with self._database.writing() as connection:
            appended = self._database.append(connection, tables.predictions, Batch(columns))
            save(self._database, connection, checkpoint)
        return appended

    def read(
        self,
        start_ms: int | None = None,
        end_ms: int | None = None,
        as_of_ms: int | None = None,
        request_ids: Sequence[str] | None = None,
        latest: int | None = None,
    ) -> list[Prediction]:
        """Return predictions in the order of knowing.

        Args:
            start_ms, end_ms: time of the answer, UTC ms, start included, end excluded.
            as_of_ms: only what was known at that moment (included), UTC ms.
            request_ids: only these.
            latest: only this many, the last known of those asked for.
        """
        c = tables.predictions.c
        statement = within(select(tables.predictions), c, start_ms, end_ms, as_of_ms)
        if request_ids is not None:
            statement = statement.where(c.request_id.in_(list(request_ids)))
        return [_prediction(row) for row in self._rows(statement, c, latest)]

    def outcomes(
        self, start_ms: int | None = None, end_ms: int | None = None, as_of_ms: int | None = None, latest: int | None = None
    ) -> list[Outcome]:
        """Return the executions that have a prediction, with it, in the order of knowing.

        Args:
            start_ms, end_ms: time of the decision to execute, UTC ms, start included, end excluded.
            as_of_ms: only if prediction and result were both known at that moment (included), UTC ms.
            latest: only this many, the last known of those asked for.
        """
        c = tables.outcomes.c
        rows = self._rows(within(select(tables.outcomes), c, start_ms, end_ms, as_of_ms), c, latest)
        return [Outcome(_prediction(_part(row, "prediction_")), execution_from_row(_part(row, "execution_"))) for row in rows]

    def _rows(self, statement: Select[Any], c: Any, latest: int | None) -> list[dict[str, Any]]:
        order = (c.ts_known_ms, c.ts_ms, c.request_id)
        statement = statement.order_by(*(key.desc() for key in order)).limit(latest) if latest is not None else statement.order_by(*order)
        with self._database.reading() as connection:
            rows = [dict(row) for row in connection.execute(statement).mappings()]
        return rows if latest is None else rows[::-1]


def _stored(prediction: Prediction, name: str) -> Any:
    if name == "ts_known_ms":
        return prediction.ts_ms  # an answer is known when it is given
    value = getattr(prediction, name)
    if name in _JSON:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    if name in _NUMBERS:
        return None if value is None or value != value else float(value)
    return str(value) if isinstance(value, str) else value


def _prediction(row: Mapping[str, Any]) -> Prediction:
    values = {name: value for name, value in row.items() if name != "ts_known_ms"}
    values |= {name: orjson.loads(values[name]) for name in _JSON}
    values |= {name: float("nan") for name in _NUMBERS if values[name] is None}
    return Prediction(**values | {
        "recommendation": Recommendation(values["recommendation"]),
        "variant": Variant(values["variant"]),
        "reasons": tuple(values["reasons"]),
        "patterns": tuple(values["patterns"]),
        "price_forecasts": tuple(PriceForecast(**forecast) for forecast in values["price_forecasts"]),
        "volatility_forecast": tuple(VolatilityForecast(**forecast) for forecast in values["volatility_forecast"]),
        "cached": bool(values["cached"]),
    })


def _part(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    part = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
    return part | {"request_id": row["request_id"]}
