"""The stream: what it answers, what it keeps, and that it stays bounded."""

import json
from dataclasses import replace

import numpy as np
import pytest

from arbml.errors import DataError, FeatureSetMismatch, SchemaError
from arbml.features import FEATURE_NAMES, FeatureExtractor, FeatureStream, compute_features
from arbml.features.spec import MAX_ROWS
from arbml.frames import frame_to_ticks
from arbml.market import Tick
from tests.features.series import START_MS, random_ticks


def tick(seconds: float, venue: str = "a", price: float = 100.0, **optional: float) -> Tick:
    ts_ms = START_MS + int(1000 * seconds)
    return Tick(ts_ms, venue, "WETH/USDC", price, ts_known_ms=ts_ms, **optional)  # type: ignore[arg-type]


def test_update_answers_with_the_tick_and_its_features() -> None:
    stream = FeatureExtractor().stream()
    stream.update(tick(0))
    vector = stream.update(tick(6, price=101.0, fee_bps=5.0))
    assert vector is not None
    assert (vector.ts_ms, vector.ts_known_ms, vector.stream, vector.price) == (START_MS + 6000, START_MS + 6000, "a|WETH/USDC", 101.0)
    assert vector.values.shape == (len(FEATURE_NAMES),)
    assert stream.latest("a|WETH/USDC") is vector
    values = vector.to_dict()
    assert values["momentum_5s"] == pytest.approx(np.log(1.01))
    assert values["half_spread_bps"] == 5.0
    assert values["momentum_15s"] is None
    json.dumps(values, allow_nan=False)
    with pytest.raises(ValueError, match="read-only"):
        vector.values[0] = 1.0


def test_a_tick_that_is_not_after_the_newest_is_late() -> None:
    stream = FeatureStream()
    assert stream.update(tick(10)) is not None
    assert stream.update(tick(9)) is None
    assert stream.update(tick(10)) is None, "the same tick again: the first known wins"
    assert stream.update(replace(tick(10), log_index=1)) is not None
    assert stream.update(replace(tick(10), log_index=0)) is None
    assert stream.update(tick(9, venue="b")) is not None, "another venue has its own newest"


def test_unknown_streams_are_empty_not_errors() -> None:
    stream = FeatureStream()
    assert stream.latest("a|WETH/USDC") is None
    assert stream.window("a|WETH/USDC", 10).shape == (0, len(FEATURE_NAMES))
    assert stream.streams == ()
    assert FeatureStream.load(stream.dump()).streams == ()


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused_and_leaves_no_trace(price: float) -> None:
    stream = FeatureStream()
    with pytest.raises(SchemaError, match=r"a\|WETH/USDC at \d+: price .* must be a positive number"):
        stream.update(tick(0, price=price))
    assert stream.streams == ()


def test_infinite_inputs_count_as_missing() -> None:
    one, other = FeatureStream(), FeatureStream()
    for second in range(0, 400, 5):
        odd = {"volume": float("inf"), "liquidity": float("inf"), "gas_price_gwei": float("nan")} if second % 2 else {}
        a = one.update(tick(second, venue="a", **({"volume": 2.0} | odd)))  # type: ignore[arg-type]
        b = other.update(tick(second, venue="a", **({} if odd else {"volume": 2.0})))  # type: ignore[arg-type]
        assert a is not None
        assert b is not None
        assert a.values.tobytes() == b.values.tobytes()


def test_window_holds_the_newest_rows_oldest_first() -> None:
    ticks = random_ticks(0, rows=900, venues=2, pairs=1)
    df = compute_features(ticks)
    stream = FeatureStream(history=70)
    assert stream.replay(ticks) == len(df)
    for venue in ("venue0", "venue1"):
        rows = df[df["venue"] == venue][list(FEATURE_NAMES)].to_numpy()
        for length in (1, 60, 70):
            assert np.array_equal(stream.window(f"{venue}|BASE0/USD", length), rows[-length:], equal_nan=True)
    with pytest.raises(DataError, match=r"71 rows are more than the 70 kept; use FeatureStream\(history=71\)"):
        stream.window("venue0|BASE0/USD", 71)


