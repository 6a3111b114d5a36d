"""docs/data.md says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbml.collectors import load_map, shipped_maps
from arbml.collectors.simulator import SimulatorConfig, VenueSettings
from arbml.config import Section
from arbml.frames import EXECUTIONS, TICKS

DOC = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def _settings(section: Section, prefix: str = "") -> Iterator[str]:
    for name, found in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _settings(value, f"{prefix}{name}.")
        elif name != "venues":
            yield f"| `{prefix}{name}` | {value} | {found.description} |"


def test_every_setting_of_the_simulator_stands_there_with_its_default() -> None:
    venues = [
        f"| `{name}` | {' | '.join(str(getattr(venue, name)) for venue in SimulatorConfig().venues)} | {found.description} |"
        for name, found in VenueSettings.model_fields.items()
    ]
    assert [line for line in (*_settings(SimulatorConfig()), *venues) if line not in DOC] == []


def test_every_column_and_shipped_map_stands_there() -> None:
    assert [name for name in (*TICKS.names, *EXECUTIONS.names) if f"`{name}`" not in DOC] == []
    assert [one.name for one in shipped_maps() if f"| `{one.name}` |" not in DOC] == []


@pytest.mark.parametrize("text", re.findall(r"^--map (\"[^\"]*\"|\S+) ", DOC, re.MULTILINE))
def test_the_maps_shown_are_maps(text: str) -> None:
    assert load_map(text.strip('"')).views[0].columns


def test_the_map_file_shown_is_one(tmp_path: Path) -> None:
    shown = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)[0]  # later ones are pool files of chains
    (tmp_path / "map.toml").write_text(shown)
    assert load_map(str(tmp_path / "map.toml")).views[0].reserves is not None


def test_every_setting_of_the_simulated_world_stands_there() -> None:
    from arbml.collectors.simulator.world import ChainSettings, PoolSettings, TokenSettings, WorldConfig

    config = WorldConfig()
    shown = [line for line in _settings(config) if not line.startswith(("| `tokens`", "| `chains`", "| `pools`"))]
    tables: list[tuple[type[Section], tuple[Section, ...]]] = [
        (TokenSettings, config.tokens), (ChainSettings, config.chains), (PoolSettings, config.pools),
    ]  # fmt: skip
    for kind, rows in tables:
        shown += [
            f"| `{name}` | {', '.join(str(getattr(row, name)) for row in rows)} | {found.description} |"
            for name, found in kind.model_fields.items()
        ]
    assert [line for line in shown if line not in DOC] == []
