"""docs/patterns.md and the section in docs/service.md say what the code does."""

import re
from dataclasses import replace
from pathlib import Path

from arbml.models.patterns import Pattern, Sample
from arbml.models.patterns.balls import MIN_KNOWN
from arbml.models.patterns.candidates import INSIDE, LONGEST_BAND, PROMISING, SAME, WARM
from arbml.models.patterns.cases import REACHED
from arbml.models.patterns.conditions import SIGNALS, OnRoute
from arbml.models.patterns.detector import INHERITS
from arbml.models.patterns.matcher import MOST_SAID
from arbml.models.patterns.significance import BLOCK_TIMES, LEAST_BLOCKS, LEAST_DAYS, LEAST_OF_A_KIND
from arbml.settings import known_names

DOCS = Path(__file__).parents[2] / "docs"
TEXT = " ".join((DOCS / "patterns.md").read_text(encoding="utf-8").split())
SERVICE = (DOCS / "service.md").read_text(encoding="utf-8").partition("## Patterns")[2].partition("\n## ")[0]


def test_every_setting_named_exists() -> None:
    names = re.findall(r"\bML_[A-Z_]+\b", TEXT + SERVICE)
    assert len(set(names)) == 5
    assert set(names) <= set(known_names())


def test_every_market_event_is_there_with_its_input() -> None:
    section = TEXT.partition("Of the opportunity's pair:")[2].partition("A market event is")[0]
    assert re.findall(r"\(`([a-z_]+)`\)", section) == [signal.feature for signal in SIGNALS.values()]


def test_the_numbers_are_those_of_the_code() -> None:
    assert (WARM, PROMISING, LONGEST_BAND, SAME, INSIDE) == (0.25, 0.1, 12, 0.8, 0.8)
    assert (REACHED, MIN_KNOWN, INHERITS, BLOCK_TIMES, LEAST_BLOCKS) == (0.8, 0.75, 0.5, 3.0, 16)
    for said in (
        "a p-value of at most 0.25", "at most 12 hours", "a p-value of at most 0.1,", "share 80 % of their rows", "(80 % of its rows)",
        "in five reaches", "lacks a quarter", "at least half of the same",
        "three integrated autocorrelation times", "a sixteenth of the period",
        f"at least {LEAST_DAYS} of them in each part", f"at least {LEAST_OF_A_KIND} of its own in each part",
    ):  # fmt: skip
        assert said in TEXT, said
    assert MOST_SAID == 5
    assert "up to five confirmed patterns" in SERVICE


def test_the_sample_is_what_the_service_says() -> None:
    sample = Sample(0, 1, 212, 151, 900, 468, 0.64, 0.77, 40, 0.001)
    pattern = Pattern("", OnRoute("buy:uniswap>sell:curve WETH/USDC"), sample, replace(sample, p_value=0.002), 0.01, "USDC", "", "")
    assert SERVICE.split("```")[1].strip() == pattern.text
