"""The tables of the report: arms side by side, venues, hours, decisions, trainings, trades, settings, meanings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from arbml.backtest.comparison import Arm, Comparison
from arbml.backtest.figures import BY_NAME, FIGURES, unit_of
from arbml.backtest.metrics import win_rate_interval
from arbml.backtest.report.formats import DASH, moment, money, number, percent, signed, span, value_of
from arbml.backtest.report.model import Table
from arbml.backtest.report.reasons import MEANINGS
from arbml.backtest.settings_words import explained

SHOWN_TRADES = 100
KEY = ("net_profit", "return_on_capital", "attempts", "win_rate", "gas_on_reverts", "max_drawdown", "sharpe", "deflated_sharpe")


def key_figures(arms: Sequence[Arm]) -> Table:
    """The few figures by which one would choose."""
    token = arms[0].result.token
    rows = []
    for name in KEY:
        unit = unit_of(name, token)
        rows.append((BY_NAME[name].label, unit, *(value_of(name, unit, getattr(arm.metrics, name)) for arm in arms)))
    return Table("Side by side", ("figure", "unit", *(arm.name for arm in arms)), tuple(rows), 2)


def all_figures(arms: Sequence[Arm]) -> Table:
    """Every figure of every arm."""
    token, rows = arms[0].result.token, []
    for figure in FIGURES:
        unit = unit_of(figure.name, token)
        cells = [value_of(figure.name, unit, getattr(arm.metrics, figure.name)) for arm in arms]
        if any(cell not in (DASH, "0.00") for cell in cells) or figure.name in ("net_profit", "gas"):
            rows.append((figure.label, unit, *cells))
    reasons: dict[str, list[str]] = {}
    for arm in arms:
        for name, why in arm.metrics.why.items():
            reasons.setdefault(f"{arm.name}: {why}", []).append(BY_NAME[name].label)
    note = "; ".join(f"{who} ({', '.join(names)})" for who, names in reasons.items())
    note = f"{DASH} is not defined: {note}" if note else ""
    return Table("All arms", ("figure", "unit", *(arm.name for arm in arms)), tuple(rows), 2, note)


def differences(comparison: Comparison) -> Table:
    """Who beats whom, and how sure that is."""
    token = comparison.arms[0].result.token
    rows = tuple(
        (one.arm, one.against, _sure(one.low, one.high), signed(one.gain), signed(one.low), signed(one.high))
        for one in comparison.differences
    )
    sure = f"{comparison.confidence:.0%}"
    columns = ("arm", "against", "more than luck?", f"gain, {token}", f"{sure} interval from, {token}", f"to, {token}")
    note = (
        f"Gains over the same {span(comparison.block_s)} blocks are subtracted from each other; the interval is a studentised block "
        "bootstrap of these differences. An interval that holds zero may be luck."
    )
    return Table("Differences", columns, rows, 3, note)


def _sure(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "too short"
    return "yes" if low > 0 else "yes, worse" if high < 0 else "no difference" if low == high == 0 else "not shown"


def by_route(arm: Arm) -> Table:
    """Attempts by first and last venue."""
    groups = arm.result.trades.groupby(["buy_venue", "sell_venue"], sort=True)
    rows = sorted(((f"{buy} → {sell}", part) for (buy, sell), part in groups), key=lambda row: -float(row[1]["net_profit"].sum()))
    return _grouped("By venue: where the route begins and ends", "route", rows, arm.result.token)


def by_hour(arm: Arm) -> Table:
    """Attempts by hour of the day of the decision."""
    hours = hour_of(arm.result.trades)
    rows = [(f"{hour:02d}:00", arm.result.trades[hours == hour]) for hour in sorted(set(hours.tolist()))]
    return _grouped("By hour of the day of the decision", "hour, UTC", rows, arm.result.token)


def hour_of(trades: pd.DataFrame) -> Any:
    """Return (n,) hour of the day of each decision, UTC, 0 to 23."""
    return (trades["decided_ms"].to_numpy(np.int64) // 3_600_000) % 24


def _grouped(title: str, first: str, groups: Sequence[tuple[str, pd.DataFrame]], token: str) -> Table:
    rows = []
    for name, part in groups:
        n, won = len(part), int((part["result"] == "success").sum())
        low, high = win_rate_interval(won, n)
        money_of = [money(float(part[column].sum())) for column in ("gross_profit", "gas_cost")]
        net = float(part["net_profit"].sum())
        ends = f"{percent(low, 0)} to {percent(high, 0)}"
        rows.append((name, number(n), percent(won / n), ends, *money_of, signed(net), signed(net / n)))
    columns = (first, "attempts", "win rate, %", "95 % interval, %", f"gross, {token}", f"gas, {token}", f"net, {token}",
               f"net per attempt, {token}")  # fmt: skip
    return Table(title, columns, tuple(rows))


def decisions(arm: Arm) -> Table:
    """What was decided how often, and the reason that decided."""
    assert arm.mix is not None
    total = arm.mix.looked_at or 1
    rows = tuple((what, why, MEANINGS.get(why, DASH), number(n), percent(n / total)) for what, why, n in arm.mix.reasons)
    note = (
        f"{number(arm.mix.wanted)} of {number(arm.mix.looked_at)} looked at were wanted; an opportunity that stands for several moments "
        "counts at each."
    )
    columns = ("recommendation", "reason", "meaning", "opportunities", "share, %")
    return Table("Decisions and the reason that decided", columns, rows, 3, note)


def fate_of_orders(arm: Arm) -> Table:
    """What became of what the bot wanted sent."""
    rows = tuple((name.replace("_", " "), number(n)) for name, n in arm.result.counts.items())
    return Table("What became of the orders", ("orders", "count"), rows, 1, "dropped orders were never sent and cost nothing")


def trainings(arm: Arm) -> Table:
    """Who was trained when, and whether it serves."""
    rows = tuple(
        (moment(one.due_ms), one.kind, "yes" if one.promoted else "no", one.serves, one.reason, number(one.rows), f"{one.seconds:.1f}")
        for one in arm.trainings
    )
    columns = ("due, UTC", "model", "promoted", "serves from then on", "why", "rows", "took, s")
    return Table("Who answers from when on, by trainings on what was known then", columns, rows, 5)


def trades(arm: Arm) -> Table:
    """The first attempts, one by one."""
    frame, token = arm.result.trades, arm.result.token
    shown = frame.head(SHOWN_TRADES)
    rows = tuple(
        (
            moment(int(one.decided_ms)),
            str(one.route),
            str(one.result) + (" (competitor)" if one.competed else ""),
            money(one.amount_in),
            percent(one.success_probability),
            *(money(value) for value in (one.expected_profit, one.expected_net, one.gross_profit, one.fee_cost, one.slippage_cost)),
            money(one.gas_cost),
            signed(one.net_profit),
        )
        for one in shown.itertuples(index=False)
    )
    columns = ("decided, UTC", "route", "result", f"amount, {token}", "success given, %", f"expected by ML, {token}", f"promised, {token}",
               f"gross, {token}", f"fees, {token}", f"slippage, {token}", f"gas, {token}", f"net, {token}")  # fmt: skip
    rest = len(frame) - len(shown)
    note = f"the first {len(shown)} of {len(frame):,} attempts; the other {rest:,} are in the ledger" if rest > 0 else ""
    return Table("Attempts", columns, rows, 3, note)


def assumptions(settings: Mapping[str, Any]) -> Table:
    """Every setting with its unit."""
    return Table("Settings", ("setting", "value", "unit", "meaning"), tuple(explained(settings)), 4)


def meanings(token: str) -> Table:
    """How to read the figures."""
    rows = tuple((figure.label, unit_of(figure.name, token), figure.meaning) for figure in FIGURES)
    return Table("How to read the figures", ("figure", "unit", "meaning"), rows, 3)
