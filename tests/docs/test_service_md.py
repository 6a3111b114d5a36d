"""docs/service.md says what the code does."""

import re
from pathlib import Path

import pytest

from arbml.models.ensemble import ReasonCode
from arbml.serving.panel import NOT_WARM
from arbml.serving.quality import NO_TICKS, NOT_RECORDED
from arbml.serving.schemas import LegRequest, ObserveRequest, OpportunityRequest, OutcomeRequest, PredictManyRequest
from arbml.settings import known_names
from bentos.body import MAX_BODY_BYTES, MAX_READ_S
from bentos.http import ROUTES

TEXT = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")


def test_every_route_is_there_and_no_other() -> None:
    section = TEXT.partition("## Routes")[2].partition("BentoML's own")[0]
    assert set(re.findall(r"`(/[a-z_]+)`", section)) == {endpoint.path for endpoint in ROUTES}


def test_every_reason_is_there_and_no_other() -> None:
    section = TEXT.partition("| code | meaning |")[2].partition("\n\n")[0]
    written = {code for row in section.splitlines() for code in re.findall(r"`([a-z_]+)`", row.partition("|")[2].partition("|")[0])}
    known = {str(code) for code in ReasonCode} | {NOT_WARM, NO_TICKS, NOT_RECORDED, "default_gas_price"}
    assert written == known - {"feature_set_mismatch"}, "another feature set does not even load"


def test_every_setting_named_exists() -> None:
    for name in re.findall(r"\bML_[A-Z_]+\b", TEXT):
        assert name in known_names(), name


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ("pair, legs, request_id, ts_ms, amount_in, gas_price_gwei, native_price_quote", OpportunityRequest),
        ("venue, side, price, reserve_base, reserve_quote, fee_bps", LegRequest),
        ("request_id, result, profit, gas_used", OutcomeRequest),
    ],
)
def test_fields_named_exist(fields: str, model: type) -> None:
    for field in fields.split(", "):
        assert field in model.model_fields  # type: ignore[attr-defined]
        assert field in TEXT


def test_the_limits_are_the_real_ones() -> None:
    assert MAX_BODY_BYTES == 1024**2
    assert "more than 1 MiB" in TEXT
    assert f"after {MAX_READ_S:g} s" in TEXT
    ticks = ObserveRequest.model_json_schema()["properties"]["ticks"]["maxItems"]
    many = PredictManyRequest.model_json_schema()["properties"]["opportunities"]["maxItems"]
    assert f"at most {ticks}" in TEXT
    assert f"at most {many}" in TEXT
