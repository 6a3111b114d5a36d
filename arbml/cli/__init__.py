"""The command line: Typer commands, one file a group. Heavy libraries are imported inside the commands."""

import sys


def main() -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 wrong use."""
    from arbml.cli.app import run

    sys.exit(run(sys.argv[1:]))
