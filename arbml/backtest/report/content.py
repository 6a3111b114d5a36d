"""What the report says, from the comparison: a headline, the figures that matter, then everything else."""

from arbml.backtest.comparison import Arm, Comparison, Difference
from arbml.backtest.metrics import judged_by_model, reliability_of
from arbml.backtest.report import charts, tables
from arbml.backtest.report.formats import moment, money, number, percent, signed, span
from arbml.backtest.report.model import Chart, Content, Section, Table, Tile

FEW_JUDGED = 5  # attempts; fewer make no diagram


def content_of(comparison: Comparison, title: str = "") -> Content:
    """Return the whole report.

    Args:
        comparison: of one arm or more.
        title: for people, e.g. where the ticks come from.
    """
    arm = main_arm(comparison)
    result = arm.result
    hours = span((result.end_ms - result.start_ms) / 1000)
    subtitle = (
        f"{moment(result.start_ms)} to {moment(result.end_ms)} UTC ({hours}), {number(result.n_ticks)} ticks, "
        f"{number(result.n_moments)} moments, capital {money(result.capital)} {result.token}"
    )
    sections = (
        _compared(comparison),
        _over_time(comparison),
        _costs(arm),
        _decided(arm),
        _calibrated(arm),
        _where_and_when(arm),
        _learnt(arm),
        Section("Every figure", (), (tables.all_figures(comparison.arms), tables.meanings(result.token))),
        Section("Attempts", (), (tables.trades(arm),) if len(result.trades) else ()),
        _assumed(comparison),
    )
    kept = tuple(section for section in sections if section.sentences or section.parts)
    return Content(title or f"Backtest of {arm.name}", subtitle, headline(comparison), _tiles(arm), kept)


def main_arm(comparison: Comparison) -> Arm:
    """Return the arm that the report is about: ML, otherwise the first."""
    return comparison.arm("ml") or comparison.arms[0]


def headline(comparison: Comparison) -> str:
    """Say in a sentence what came of it."""
    arm = main_arm(comparison)
    found, token = arm.metrics, arm.result.token
    hours = span((arm.result.end_ms - arm.result.start_ms) / 1000)
    if not found.attempts:
        sent = arm.mix.looked_at if arm.mix else 0
        looked = f": it looked at {number(sent)} opportunities and found none worth sending" if sent else ""
        said = f"In {hours} {arm.name} sent nothing{looked}."
    else:
        made = "made" if found.net_profit >= 0 else "lost"
        said = (
            f"In {hours} {arm.name} {made} {money(abs(found.net_profit))} {token} after fees, price impact and gas, with "
            f"{number(found.attempts)} attempts of which {number(found.successes)} ({percent(found.win_rate)} %) succeeded."
        )
    rule = comparison.arm("rule")
    first = next((one for one in comparison.differences if rule and (one.arm, one.against) == (arm.name, rule.name)), None)
    tuned = comparison.arm("tuned")
    rival = f" The rule above a floor tuned on the past, without ML, made {money(tuned.metrics.net_profit)} {token}." if tuned else ""
    return f"{said} {_beside_rule(first, arm)}{rival}" if first else said


def _beside_rule(one: Difference, arm: Arm) -> str:
    """Say what the rule alone would have made of it, and whether the difference is more than luck."""
    token = arm.result.token
    if one.gain == 0.0:
        idle = not any(training.kind == "scorer" and training.promoted for training in arm.trainings)
        return f"{one.against} gained the same" + (": no scorer had won its gate, so that the rule decided." if idle else ".")
    more = f"That is {money(abs(one.gain))} {token} {'more' if one.gain > 0 else 'less'} than {one.against} on the same ticks"
    if one.low is None or one.high is None:
        return f"{more}; the period is too short to tell it from luck."
    between = f"between {signed(one.low)} and {signed(one.high)} {token} with 95 % confidence"
    if one.low > 0 or one.high < 0:
        return f"{more}, {between}: more than luck."
    return f"{more}, {between}: it may be luck."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tiles(arm: Arm) -> tuple[Tile, ...]:
    found, token = arm.metrics, arm.result.token
    ends = percent(found.win_rate_low, 0), percent(found.win_rate_high, 0)
    interval = "" if found.win_rate is None else f"95 % interval {ends[0]} to {ends[1]} %"
    chance = "chance that the true one is above zero"
    chance += f", best of {found.trials} trials" if found.trials > 1 else "; one trial stated, nothing deflated"
    deflated = found.why.get("deflated_sharpe", chance)
    return (
        Tile("net profit", signed(found.net_profit), token, f"{percent(found.return_on_capital, 3)} % of the capital"),
        Tile("win rate", percent(found.win_rate), "%", interval),
        Tile("largest drawdown", money(found.max_drawdown), token, f"{percent(found.max_drawdown_share, 3)} % of the peak"),
        Tile("gas on reverts", money(found.gas_on_reverts), token, f"of {money(found.gas)} {token} gas in all"),
        Tile("Sharpe, annualised", number(found.sharpe), "per √year", f"from {number(found.blocks)} blocks of {span(found.block_s)}"),
        Tile("deflated Sharpe", percent(found.deflated_sharpe), "%", deflated),
    )


