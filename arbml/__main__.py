"""`python -m arbml` is `arbml`."""

from arbml.cli import main

main()
