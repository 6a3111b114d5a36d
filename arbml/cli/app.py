"""The Typer application, its global options, and the one place where an error becomes a line and an exit code."""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from arbml import __version__
from arbml.cli import backtesting, collecting, keeping, operations, patterns, running, service, steps, storing
from arbml.cli.output import Output
from arbml.errors import ArbmlError, ConfigError, InvalidRequest, SchemaError, SourceError

WRONG_USE = (ConfigError, SourceError, SchemaError, InvalidRequest)

app = typer.Typer(
    name="arbml",
    help="The learning half of an arbitrage bot: collect, validate, train, promote on evidence, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"arbml {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Everything is written under this folder (ML_HOME; default .arbml).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log more; show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Global options."""
    from arbml.logs import configure_logging, quiet_libraries

    if home is not None:
        os.environ["ML_HOME"] = str(home)
    quiet_libraries()
    configure_logging(debug)
    context.obj = Output(as_json=as_json, debug=debug)


for group in (running, collecting, keeping, storing, steps, patterns, backtesting, service, operations):
    group.add_commands(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    debug = "--debug" in arguments
    try:
        code = app(args=list(arguments), standalone_mode=False, prog_name="arbml")
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        return _fail("stopped by the user; what was finished is kept", 1)
    except ArbmlError as error:
        if debug:
            traceback.print_exc()
        return _fail(str(error), 2 if isinstance(error, WRONG_USE) else 1, getattr(error, "report", ""))
    except OSError as error:
        if debug:
            traceback.print_exc()
        return _fail(f"{error.filename or 'system'}: {error.strerror or error}; check the path, the rights and the free space", 1)
    except Exception as error:
        if isinstance(getattr(error, "exit_code", None), int) and hasattr(error, "format_message"):  # wrong use, found by Typer
            return _fail(f"{error.format_message()}; see arbml --help", 2)
        if debug:
            traceback.print_exc()
        message = " ".join(str(error).split())[:300]
        return _fail(f"unexpected {type(error).__name__}: {message}; run again with --debug and report it", 1)


def _fail(message: str, code: int, report: str = "") -> int:
    if report:
        print(report, file=sys.stderr)
    print(f"arbml: {message}", file=sys.stderr)
    return code
