"""The page needs nothing but itself, hides nothing that came from data, and says every unit."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from arbml.backtest.comparison import Arm, compare
from arbml.backtest.decisions import Decision, mix
from arbml.backtest.figures import FIGURES
from arbml.backtest.metrics import metrics
from arbml.backtest.report import generate_report, notes_of
from arbml.backtest.report.reasons import MEANINGS
from arbml.backtest.report.svg import nice_ticks
from arbml.backtest.results import Trade
from arbml.backtest.settings_words import WORDS, explained
from arbml.backtest.training import Training
from arbml.bot.advisor import AbsentCode
from arbml.config import BacktestConfig, CostsConfig
from arbml.models.ensemble import ReasonCode
from tests.backtest.results_kit import START_MS, result, trade

EVIL = "<script>alert('x')</script>&\"sushi\""
VOID = {"meta", "br", "rect", "line", "circle", "path", "link"}


class Page(HTMLParser):
    """Checks that elements close, and collects words and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID - {"rect", "circle", "path", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def many(n: int = 150, **changes: Any) -> list[Trade]:
    return [trade(60 + 200 * i, ("success", "success", "reverted", "failed")[i % 4], **changes) for i in range(n)]


def arm(name: str, role: Any, trades: list[Trade], **changes: Any) -> Arm:
    settings = {"costs": CostsConfig().model_dump(), "backtest": BacktestConfig().model_dump()}
    made = result(trades, name=name, settings=settings, **changes)
    said = [("EXECUTE", "profitable"), ("SKIP", "expected_loss"), ("QUEUE", "low_confidence")]
    judged = [Decision(START_MS, f"r{i}", "route", what, what == "EXECUTE", code, 1.0, 0.5, 0.2) for i, (what, code) in enumerate(said)]
    trained = Training("scorer", START_MS, 900, True, "the model of today", "better than the baseline, <by> far", 2.0)
    return Arm(name, role, made, metrics(made), mix(judged), (trained,), (f"{name}: a note & more",))


@pytest.fixture(scope="module")
def html() -> str:
    arms = [arm("ML on", "ml", many(buy_venue=EVIL)), arm("rule", "rule", many(100)), arm("oracle", "oracle", many(170))]
    return generate_report(compare(arms), title=f"A test of {EVIL}").html


def test_the_page_is_whole_and_needs_nothing_else(html: str) -> None:
    page = Page(html)
    assert page.open == [], "every element is closed"
    assert page.tags & {"script", "link", "img", "iframe", "object"} == set()
    assert {name for name, _ in page.attributes} & {"src", "href", "srcset", "xlink:href", "onload"} == set()
    assert "http" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert len(html) < 1_000_000
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_names_from_data_are_words_not_markup(html: str) -> None:
    assert EVIL not in html
    words = "".join(Page(html).words)
    assert EVIL in words


def test_no_number_that_is_none(html: str) -> None:
    words = "".join(Page(html).words)
    assert not re.search(r"\b(nan|NaN|inf|None)\b", words)


def test_sections_are_there(html: str) -> None:
    headings = re.findall(r"<h[23]>(.*?)</h[23]>", html)
    for wanted in ("Is it better?", "Over time", "Where the money went", "Decisions", "Were the probabilities right?", "Where and when",
                   "Models", "Attempts", "Assumptions and notes", "Drawdown", "Equity", "By hour", "By venue", "Reliability"):  # fmt: skip
        assert any(wanted in heading for heading in headings), wanted
    assert html.count("<svg ") == 6
    assert "the first 100 of 150 attempts; the other 50" in html


def test_every_column_of_numbers_says_its_unit(html: str) -> None:
    units = ("USDC", "%", "UTC", ", s", "count", "attempts", "opportunities", "rows")
    for table in re.findall(r"<table>(.*?)</table>", html, re.DOTALL):
        columns = re.findall(r"<th(.*?)>(.*?)</th>", table)
        with_unit_column = any(name == "unit" for _, name in columns)
        for side, name in columns:
            assert 'class="n"' not in side or with_unit_column or any(unit in name for unit in units), name


def test_text_and_json_say_the_same(tmp_path: Path) -> None:
    arms = [arm("ML on", "ml", many()), arm("rule", "rule", many(100))]
    report = generate_report(compare(arms), tmp_path / "deep" / "report.html")
    assert (tmp_path / "deep" / "report.html").read_text() == report.html

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    data = json.loads((tmp_path / "deep" / "report.json").read_text(), parse_constant=refuse)
    net = data["arms"][0]["metrics"]["net_profit"]
    assert net == pytest.approx(arms[0].metrics.net_profit)
    assert f"net profit: +{net:,.2f} USDC" in report.text
    assert len(data["trades"]["rows"]) == 150
    assert data["equity"]["rule"]["equity"][-1] == pytest.approx(10_000 + arms[1].metrics.net_profit)
    for figure in FIGURES:
        assert figure.meaning in report.text


UNJUDGED = trade(60, success_probability=float("nan"), expected_profit=float("nan"), variant=None, recommendation=None)


@pytest.mark.parametrize("trades", [[], [trade(60)], [trade(60, "failed")], [trade(60, "reverted")], [UNJUDGED]])
def test_little_makes_a_page_all_the_same(trades: list[Trade]) -> None:
    report = generate_report(result(trades, hours=0.1))
    assert Page(report.html).open == []
    assert not re.search(r"\b(nan|inf)\b", report.text)


def test_nothing_sent_is_said_in_the_headline() -> None:
    assert "sent nothing" in generate_report(result([])).text


def test_a_backtest_without_a_moment_is_written_up() -> None:
    nothing = result([], start_ms=0, end_ms=0, n_moments=0, n_ticks=0)
    assert "sent nothing" in generate_report(nothing).text
    found = compare([Arm("ml", "ml", nothing, metrics(nothing)), arm("rule", "rule", many(100))])
    assert Page(generate_report(found).html).open == []
    assert found.block_s == 300


def test_notes_say_of_whom_they_are() -> None:
    arms = [arm("ML on", "ml", many(), notes=("all", "two")), arm("rule", "rule", many(90), notes=("all", "two")),
            arm("again", "without", many(), notes=("all",))]  # fmt: skip
    notes = notes_of(compare(arms))
    assert notes[:2] == ("all", "ML on, rule: two")
    assert "again: again: a note & more" in notes


def test_identical_curves_share_a_line() -> None:
    report = generate_report(compare([arm("ML on", "ml", many()), arm("rule", "rule", many(90)), arm("again", "without", many())]))
    assert "ML on = again" in report.html


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == {*ReasonCode, *AbsentCode, "rule"}


def test_every_setting_of_a_backtest_has_a_unit_and_a_meaning() -> None:
    settings = {"costs": CostsConfig().model_dump(), "backtest": BacktestConfig().model_dump()}
    for name, value, unit, meaning in explained(settings):
        assert meaning, name
        is_number = value.replace(",", "").replace(".", "").isdigit()
        assert unit != WORDS or not is_number, f"{name} = {value} has no unit"


@pytest.mark.parametrize(("low", "high"), [(0.0, 1e-9), (-3.0, 3.0), (0.0, 1e9), (5.0, 5.0), (-1e-3, 7.0)])
def test_ticks_are_round_and_few(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert 1 <= len(ticks) <= 12
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in ticks)


def test_a_long_curve_stays_small() -> None:
    trades = [trade(i * 3, "success" if i % 3 else "reverted") for i in range(20_000)]
    html = generate_report(result(trades, hours=17.0)).html
    assert len(html) < 300_000
