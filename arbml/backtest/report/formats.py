"""Numbers as people read them. What does not exist is a dash, never "nan"."""

import math
from datetime import UTC, datetime

DASH = "–"


def money(value: float | None) -> str:
    """Two decimals and thousands, more decimals where a small amount needs them.

    >>> money(1234.5), money(0.00012), money(-0.0), money(None)
    ('1,234.50', '0.00012', '0.00', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0.0:
        return "0.00"
    if abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:,.2f}"


def signed(value: float | None) -> str:
    """As money, with its sign.

    >>> signed(3.0), signed(-2.5), signed(0.0)
    ('+3.00', '-2.50', '0.00')
    """
    text = money(value)
    return f"+{text}" if value is not None and math.isfinite(value) and value > 0 else text


def percent(share: float | None, digits: int = 1) -> str:
    """A share times 100, without the sign of percent, which belongs to the unit.

    >>> percent(0.1234), percent(None)
    ('12.3', '–')
    """
    return DASH if share is None or not math.isfinite(share) else f"{100 * share:.{digits}f}"


def number(value: float | int | None) -> str:
    """Whole numbers with thousands, others to four figures.

    >>> number(12345), number(17432.7), number(3.14159), number(math.nan)
    ('12,345', '17,433', '3.142', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    if (float(value).is_integer() or abs(value) >= 1e4) and abs(value) < 1e15:
        return f"{round(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def moment(ts_ms: int) -> str:
    """UTC to the second.

    >>> moment(1704412823000)
    '2024-01-05 00:00:23'
    """
    return datetime.fromtimestamp(ts_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float | None) -> str:
    """A length of time in the unit that fits.

    >>> span(6.2), span(600), span(50_400), span(12 * 86_400), span(0)
    ('6.2 s', '10 min', '14 h', '12 days', '0 s')
    """
    if seconds is None or not math.isfinite(seconds):
        return DASH
    for size, name in ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"


def value_of(name: str, unit: str, value: float | int | None) -> str:
    """A figure of `arbml.backtest.figures` as its unit wants it.

    >>> value_of("win_rate", "%", 0.5), value_of("gas", "USDC", 3.0)
    ('50.0', '3.00')
    """
    if value is None:
        return DASH
    if unit.startswith("%"):
        return percent(value, 3 if name in ("return_on_capital", "max_drawdown_share") else 1)
    if unit in ("transactions", "trials", "blocks"):
        return number(value)
    if unit in ("s", "ratio", "probability^2", "x capital", "ratio per root year"):
        return number(value)
    return money(value)