def test_memory_is_bounded_by_rows() -> None:
    stream = FeatureStream(history=10)
    for i in range(6000):
        stream.update(tick(i / 10))
    (state,) = stream._states.values()
    assert state.ts.size == 2 * MAX_ROWS
    assert state.columns.shape[1] == 2 * MAX_ROWS
    assert state.history.shape[0] == 20
    assert len(stream.dump()) < 8 * (MAX_ROWS * 8 + 10 * len(FEATURE_NAMES)) + 1000


def test_the_stream_silent_longest_is_forgotten_first() -> None:
    stream = FeatureStream(history=4, max_streams=3)
    for second, venue in enumerate(["a", "b", "c", "a", "d"]):
        stream.update(tick(second, venue=venue))
    assert set(stream.streams) == {"a|WETH/USDC", "c|WETH/USDC", "d|WETH/USDC"}
    vector = stream.update(tick(9, venue="d", price=50.0))
    assert vector is not None
    assert vector.to_dict()["cross_venues"] == 2.0, "b no longer counts"
    vector = stream.update(tick(10, venue="b"))
    assert vector is not None
    assert vector.to_dict()["tick_interval_s"] is None, "b starts cold"


@pytest.mark.parametrize("gone", ["a", "b", "c"])
def test_forgetting_keeps_the_prices_of_the_others(gone: str) -> None:
    """The board closes the hole, wherever it is: the rest see each other's last prices and not the forgotten one's."""
    prices = {"a": 100.0, "b": 101.0, "c": 103.0}
    rest = [venue for venue in prices if venue != gone]
    stream = FeatureStream(max_streams=3)
    for venue, price in prices.items():
        stream.update(tick(0, venue=venue, price=price))
    for venue in rest:
        stream.update(tick(1, venue=venue, price=prices[venue]))
    for venue in ("d", *rest):
        vector = stream.update(tick(2, venue=venue, price=99.0))
        assert vector is not None
        others = {"d": 99.0} | {name: 99.0 if (venue == rest[1] and name == rest[0]) else prices[name] for name in rest}
        gaps = [np.log(price / 99.0) for name, price in others.items() if name != venue]
        values = vector.to_dict()
        assert values["cross_venues"] == 2.0
        assert values["cross_spread_bps"] == pytest.approx(1e4 * max(gaps))


def test_a_thousand_streams() -> None:
    stream = FeatureStream()
    for second in range(3):
        for i in range(1000):
            stream.update(replace(tick(second, venue=f"v{i % 4}"), pair=f"T{i // 4}/USD"))
    assert len(stream.streams) == 1000
    vector = stream.latest("v3|T249/USD")
    assert vector is not None
    assert vector.to_dict()["cross_venues"] == 3.0


@pytest.mark.parametrize("harm", [
    lambda data: data[:-1],
    lambda data: data[: len(data) // 2],
    lambda data: data[:20],
    lambda data: b"",
    lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    lambda data: data.replace(b'"format": 1', b'"format": 9'),
    lambda data: b"[]\n" + data.partition(b"\n")[2],
])
def test_a_damaged_state_is_refused(harm: "object") -> None:
    stream = FeatureStream()
    stream.replay(frame_to_ticks(random_ticks(0, rows=50)))
    with pytest.raises(DataError, match="replay the last ticks instead"):
        FeatureStream.load(harm(stream.dump()))  # type: ignore[operator]


def test_a_state_of_another_feature_set_is_refused() -> None:
    stream = FeatureStream()
    stream.replay(frame_to_ticks(random_ticks(0, rows=50)))
    data = stream.dump()
    own = json.loads(data.partition(b"\n")[0])["feature_set_id"]
    with pytest.raises(FeatureSetMismatch, match=f"of feature set 0123456789ab, this code computes {own}"):
        FeatureStream.load(data.replace(own.encode(), b"0123456789ab"))


@pytest.mark.parametrize(("history", "streams"), [(0, 1), (1, 0)])
def test_nonsense_sizes_are_refused(history: int, streams: int) -> None:
    with pytest.raises(DataError, match="at least 1 row and 1 stream"):
        FeatureStream(history, streams)
