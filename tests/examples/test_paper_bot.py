"""The paper bot runs as a newcomer would start it."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbml.serving import Bundle, Journal, Ledger, Predictor
from bentos.door import Door
from tests.bot.net import serving
from tests.serving.conftest import kit, trained
from tests.serving.kit import CONFIG, Kit, lines

__all__ = ["kit", "trained"]

BOT = Path(__file__).parents[2] / "examples" / "paper_bot.py"
SHORT = ("--hours", "0.5", "--after", "0.75")


def paper_bot(cwd: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ML_")}
    done = subprocess.run([sys.executable, str(BOT), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Here:
    """The same in this process, which has all libraries loaded."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        spec = importlib.util.spec_from_file_location("paper_bot", BOT)
        assert spec is not None
        assert spec.loader is not None
        self._module = importlib.util.module_from_spec(spec)
        sys.modules["paper_bot"] = self._module  # dataclasses look for their module
        spec.loader.exec_module(self._module)
        self._capsys = capsys
        self.folder = folder

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert self._module.main(arguments) == code
        told = self._capsys.readouterr()
        return told.out if code == 0 else told.err


@pytest.fixture
def here(kit: Kit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.chdir(kit.root)
    return Here(kit.root, capsys)


def row(out: str, name: str, column: int = 0) -> float:
    """A figure of the closing table."""
    (line,) = [line for line in out.splitlines() if re.match(rf"\s*{re.escape(name)}\s\s", line)]
    return float(re.findall(r"-?[\d,]+\.?\d*", line[32:])[column].replace(",", ""))


@pytest.fixture(scope="module")
def by_rule(tmp_path_factory: pytest.TempPathFactory) -> str:
    return paper_bot(tmp_path_factory.mktemp("rule"), *SHORT)


def test_without_ml_it_sends_what_pays_and_keeps_its_books(by_rule: str) -> None:
    sent = re.findall(r" > .*, pays \+(\S+); not judged \(rule\)", by_rule)
    landed = re.findall(r"   (success|failed|reverted) +([+-][\d.]+) USDC", by_rule)
    assert len(sent) == len(landed) == row(by_rule, "sent") > 10
    for name, result in (("successes", "success"), ("never landed (cost nothing)", "failed"), ("reverts", "reverted")):
        assert row(by_rule, name) == sum(found == result for found, _ in landed)
    assert len({result for result, _ in landed}) == 3, "the world decides, not a constant"
    assert row(by_rule, "profit after gas") == pytest.approx(sum(float(profit) for _, profit in landed), abs=0.01 * len(landed))
    reverted = -sum(float(profit) for result, profit in landed if result == "reverted")
    assert row(by_rule, "gas lost on reverts") == pytest.approx(reverted, abs=0.01 * len(landed))


def test_another_seed_is_another_market_and_the_same_one_the_same_run(by_rule: str, here: Here) -> None:
    assert here(*SHORT) == by_rule
    assert here(*SHORT, "--seed", "5") != by_rule
    assert list(here.folder.iterdir()) == [], "without ML nothing is written"


def told(home: Path) -> tuple[set[str], dict[str, float]]:
    """The ids that were judged, and the profits that were reported."""
    journal = Journal.open(home / "journal")
    written = lines(journal)
    journal.close()
    predictions = {line["record"]["prediction"]["request_id"] for line in written if line["kind"] == "prediction"}
    outcomes = [line["record"]["execution"] for line in written if line["kind"] == "outcome"]
    return predictions, {one["request_id"]: one["profit"] for one in outcomes}


def check(out: str, by_rule: str, home: Path) -> None:
    predictions, outcomes = told(home)
    assert len(predictions) == int(re.findall(r"([\d,]+) were judged", out)[0].replace(",", "")) > 50
    assert set(outcomes) <= predictions, "what was sent had been judged"
    assert len(outcomes) == row(out, "sent") > 0
    assert sum(outcomes.values()) == pytest.approx(row(out, "profit after gas"), abs=0.006)
    assert row(out, "profit after gas", column=1) == row(by_rule, "profit after gas"), "the other bot is the one without ML"
    gain = row(out, "profit after gas") - row(out, "profit after gas", column=1)
    said = re.findall(r"ML (earned|cost) ([\d,.]+) USDC (more than|against) the rule", out)[0]
    assert float(said[1].replace(",", "")) * (1 if said[0] == "earned" else -1) == pytest.approx(gain, abs=0.02)
    only_rule, only_ml, both = (float(made.replace(",", "")) for made in re.findall(r"made ([+-]?[\d,.]+\d)", out))
    assert only_ml - only_rule + both == pytest.approx(gain, abs=0.03)


def test_in_process_everything_asked_and_sent_is_in_its_journal(by_rule: str, kit: Kit) -> None:
    out = paper_bot(kit.root, *SHORT, "--bundle", str(kit.bundle()))
    check(out, by_rule, kit.root / ".arbml" / "paper")
    assert not (kit.root / ".arbml" / "journal").exists(), "paper trades do not mix with real ones"


@pytest.fixture
def service(kit: Kit) -> Iterator[str]:
    """The real app over the kit's bundle, going by the ticks as `ML_INFERENCE__CLOCK=ticks` has it."""
    from arbml.clock import ReplayClock

    journal = Journal.open(kit.root / "home" / "journal")
    predictor = Predictor(Bundle.load(kit.bundle()), CONFIG, Ledger(journal), ReplayClock(0))
    predictor.warm_up([])
    door = Door()
    door.open(predictor, journal)
    with serving(door) as url:
        yield url
    journal.close()


def test_over_http_it_does_the_same(kit: Kit, service: str, here: Here) -> None:
    out = here(*SHORT, "--url", service)
    kit.restart()
    written = [json.loads(line) for file in sorted((kit.root / "home" / "journal" / "lane-0").glob("*.jsonl")) for line in file.open()]
    assert sum(line["kind"] == "prediction" for line in written) > 50
    assert sum(line["kind"] == "outcome" for line in written) == row(out, "sent") > 0
    in_process = here(*SHORT, "--bundle", str(kit.root / "bundle"))
    assert sends(out) == sends(in_process), "the same answers, whoever carries them"


def sends(out: str) -> list[str]:
    return [line for line in out.splitlines() if " > " in line]


def test_without_a_sound_bundle_it_goes_by_the_rule_and_says_why(here: Here, by_rule: str) -> None:
    out = here(*SHORT, "--bundle", "nowhere")
    assert row(out, "profit after gas") == row(out, "profit after gas", column=1) == row(by_rule, "profit after gas")
    assert "; not judged (no_bundle)" in out
    assert re.search(r"problem: no_bundle: nowhere.*no such file", out)


def test_told_to_hold_it_sends_nothing_without_a_sound_bundle(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_BOT__WITHOUT_ML", "hold")
    out = here(*SHORT, "--bundle", "nowhere")
    assert row(out, "sent") == 0
    assert row(out, "sent", column=1) > 10
    assert re.search(r"it held back, by the first reason: no_bundle \d+", out)


@pytest.mark.parametrize(
    "wrong", [("--hours", "0"), ("--url", "http://x", "--bundle", "y"), ("--after", "nan"), ("--hours", "inf"), ("--url", "localhost:3000")]
)
def test_wrong_use_is_said(here: Here, capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        here(*wrong)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err
