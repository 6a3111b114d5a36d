"""Opportunities joined to what was known when they were seen."""

import numpy as np
import orjson
import pandas as pd
import pytest

from arbml.config import ScorerConfig
from arbml.dataset import Dataset, opportunity, opportunity_dataset
from arbml.errors import NotEnoughData
from arbml.features import FEATURE_NAMES, SCORER_FEATURE_NAMES, compute_features, feature_set_id, route_features
from arbml.frames import EXECUTIONS, TICKS, ExecutionFrame, TickFrame
from arbml.labels import replay_labels
from tests.dataset.markets import CHEAP_GAS, pools

SCORER = ScorerConfig(min_samples=10)


def built(ticks: TickFrame, executions: ExecutionFrame | None = None) -> Dataset:
    return opportunity_dataset(ticks, compute_features(ticks), executions, CHEAP_GAS, SCORER)


def recorded(ticks: TickFrame, n: int) -> ExecutionFrame:
    """Executions of the first n opportunities, every third without a stored opportunity."""
    labels = replay_labels(ticks, CHEAP_GAS).iloc[:n]
    return EXECUTIONS.check(
        pd.DataFrame(
            {
                "ts_known_ms": labels["ts_ms"] + 9_000, "ts_ms": labels["ts_ms"] + 5, "request_id": [f"r{i}" for i in range(n)],
                "result": np.where(np.arange(n) % 2, "success", "reverted"), "profit": np.arange(n) * 1.5,
                "opportunity": [None if i % 3 == 0 else orjson.dumps(found.to_dict()).decode()
                                for i, found in enumerate(labels["opportunity"])],
            }
        )
    )


def check_join(ds: Dataset, ticks: TickFrame, labels: pd.DataFrame) -> None:
    """Every row of `ds` must hold its label, its route, and the last features known then of its entry stream."""
    features = compute_features(ticks)
    names = (features["venue"] + "|" + features["pair"]).to_numpy()
    values, known = features[list(FEATURE_NAMES)].to_numpy(), features["ts_known_ms"].to_numpy()
    assert ds.economics is not None
    assert len(ds) == len(labels) > 0
    for row, label in enumerate(labels.itertuples()):
        found = label.opportunity
        last = np.flatnonzero((names == found.entry_stream) & (known <= found.ts_ms))[-1]
        assert np.array_equal(ds.X[row], np.r_[values[last], route_features(found)], equal_nan=True)
        assert (ds.y[row, 0], ds.ts_ms[row], ds.label_end_ms[row]) == (label.success, label.ts_ms, label.label_end_ms)
        assert ds.streams[ds.stream_of[row]] == found.entry_stream
        assert ds.prices[row] == found.route.legs[0].price
        assert ds.economics.iloc[row].tolist() == [found.net_profit, found.revert_cost, label.profit]


def test_a_replayed_row_holds_what_was_known() -> None:
    ticks = pools(4)
    ds = built(ticks)
    assert (ds.kind, ds.target_names, ds.feature_set_id) == ("scorer", ("success",), feature_set_id())
    assert ds.feature_names == tuple(SCORER_FEATURE_NAMES)
    assert np.all(np.diff(ds.ts_ms) >= 0)
    check_join(ds, ticks, replay_labels(ticks, CHEAP_GAS))
    assert ds.notes[0] == ("labels are replayed: would the opportunity still have paid 4 s later, after fees, price impact and gas")
    unstated = ticks["fee_bps"].isna().sum()
    assert f"{unstated} ticks state no fee: 30 bps is assumed" in ds.notes


def test_recorded_executions_come_before_a_replay() -> None:
    ticks = pools(4)
    ds = built(ticks, recorded(ticks, 30))
    labels = replay_labels(ticks, CHEAP_GAS).iloc[[i for i in range(30) if i % 3]]
    at = [i for i in range(30) if i % 3]
    labels = labels.assign(success=[i % 2 for i in at], profit=[i * 1.5 for i in at], label_end_ms=labels["ts_ms"] + 9_000)
    check_join(ds, ticks, labels.sort_values(["ts_ms", "request_id"]))
    assert ds.notes[:2] == (
        "labels are 20 recorded executions: only what was sent has one",
        "10 of 30 executions are left out: they did not record their opportunity",
    )


def test_executions_without_opportunities_lead_to_a_replay_and_are_counted() -> None:
    ticks = pools(4)
    ds = built(ticks, recorded(ticks, 30).assign(opportunity=None))
    assert ds.data_hash == built(ticks).data_hash
    assert ds.notes[0] == "30 of 30 executions are left out: they did not record their opportunity"


def test_the_first_few_outcomes_of_a_bot_do_not_take_the_replay_away() -> None:
    ticks = pools(4)
    few = built(ticks, recorded(ticks, 12))
    assert few.data_hash == built(ticks).data_hash
    assert "only 8 of the 10 recorded executions that a model needs: the market is replayed instead" in few.notes


def test_opportunities_seen_before_any_features_are_left_out() -> None:
    ticks = pools(4)
    features = compute_features(ticks)
    cut_ms = int(np.median(features["ts_known_ms"]))
    ds = opportunity_dataset(ticks, features[features["ts_known_ms"] > cut_ms], None, CHEAP_GAS, SCORER)
    assert ds.ts_ms.min() > cut_ms
    assert any("opportunities are left out: no features of their market were known yet" in note for note in ds.notes)


def test_order_and_double_collection_do_not_change_the_hash() -> None:
    ticks = pools(4)
    again = pd.concat([ticks, ticks.iloc[50:200]]).sample(frac=1.0, random_state=1)
    assert built(again).data_hash == built(ticks).data_hash
    assert built(ticks.iloc[:-30]).data_hash != built(ticks).data_hash


def test_few_successes_and_assumed_gas_are_said_not_refused() -> None:
    ticks = pools(4).assign(gas_price_gwei=np.nan)
    ds = opportunity_dataset(ticks, compute_features(ticks), None, CHEAP_GAS, ScorerConfig(min_positive=10_000))
    assert "no tick states a gas price: 20 gwei is assumed" in ds.notes
    assert ds.notes[-1] == f"{int(ds.y.sum())} of {len(ds)} opportunities succeed; a model needs 10000 of each kind"


def test_a_long_replay_is_thinned_out_evenly_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = pools(4)
    monkeypatch.setattr(opportunity, "MAX_MOMENTS", 50)
    ds = built(ticks)
    assert 10 < len(ds) <= 2 * 51
    assert any("so that it sees at most 50 moments" in note for note in ds.notes)


def test_no_opportunity_is_refused_with_the_reason() -> None:
    one = pools(4).query("venue == 'venue0'")
    with pytest.raises(NotEnoughData, match="venues of one pair to see an opportunity: have 1, need 2; collect the same pair"):
        built(one)
    with pytest.raises(NotEnoughData, match="have 0, need 2"):
        built(TICKS.empty())
    with pytest.raises(NotEnoughData, match="no two venues of a pair ever differed"):
        built(pools(4).assign(price=100.0, reserve_base=1.0, reserve_quote=100.0))
    strangers = recorded(pools(4), 30)
    with pytest.raises(NotEnoughData, match=r"whose market was known .*have 0, need 1; collect ticks of venue0.BASE0/USD, "):
        built(pools(4).assign(venue="elsewhere"), strangers)