def _compared(comparison: Comparison) -> Section:
    sentences = tuple(f"{_capital(one)}." for one in comparison.verdict) if len(comparison.arms) > 1 else ()
    table = (tables.differences(comparison),) if comparison.differences else ()
    if len(comparison.arms) == 1:
        return Section("")
    return Section("Is it better?", sentences, (*table, tables.key_figures(comparison.arms)))


def _over_time(comparison: Comparison) -> Section:
    return Section("Over time", (), (charts.equity_chart(comparison.arms), charts.drawdown_chart(comparison.arms)))


def _costs(arm: Arm) -> Section:
    if not arm.metrics.attempts:
        return Section("")
    return Section("Where the money went", (), (charts.waterfall_chart(arm.name, arm.metrics),))


def _decided(arm: Arm) -> Section:
    parts: list[Table | Chart] = []
    if arm.mix is not None and arm.mix.looked_at:
        shares = sorted(arm.mix.recommended.items(), key=lambda one: -one[1])
        parts += [charts.share_bar(shares, f"What {arm.name} recommended", "opportunities"), tables.decisions(arm)]
    if arm.result.counts:
        parts.append(tables.fate_of_orders(arm))
    return Section("Decisions", (), tuple(parts))


def _calibrated(arm: Arm) -> Section:
    found, token = arm.metrics, arm.result.token
    if not found.judged:
        return Section("")
    sentences = (
        f"On {number(found.judged)} attempts judged by models these expected {signed(found.expected_profit)} {token} in sum and "
        f"{signed(found.realised_profit)} {token} came; the finder had promised {signed(found.promised_profit)} {token}.",
        "Only what was sent shows here: the probabilities of what was left alone cannot be checked.",
    )
    if found.judged < FEW_JUDGED or found.brier is None:
        return Section("Were the probabilities right?", sentences)
    table = reliability_of(judged_by_model(arm.result.trades))
    return Section("Were the probabilities right?", sentences, (charts.reliability_chart(table, found.brier),))


def _where_and_when(arm: Arm) -> Section:
    trades = arm.result.trades
    if trades.empty:
        return Section("")
    hours = tables.hour_of(trades)
    net = trades["net_profit"].to_numpy(float)
    profits = [float(net[hours == hour].sum()) for hour in range(24)]
    counts = [int((hours == hour).sum()) for hour in range(24)]
    return Section(
        "Where and when", (), (tables.by_route(arm), charts.hours_chart(profits, counts, arm.result.token), tables.by_hour(arm))
    )


def _learnt(arm: Arm) -> Section:
    return Section("Models", (), (tables.trainings(arm),)) if arm.trainings else Section("")


def notes_of(comparison: Comparison) -> tuple[str, ...]:
    """Return all notes, each once; what is not true of all arms says of which."""
    of: dict[str, list[str]] = {}
    for arm in comparison.arms:
        for note in (*arm.result.notes, *arm.notes):
            of.setdefault(note, []).append(arm.name)
    return tuple(note if len(names) == len(comparison.arms) else f"{', '.join(names)}: {note}" for note, names in of.items())


def _assumed(comparison: Comparison) -> Section:
    notes, arm = notes_of(comparison), main_arm(comparison)
    sentences = tuple(f"{_capital(note)}." if not note.endswith(".") else _capital(note) for note in notes)
    return Section("Assumptions and notes", sentences, (tables.assumptions(arm.result.settings),))
