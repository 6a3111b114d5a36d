"""docs/data.md says what setup and retention do."""

import inspect
import re
from pathlib import Path

from sqlalchemy import text

from arbml.store import Store
from arbml.store.pruning import KEPT_BLOCKS, prune
from arbml.store.timescale import BARS, HYPERTABLES, Retention
from arbml.store.timescale.plan import CHUNK_MS, COMPRESS_AFTER_MS, DAY_MS, OLDEST_RELEASE
from tests.store.units import unit

TEXT = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
TIMESCALE = TEXT.partition("## TimescaleDB")[2].partition("\n## ")[0]
RETENTION = TEXT.partition("## Export and retention")[2].partition("\n## ")[0]


def test_names_and_figures_are_those_of_the_code() -> None:
    assert TIMESCALE.lstrip().startswith("**Not yet run against TimescaleDB itself.**")
    row = re.search(r"\| hypertables \| (.*?), a week", TIMESCALE)
    assert row is not None
    assert re.findall(r"`(\w+)`", row[1]) == [table.name for table in HYPERTABLES]
    assert all(f"`{name}`" in TIMESCALE for name in BARS)
    assert (CHUNK_MS, COMPRESS_AFTER_MS, ".".join(map(str, OLDEST_RELEASE))) == (7 * DAY_MS, 7 * DAY_MS, "2.11")
    assert "(2.11 or later)" in TIMESCALE
    defaults = {name: given.default for name, given in inspect.signature(prune).parameters.items()}
    assert f"the newest {KEPT_BLOCKS} of a chain" in RETENTION
    assert f"At most {defaults['batch_rows']:,} ticks".replace(",", " ") in RETENTION
    assert f"or {defaults['batch_blocks']} blocks" in RETENTION


def test_the_query_for_a_dashboard_gives_the_bars_of_the_store(store: Store) -> None:
    store.chain.append_many([unit(n) for n in range(100, 400)])
    store.setup(Retention(), 0)
    (query,) = re.findall(r"^```sql\n(.*?);\n```", TIMESCALE, re.MULTILINE | re.DOTALL)
    with store._database.reading() as connection:
        rows = [dict(row) for row in connection.execute(text(query)).mappings()]
    expected = store.bars.read(60_000).sort_values("ts_ms")
    assert [int(row["time"].timestamp() * 1000) for row in rows] == expected["ts_ms"].tolist()
    for name in ("venue", "pair", "open", "high", "low", "close", "ticks", "ts_known_ms"):
        assert [row[name] for row in rows] == expected[name].tolist()
