"""The same ticks in a real PostgreSQL and in SQLite are the same data to a training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arbml.config import Config, StoreConfig
from arbml.store import Store
from flows.workspace import Selection, Workspace
from tests.e2e.kit import SMALL, finish, rows, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_same_data_and_figures_from_either_database(
    new_database: Callable[[], str], prefect_url: str, tmp_path: Path
) -> None:
    url = new_database()
    lite = SMALL | {"PREFECT_API_URL": prefect_url}
    places = {tmp_path / "lite" / "home": lite, tmp_path / "postgres" / "home": lite | {"TIMESERIES_CONNECTION_STRING": url}}

    def both(*arguments: str) -> list[dict[str, Any]]:
        """Run a command on both, side by side."""
        running = [start(["--json", *arguments], home, settings) for home, settings in places.items()]
        done = [finish(process) for process in running]
        assert [(one.code, one.errors) for one in done] == [(0, ())] * 2
        return [one.facts for one in done]

    for facts in both("collect", "sim", "--hours", "3"):
        (report,) = facts["collected"]
        assert (report["new"], report["known"]) == (3 * 3600 // 5 * 3, 0)
    home, other = places
    assert not (other / "arbml.db").exists(), "the home holds no second store"
    stores = [StoreConfig(), StoreConfig.model_validate({"connection_string": url})]
    with Store.open(stores[1], other) as store:
        assert {name: count for name, count in store.stats().rows.items() if count} == rows(home)

    hashes = []
    for config in stores:
        workspace = Workspace(Config(home=home, store=config))
        ticks = workspace.ticks(Selection())
        features = workspace.features(ticks)
        hashes.append({kind: workspace.dataset(kind, ticks, features).data_hash for kind in ("lstm", "scorer", "volatility")})
    assert hashes[0] == hashes[1]

    trained = both("train", "volatility")
    assert trained[0]["evaluation"] == trained[1]["evaluation"]
    assert [facts["version"]["data_hash"] for facts in trained] == [hashes[0]["volatility"]] * 2
