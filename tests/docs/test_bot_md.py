"""docs/bot.md says what the code does."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arbml.bot import AbsentCode
from arbml.bot.memory import MAX_TICKS
from arbml.bot.requests import to_json, to_request
from arbml.config import CostsConfig
from arbml.market import Pool, find_opportunities
from arbml.settings import known_names
from tests.serving.conftest import kit, trained
from tests.serving.kit import Kit

__all__ = ["kit", "trained"]

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "bot.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def run(program: str, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ML_")}
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_process_with_models(kit: Kit) -> str:
    return run(blocks("python")[0], kit.root)


def in_process_without(kit: Kit) -> str:
    return run(blocks("python")[0], kit.root / "elsewhere")


def over_http_without_a_service(kit: Kit) -> str:
    return run(blocks("python")[1].replace("load_settings()", 'load_settings({"ML_CLIENT__URL": "http://127.0.0.1:9"})'), kit.root)


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (in_process_with_models, r"buy:uniswap>sell:sushiswap WETH/USDC \d.* True model_stale: "),  # the kit's models are of 2024
        (in_process_without, r"buy:uniswap>sell:sushiswap WETH/USDC \d.* True no_bundle: models/bundle"),
        (over_http_without_a_service, r"service_gone"),
    ],
)
def test_a_sample_runs(kit: Kit, sample: Callable[[Kit], str], says: str) -> None:
    (kit.root / "elsewhere").mkdir()
    (kit.root / "models").mkdir()
    kit.bundle().rename(kit.root / "models" / "bundle")
    out = sample(kit)
    assert re.search(says, out), out


def test_every_sample_is_run() -> None:
    assert len(blocks("python")) == 2


def test_the_question_is_the_one_that_is_asked() -> None:
    moment = 1_704_412_800_000
    pools = [Pool("uniswap", "WETH/USDC", 2300.0, 5.0, moment, moment), Pool("sushiswap", "WETH/USDC", 2320.0, 30.0, moment, moment)]
    found = find_opportunities(pools, CostsConfig(), moment)[0]
    assert json.loads(blocks("json")[0]) == to_json(to_request(found, "r1"))


def test_every_code_is_there_and_no_other() -> None:
    section = TEXT.partition("| code | meaning |")[2].partition("\n\n")[0]
    written = [code for row in section.splitlines() for code in re.findall(r"`([a-z_]+)`", row.partition("|")[2].partition("|")[0])]
    assert sorted(written) == sorted(AbsentCode)


def test_every_setting_and_file_named_exists() -> None:
    for name in re.findall(r"\bML_[A-Z_]+\b", TEXT):
        assert name in known_names(), name
    for name in re.findall(r"\b(examples/[\w/.]+)", TEXT):
        assert (ROOT / name).exists(), name
    assert f"last {MAX_TICKS:,} ticks" in TEXT
