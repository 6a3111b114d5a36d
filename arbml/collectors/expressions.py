"""One value of a column map: a column of the file, scaled and shifted, or a constant.

    EXPRESSION = COLUMN [(* | /) NUMBER] [(+ | -) NUMBER]  |  NUMBER  |  'TEXT'  |  null

A column name with spaces, signs or quotes stands in backticks.
"""

import re
from dataclasses import dataclass

from arbml.errors import ConfigError

Number = int | float

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_COLUMN = re.compile(
    rf"""^(?:`(?P<quoted>[^`]+)`|(?P<bare>[^\W\d][^\s'"`,*/+]*?))
    \s*(?:(?P<scale>[*/])\s*(?P<by>{_NUMBER}))?
    \s*(?:(?P<shift>[+-])\s*(?P<amount>{_NUMBER}))?$""",
    re.VERBOSE,
)
_CONSTANT = re.compile(rf"^(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<number>[+-]?{_NUMBER}))$")


@dataclass(frozen=True, slots=True)
class Expression:
    """`column * times / over + plus`, or `constant` where `column` is None. Whole numbers stay whole."""

    column: str | None = None
    constant: str | Number | None = None
    times: Number = 1
    over: Number = 1
    plus: Number = 0

    @property
    def changes(self) -> bool:
        """True where the column is scaled or shifted."""
        return (self.times, self.over, self.plus) != (1, 1, 0)


def parse_expression(text: str | Number) -> Expression:
    """Read one value of a column map.

    >>> parse_expression("ts*1000")
    Expression(column='ts', constant=None, times=1000, over=1, plus=0)
    >>> parse_expression("`my close`").column, parse_expression("'uniswap'").constant, parse_expression(5).constant
    ('my close', 'uniswap', 5)

    Raises:
        ConfigError: the text is none of the forms above.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ConfigError(f"column map: {text!r} is neither text nor a number; write \"'text'\" for a constant, or a column's name")
    if not isinstance(text, str):
        return Expression(constant=text)
    text = text.strip()
    if text == "null":
        return Expression()
    constant = _CONSTANT.match(text)
    if constant:
        number = constant["number"]
        return Expression(constant=_number(number) if number is not None else constant["single"] or constant["double"] or "")
    found = _COLUMN.match(text)
    if not found:
        raise ConfigError(f"column map: cannot read {text!r}; write a column's name, name*1000, name/1000, name+60000, 'text' or a number")
    by, amount = _number(found["by"] or "1"), _number(found["amount"] or "0")
    if by == 0:
        raise ConfigError(f"column map: {text!r} multiplies or divides by zero")
    return Expression(
        column=found["quoted"] or found["bare"],
        times=by if found["scale"] == "*" else 1,
        over=by if found["scale"] == "/" else 1,
        plus=-amount if found["shift"] == "-" else amount,
    )


def _number(text: str) -> Number:
    try:
        return int(text)
    except ValueError:
        return float(text)
