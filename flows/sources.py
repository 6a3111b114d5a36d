"""Where a collection reads from, as plain parameters that a deployment can keep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, SecretStr

from arbml.collectors import Collector, ExecutionFileCollector, FileCollector, Simulator, SimulatorConfig, load_map
from arbml.collectors.evm.collector import EvmCollector
from arbml.config import CollectionConfig, Config
from arbml.errors import ConfigError
from flows.evm import EvmSource, open_evm


class SimulatorSource(BaseModel, frozen=True):
    """The market simulator.

    Attributes:
        market: one pair on three venues, or a world of several pairs and chains; docs/data.md describes both.
    """

    kind: Literal["sim"] = "sim"
    seed: int = 1
    hours: float = 24.0
    market: Literal["pair", "world"] = "pair"


class FileSource(BaseModel, frozen=True):
    """A recorded file of ticks, or of executions.

    Attributes:
        path: Parquet or CSV.
        holds: what its rows are.
        column_map: name of a shipped map, a TOML or JSON file, or inline text; found by the columns without it.
        sort, dedupe: put rows into order; keep the first of equal ones.
    """

    kind: Literal["file"] = "file"
    path: Path
    holds: Literal["ticks", "executions"] = "ticks"
    column_map: str | None = None
    sort: bool = False
    dedupe: bool = False


class ExchangeSource(BaseModel, frozen=True):
    """Centralised exchanges, live; the fields are those of `arbml.collectors.exchange.ExchangeSettings`.

    Attributes:
        interval_ms: between two rounds of asking; that of the settings without it.
    """

    kind: Literal["ccxt"] = "ccxt"
    exchanges: tuple[str, ...]
    pairs: tuple[str, ...]
    mode: Literal["poll", "stream"] = "poll"
    interval_ms: int | None = None
    for_s: float | None = None
    silence_s: float = 30.0
    url: SecretStr | None = None


Source = SimulatorSource | FileSource | ExchangeSource | EvmSource
Opened = Collector | EvmCollector


def checked(sources: Sequence[Source], config: Config) -> list[Opened]:
    """Open and check every source, for the command before a server is started and for the flow before the first row is stored.

    Raises:
        ConfigError: where collection is switched off, or a column map is wrong.
        SourceError, SchemaError: for wrong input; nothing was written.
        TransientError: if no node of a chain answers.
        StoreError: if the venues that the store knows cannot be read.
    """
    if not config.collection.enabled:
        raise ConfigError("collection is switched off; set ML_DATA_COLLECTION_ENABLED=true")
    asked = any(isinstance(source, FileSource) and source.holds == "executions" for source in sources)
    recorded = [source for source in sources if not isinstance(source, EvmSource)]
    chains: list[Opened] = [open_evm(source, config) for source in sources if isinstance(source, EvmSource)]
    return chains + open_sources(recorded, config.collection, _stored_venues(config) if asked else ())


def with_ticks(opened: Sequence[Opened]) -> list[Collector]:
    """Return the sources whose ticks can be read without a store.

    Raises:
        ConfigError: one of them is a chain.
    """
    if any(isinstance(one, EvmCollector) for one in opened):
        raise ConfigError("blocks of a chain are read from the store only; run arbml collect evm first, then this without a source")
    return [one for one in opened if not isinstance(one, EvmCollector)]


def _stored_venues(config: Config) -> list[str]:
    if config.store.connection_string is None and not config.home_path.exists():
        return []  # asking would make the home
    from arbml.store import Store

    with Store.open(config.store, config.home_path) as store:
        return sorted({stream.venue for stream in store.ticks.stats().by_stream})


def open_sources(
    sources: Sequence[SimulatorSource | FileSource | ExchangeSource], collection: CollectionConfig, venues: Sequence[str]
) -> list[Opened]:
    """Open every source and read the files whole, so that a wrong one is found before anything is stored.

    Args:
        venues: those that the store knows already; executions may name them and those of the other sources.

    Raises:
        ConfigError, SourceError, SchemaError: for wrong input.
    """
    known = set(venues)
    opened: list[Opened] = []
    for source in sorted(sources, key=lambda s: isinstance(s, FileSource) and s.holds == "executions"):
        if isinstance(source, SimulatorSource):
            simulated, names = _simulated(source, collection)
            known |= names
            opened.append(simulated)
            continue
        if isinstance(source, ExchangeSource):
            known |= set(source.exchanges)
            opened.append(_exchanges(source, collection))
            continue
        column_map = load_map(source.column_map) if source.column_map else None
        if source.holds == "executions":
            executions = ExecutionFileCollector(source.path, column_map, source.sort, source.dedupe, known_venues=known)
            next(executions.executions(), None)
            opened.append(executions)
        else:
            ticks = FileCollector(source.path, column_map, source.sort, source.dedupe)
            known |= set(ticks.venues)
            opened.append(ticks)
    return opened


def _simulated(source: SimulatorSource, collection: CollectionConfig) -> tuple[Collector, set[str]]:
    """Return a simulated market and its venues."""
    if source.market == "pair":
        pair = SimulatorConfig(seed=source.seed, hours=source.hours, interval_ms=collection.interval_ms)
        return Simulator(pair), {venue.name for venue in pair.venues}
    if collection.interval_ms % 1000:
        raise ConfigError(f"ML_DATA_INTERVAL is {collection.interval_ms} ms; the simulated world goes by whole seconds, give e.g. 5000")
    from arbml.collectors.simulator.world import World, WorldConfig

    world = WorldConfig(seed=source.seed, hours=source.hours, interval_ms=collection.interval_ms)
    return World(world), {pool.venue for pool in world.pools}


def _exchanges(source: ExchangeSource, collection: CollectionConfig) -> Collector:
    from arbml.collectors.exchange import ExchangeCollector, ExchangeSettings

    interval_ms = source.interval_ms or collection.interval_ms
    return ExchangeCollector(
        ExchangeSettings(
            source.exchanges, source.pairs, source.mode, interval_ms, source.for_s, source.silence_s,
            source.url.get_secret_value() if source.url else None,
        )
    )
