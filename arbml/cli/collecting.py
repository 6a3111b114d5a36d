"""`arbml collect`."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arbml.cli.output import Output
from arbml.cli.session import session
from arbml.errors import ConfigError

if TYPE_CHECKING:
    from flows.sources import Source


class Market(StrEnum):
    """The simulated markets."""

    PAIR = "pair"
    WORLD = "world"


collect = typer.Typer(help="Collect ticks and executions into the store.", no_args_is_help=True, rich_markup_mode=None)


def add_commands(app: typer.Typer) -> None:
    """Hang the group into the application."""
    app.add_typer(collect, name="collect")


@collect.command("sim")
def sim(
    context: typer.Context,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market.")] = 1,
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 92, help="Length of the market, hours.")] = 24.0,
    market: Annotated[Market, typer.Option(help="pair: one pair on three venues; world: several pairs and chains.")] = Market.PAIR,
) -> None:
    """Collect from the market simulator; docs/data.md describes its two markets."""
    from flows.sources import SimulatorSource

    _collect(context.obj, [SimulatorSource(seed=seed, hours=hours, market=market.value)])


@collect.command("file")
def file(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Parquet or CSV tick files.", metavar="FILE...")],
    column_map: Annotated[
        str | None, typer.Option("--map", help="Column map: a shipped name, a TOML or JSON file, or text such as 'ts_ms=time'.")
    ] = None,
    executions: Annotated[Path | None, typer.Option(help="Parquet or CSV with what the bot did.")] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Put unsorted rows into order instead of refusing them.")] = False,
    dedupe: Annotated[bool, typer.Option("--dedupe", help="Keep the first of equal rows instead of refusing them.")] = False,
) -> None:
    """Collect recorded ticks (and executions) from files; see docs/data.md for the format and the column maps."""
    from flows.sources import FileSource

    sources = [FileSource(path=path, column_map=column_map, sort=sort, dedupe=dedupe) for path in paths]
    if executions:
        sources.append(FileSource(path=executions, holds="executions", sort=sort, dedupe=dedupe))
    _collect(context.obj, sources)


@collect.command("ccxt")
def ccxt(
    context: typer.Context,
    exchange: Annotated[str, typer.Option(help="Exchanges as ccxt calls them, separated by commas; each is a venue.")],
    pair: Annotated[
        list[str], typer.Option(metavar="PAIR", help="BASE/QUOTE as the exchanges call it; may be given again, or separated by commas.")
    ],
    streaming: Annotated[
        bool, typer.Option("--stream/--poll", help="Listen to websockets, or ask each ML_DATA_INTERVAL.")
    ] = False,
    for_s: Annotated[float | None, typer.Option("--for", min=0.1, metavar="SECONDS", help="End after so long; else Ctrl-C.")] = None,
    silence_s: Annotated[
        float, typer.Option("--silence", min=1, metavar="SECONDS", help="Time without a quote that is recorded as a gap.")
    ] = 30.0,
    url: Annotated[str | None, typer.Option(help="Ask this host instead of the exchanges' own: a proxy, a test server.")] = None,
) -> None:
    """Collect quotes, depth and volume of centralised exchanges; needs pip install 'arbml[ccxt]'."""
    from pydantic import SecretStr

    from flows.sources import ExchangeSource

    exchanges, pairs = _names("--exchange", [exchange]), _names("--pair", pair)
    wrong = next((name for name in pairs if not all(name.partition("/")[::2]) or ":" in name), None)
    if wrong is not None:
        raise ConfigError(f"--pair {wrong!r} is not BASE/QUOTE of a spot market; write e.g. ETH/USDT")
    if url is not None and not url.startswith(("http://", "https://")):
        raise ConfigError("--url must start with http:// or https://")
    source = ExchangeSource(
        exchanges=exchanges, pairs=pairs, mode="stream" if streaming else "poll", for_s=for_s, silence_s=silence_s,
        url=None if url is None else SecretStr(url),
    )  # fmt: skip
    _collect(context.obj, [source])


def _names(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    if not names:
        raise ConfigError(f"{option} names nothing")
    return names


@collect.command("evm")
def evm(
    context: typer.Context,
    pools: Annotated[Path, typer.Option(help="TOML file with the pools: [[pool]] address = \"0x...\" venue = \"uniswap_v2\".")],
    rpc: Annotated[
        str | None, typer.Option(help="URLs of nodes, comma-separated, preferred first; ws(s):// announce blocks; else ETH_RPC_URL.")
    ] = None,
    from_block: Annotated[int | None, typer.Option(min=0, help="First block of an empty store; the head without it.")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="The same, as that many days ago.")] = None,
    to_block: Annotated[int | None, typer.Option(min=0, help="Stop when this block is stored.")] = None,
    for_s: Annotated[float | None, typer.Option("--for", min=0, help="Stop after so many seconds; at Ctrl-C without.")] = None,
    catch_up: Annotated[bool, typer.Option("--catch-up", help="Stop at the head.")] = False,
    confirmations: Annotated[int | None, typer.Option(min=0, help="Blocks that must stand on one before it is stored.")] = None,
    watch: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Whose reverted attempts are recorded; may be given again.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, metavar="PER SECOND", help="Most requests to each node in a second.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Most exchanges with each node at the same time; 4 without.")] = None,
) -> None:
    """Collect Uniswap v2 and v3 style pools of an EVM chain, block by block; goes on after the last stored block."""
    from pydantic import SecretStr

    from flows.evm import EvmSource

    if from_block is not None and days is not None:
        raise ConfigError("--from-block and --days both say where to begin; give one")
    urls = tuple(SecretStr(url.strip()) for url in (rpc or "").split(",") if url.strip())
    source = EvmSource(
        rpc=urls, pools=pools, from_block=from_block, days=days, to_block=to_block, for_s=for_s, catch_up=catch_up,
        confirmations=confirmations, watch=tuple(watch or ()), rate=rate, concurrency=concurrency,
    )  # fmt: skip
    _collect(context.obj, [source])


def _collect(out: Output, sources: "Sequence[Source]") -> None:
    from arbml.clock import iso
    from arbml.collectors.evm.collector import ChainReport
    from arbml.settings import load_settings
    from flows.sources import checked

    checked(sources, load_settings())  # a wrong file is found before a server is started; the flow asks again
    with session(out, "collect"):
        from flows.collect import collect_flow

        collected = collect_flow(sources)
    reports = collected.reports
    rows = [
        (r.source, ", ".join(r.streams), r.new, r.known, r.executions_new, *(iso(ts) if ts else None for ts in (r.start_ms, r.end_ms)),
         round(r.seconds, 2))
        for r in reports
    ]
    out.table("collected", ("source", "streams", "new ticks", "known ticks", "new executions", "from", "to", "s"), rows)
    for report in reports:
        if report.conflicting:
            out.line(f"{report.conflicting} ticks of {report.source} differ from what the store already knew; the stored ones stay")
        if isinstance(report, ChainReport):
            out.line(f"{report.source}: {report.blocks} blocks, {report.orphaned} orphaned, last block {report.tip}")
    for note in collected.notes:
        out.line(f"note: {note}")
    out.line("next: arbml validate")
    out.fact(collected=reports, notes=collected.notes)
    out.finish()
