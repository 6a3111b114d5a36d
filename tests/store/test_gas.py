"""Gas prices by chain and time."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from arbml.errors import SchemaError
from arbml.store import GAS_PRICES, Appended, Checkpoint, Store


def gas(*rows: tuple[int, int, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chain_id", "ts_ms", "ts_known_ms", "gas_price_gwei"])


def test_round_trip_in_the_order_of_knowing_first_known_wins(store: Store) -> None:
    rows = gas((1, 2_000, 2_100, 30.0), (1, 1_000, 1_100, 20.0), (137, 1_000, 1_100, 0.1 + 0.2))
    assert store.gas.append(rows, Checkpoint("gas", "b", 2_000, 2_100)) == Appended(new=3)
    assert store.checkpoint("gas") == Checkpoint("gas", "b", 2_000, 2_100)
    assert store.gas.append(gas((1, 1_000, 9_000, 20.0), (1, 2_000, 9_000, 31.0), (1, 3_000, 9_000, 0.0))) == Appended(1, 1, 1)
    read = store.gas.read()
    assert read[["chain_id", "gas_price_gwei"]].to_numpy().tolist() == [[1, 20.0], [137, 0.1 + 0.2], [1, 30.0], [1, 0.0]]
    assert_frame_equal(read, GAS_PRICES.check(read))


def test_reads_by_chain_time_and_as_of_and_deletes(store: Store) -> None:
    store.gas.append(gas((1, 1_000, 1_000, 1.0), (1, 2_000, 8_000, 2.0), (10, 1_500, 1_500, 3.0)))

    def prices(**filters: object) -> list[float]:
        return store.gas.read(**filters)["gas_price_gwei"].tolist()  # type: ignore[arg-type]

    assert prices(chain_ids=[1]) == [1.0, 2.0]
    assert prices(start_ms=1_500) == [3.0, 2.0]
    assert prices(as_of_ms=7_999) == [1.0, 3.0]
    assert prices(chain_ids=[]) == []
    assert store.prune(2_000)["gas_prices"] == 2
    assert prices() == [2.0]


def test_a_negative_price_is_refused(store: Store) -> None:
    with pytest.raises(SchemaError, match=r"column 'gas_price_gwei', row 0: .* must not be negative"):
        store.gas.append(gas((1, 1, 1, -1.0)))
