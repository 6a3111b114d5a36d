"""The drawings of the report: equity, drawdown, where the money went, reliability, decisions, hours of the day."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from arbml.backtest.comparison import Arm
from arbml.backtest.drawdown import below_peak
from arbml.backtest.metrics import Metrics, win_rate_interval
from arbml.backtest.report.formats import money, number, percent, signed
from arbml.backtest.report.model import Chart
from arbml.backtest.report.svg import SERIES, WIDTH, Axis, dot, drawing, label, line, padded, rect, steps, text, thinned
from arbml.evaluation.calibration import Reliability

LEFT, RIGHT, TOP, BOTTOM = 78, 16, 14, 36
STEPS_H = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 1440, 2880)


def equity_chart(arms: Sequence[Arm]) -> Chart:
    """Gain of every arm since the start."""
    curves = [(arm.name, arm.result.equity["ts_ms"].to_numpy(np.float64), _gains(arm)) for arm in arms]
    token = arms[0].result.token
    said = "; ".join(f"{name} {signed(float(gain[-1]))} {token}" for name, _, gain in curves)
    title = f"Equity since the start, {token} (time in UTC)"
    return _over_time(title, curves, arms[0], f"At the end: {said}.", 300)


def drawdown_chart(arms: Sequence[Arm]) -> Chart:
    """How far every arm is below its best so far."""
    curves = [(arm.name, arm.result.equity["ts_ms"].to_numpy(np.float64), -below_peak(_gains(arm))) for arm in arms]
    token = arms[0].result.token
    said = "; ".join(f"{name} {money(-float(fall.min()))} {token}" for name, _, fall in curves)
    return _over_time(f"Drawdown: below the best so far, {token} (time in UTC)", curves, arms[0], f"Deepest: {said}.", 190, "thin")


def _gains(arm: Arm) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = arm.result.equity["equity"].to_numpy(np.float64)
    return values - values[0]


def _over_time(title: str, curves: Sequence[tuple[str, object, object]], first: Arm, words: str, height: int, css: str = "") -> Chart:
    start_ms, end_ms = first.result.start_ms, max(first.result.end_ms, first.result.start_ms + 1)
    across = Axis(start_ms, end_ms, LEFT, WIDTH - RIGHT)
    low, high = padded([float(v) for _, _, y in curves for v in (np.min(y), np.max(y))])  # type: ignore[call-overload]
    up = Axis(low, high, height - BOTTOM, TOP)
    shapes = _grid(up, height) + _times(across, height)
    drawn: dict[bytes, int] = {}
    legend: list[tuple[str, int]] = []
    for name, x, y in curves:
        key = np.asarray(x).tobytes() + np.asarray(y).tobytes()
        if key in drawn:  # one line would hide the other
            legend[drawn[key]] = (f"{legend[drawn[key]][0]} = {name}", legend[drawn[key]][1])
            continue
        drawn[key] = len(legend)
        number = len(legend) % SERIES
        legend.append((name, number))
        xs, ys = thinned(np.asarray(x, np.float64), np.asarray(y, np.float64))
        shapes.append(steps([across(min(v, end_ms)) for v in xs.tolist()], [up(v) for v in ys.tolist()], f"s{number} {css}"))
    return Chart(title, drawing(height, f"{title}. {words}", shapes), words, tuple(legend))


def _grid(up: Axis, height: int) -> list[str]:
    shapes = []
    for value in up.ticks():
        shapes += [line(LEFT, up(value), WIDTH - RIGHT, up(value), "zero" if value == 0 else "grid")]
        shapes += [text(LEFT - 8, up(value) + 4, label(value), "tick", "end")]
    return [*shapes, line(LEFT, TOP, LEFT, height - BOTTOM, "zero")]


def _times(across: Axis, height: int) -> list[str]:
    hours = (across.high - across.low) / 3_600_000
    step_ms = next((h for h in STEPS_H if hours / h <= 8), STEPS_H[-1]) * 3_600_000
    shapes, last_day = [], ""
    value = -(-across.low // step_ms) * step_ms
    while value <= across.high:
        at, x = datetime.fromtimestamp(value / 1000, tz=UTC), across(value)
        day = at.strftime("%b %d")
        shapes += [line(x, height - BOTTOM, x, height - BOTTOM + 4, "zero")]
        shapes += [text(x, height - BOTTOM + 17, at.strftime("%H:%M") if step_ms < 86_400_000 else day, "tick", "middle")]
        if day != last_day and step_ms < 86_400_000:
            shapes.append(text(x, height - BOTTOM + 31, day, "tick", "middle"))
        last_day = day
        value += step_ms
    return shapes


def waterfall_chart(name: str, found: Metrics) -> Chart:
    """From the gross profit to the net one, each cost a step down."""
    parts = [
        ("gross", found.gross_profit), ("fees", -found.fees), ("slippage", -found.slippage),
        ("gas, successes", -(found.gas - found.gas_on_reverts)), ("gas, reverts", -found.gas_on_reverts),
    ]  # fmt: skip
    if found.other_costs:
        parts.append(("other", -found.other_costs))
    levels = np.cumsum([0.0, *(change for _, change in parts)])
    height = 260
    up = Axis(*padded([*levels.tolist(), found.net_profit]), height - BOTTOM, TOP + 14)
    slot = (WIDTH - LEFT - RIGHT) / (len(parts) + 1)
    shapes = _grid(up, height)
    bars = [(what, float(levels[i]), float(levels[i + 1]), change) for i, (what, change) in enumerate(parts)]
    for i, (what, begin, end, change) in enumerate([*bars, ("net", 0.0, found.net_profit, found.net_profit)]):
        x = LEFT + i * slot + 0.14 * slot
        css = "net" if what == "net" else "gain" if change >= 0 else "loss"
        top, foot = up(max(begin, end)), up(min(begin, end))
        shapes.append(rect(x, top, 0.72 * slot, max(1.0, foot - top), css, f"{what}: {signed(change)} {found.token}"))
        shapes.append(text(x + 0.36 * slot, top - 5, signed(change), "value", "middle"))
        shapes.append(text(x + 0.36 * slot, height - BOTTOM + 18, what, "tick", "middle"))
    words = ", ".join(f"{what} {signed(change)}" for what, change in parts) + f", net {signed(found.net_profit)} {found.token}."
    title = f"From gross to net profit of {name}, {found.token}"
    return Chart(title, drawing(height, f"{title}: {words}", shapes), words)


def reliability_chart(table: Reliability, brier: float) -> Chart:
    """Of those given probability p, how many succeeded; the size of a point is how many there were."""
    height, side = 320, 262
    across, up = Axis(0, 1, LEFT, LEFT + side), Axis(0, 1, height - BOTTOM - 8, TOP)
    shapes = []
    for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        shapes += [line(LEFT, up(value), LEFT + side, up(value)), line(across(value), up(0), across(value), up(1))]
        shapes += [text(LEFT - 8, up(value) + 4, f"{100 * value:.0f}", "tick", "end")]
        shapes += [text(across(value), up(0) + 17, f"{100 * value:.0f}", "tick", "middle")]
    shapes += [line(across(0), up(0), across(1), up(1), "ideal"), text(LEFT, TOP - 1, "succeeded, %", "tick")]
    shapes.append(text(LEFT + side / 2, height - 6, "probability given, %", "tick", "middle"))
    rows = list(zip(table.predicted.tolist(), table.observed.tolist(), table.counts.tolist(), strict=True))
    most = max(table.counts.tolist())
    for p, observed, n in rows:
        low, high = win_rate_interval(round(observed * n), n)
        hint = f"{n} attempts given {percent(p)} %: {percent(observed)} % succeeded, 95 % interval {percent(low)} to {percent(high)} %"
        shapes.append(line(across(p), up(low), across(p), up(high), "whisker s0"))
        shapes.append(dot(across(p), up(observed), 3 + 5 * (n / most) ** 0.5, "s0", hint))
    shapes += _counts(rows, most, LEFT + side + 70, height)
    words = (
        f"Mean gap between given and observed {percent(table.error)} percentage points, Brier score {brier:.3f} probability^2, "
        f"{int(table.counts.sum())} attempts."
    )
    return Chart("Reliability: of those given a probability, how many succeeded", drawing(height, words, shapes), words)


def _counts(rows: Sequence[tuple[float, float, int]], most: int, left: float, height: int) -> list[str]:
    """Bars of how many attempts are in each bin, beside the diagram."""
    shapes = [text(left, TOP - 1, "attempts in each bin (mean probability given, %)", "tick")]
    room = min(30.0, (height - TOP - BOTTOM) / max(1, len(rows)))
    for i, (p, _, n) in enumerate(rows):
        y = TOP + 8 + i * room
        shapes += [text(left + 34, y + room / 2 + 4, percent(p), "tick", "end")]
        shapes += [rect(left + 42, y + room * 0.15, 210 * n / most, room * 0.7, "s0", f"{n} attempts")]
        shapes += [text(left + 48 + 210 * n / most, y + room / 2 + 4, number(n), "tick")]
    return shapes


def share_bar(parts: Sequence[tuple[str, int]], title: str, unit: str) -> Chart:
    """One bar cut into shares."""
    total = sum(n for _, n in parts) or 1
    x, shapes, height = 0.0, [], 58
    for i, (name, n) in enumerate(parts):
        width = WIDTH * n / total
        shapes.append(rect(x, 6, max(0.0, width - 1), 30, f"s{i % SERIES} fill", f"{name}: {n:,} {unit}, {percent(n / total)} %"))
        if width > 90:
            shapes.append(text(x + 4, 52, f"{name} {percent(n / total)} %", "tick"))
        x += width
    words = ", ".join(f"{name} {n:,} ({percent(n / total)} %)" for name, n in parts) + f" of {total:,} {unit}."
    return Chart(title, drawing(height, f"{title}: {words}", shapes), words, tuple((name, i % SERIES) for i, (name, _) in enumerate(parts)))


def hours_chart(profits: Sequence[float], counts: Sequence[int], token: str) -> Chart:
    """Net profit of the 24 hours of the day."""
    height = 200
    up = Axis(*padded(profits), height - BOTTOM, TOP)
    slot = (WIDTH - LEFT - RIGHT) / 24
    shapes = _grid(up, height)
    for hour, (profit, n) in enumerate(zip(profits, counts, strict=True)):
        top, foot = up(max(profit, 0.0)), up(min(profit, 0.0))
        hint = f"{hour:02d}:00 UTC: {signed(profit)} {token}, {n} attempts"
        shapes.append(rect(LEFT + (hour + 0.15) * slot, top, 0.7 * slot, foot - top, "gain" if profit >= 0 else "loss", hint))
        if hour % 2 == 0:
            shapes.append(text(LEFT + (hour + 0.5) * slot, height - BOTTOM + 18, f"{hour:02d}", "tick", "middle"))
    best = int(np.argmax(profits))
    words = f"Best hour {best:02d}:00 UTC with {signed(profits[best])} {token}."
    title = f"Net profit by hour of the day of the decision (UTC), {token}"
    return Chart(title, drawing(height, f"{title}. {words}", shapes), words)
