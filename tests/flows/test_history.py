"""Who has a Prefect database to itself."""

import subprocess
import sys
from pathlib import Path

from flows.history import shared_use

HOLD = """
import sys
from pathlib import Path
from flows.history import shared_use
with shared_use(Path(sys.argv[1])) as (alone, share):
    share()
    print(alone, flush=True)
    sys.stdin.read()
"""


def test_alone_until_somebody_comes_and_again_when_he_is_killed(tmp_path: Path) -> None:
    with shared_use(tmp_path) as (alone, _):
        assert alone
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "True\n"
    with shared_use(tmp_path) as (alone, _):
        assert not alone
    other.kill()
    other.communicate()
    with shared_use(tmp_path) as (alone, _):
        assert alone


def test_those_who_share_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with shared_use(tmp_path) as (first, share):
        share()
        with shared_use(tmp_path) as (second, _):
            assert (first, second) == (True, False)
