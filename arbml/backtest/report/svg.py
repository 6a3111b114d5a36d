"""A few shapes of inline SVG. Colours and fonts are those of the page's style sheet, so that light, dark and print all work."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTH = 760
SERIES = 6  # colours of the style sheet


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale: values from `low` to `high` lie on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, rounded to a tenth."""
        reach = self.high - self.low
        part = (value - self.low) / reach if reach else 0.5
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self, wished: int = 5) -> list[float]:
        """Return round values inside the scale.

        >>> Axis(0.0, 97.0, 0, 1).ticks()
        [0.0, 20.0, 40.0, 60.0, 80.0]
        """
        return nice_ticks(self.low, self.high, wished)


def nice_ticks(low: float, high: float, wished: int = 5) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten, about as many as wished.

    >>> nice_ticks(-1.0, 1.0, 4)
    [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / max(1, wished)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def padded(values: Iterable[float], zero: bool = True) -> tuple[float, float]:
    """Return the range of values with some room, and zero in it.

    >>> padded([]), padded([5.0, 5.0])
    ((-1.0, 1.0), (0.0, 5.25))
    """
    found = [v for v in values if math.isfinite(v)] + ([0.0] if zero else [])
    low, high = (min(found), max(found)) if found else (0.0, 0.0)
    if low == high:
        return low - 1.0, high + 1.0
    room = 0.05 * (high - low)
    return (low - room if low < 0 else low), (high + room if high > 0 else high)


def label(value: float) -> str:
    """Return a tick's text.

    >>> label(0.0), label(-2500.0), label(0.25)
    ('0', '-2,500', '0.25')
    """
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    """Return a line of text, escaped."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{css}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, css: str = "grid") -> str:
    """Return a straight line."""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{css}"/>'


def rect(x: float, y: float, width: float, height: float, css: str, hint: str = "") -> str:
    """Return a bar; `hint` is shown under the pointer."""
    shape = f'<rect x="{x:g}" y="{y:g}" width="{max(width, 0):g}" height="{max(height, 0):g}" class="{css}"'
    return f"{shape}><title>{escape(hint)}</title></rect>" if hint else f"{shape}/>"


def dot(x: float, y: float, radius: float, css: str, hint: str = "") -> str:
    """Return a point; `hint` is shown under the pointer."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{css}"><title>{escape(hint)}</title></circle>'


def steps(x: Sequence[float], y: Sequence[float], css: str) -> str:
    """Return a line that stays until the next value; pixels."""
    if not len(x):
        return ""
    path = [f"M{x[0]:g} {y[0]:g}"]
    for i in range(1, len(x)):
        path.append(f"H{x[i]:g}")
        if y[i] != y[i - 1]:
            path.append(f"V{y[i]:g}")
    return f'<path d="{"".join(path)}" class="line {css.strip()}"/>'


def drawing(height: int, words: str, shapes: Iterable[str]) -> str:
    """Return a whole drawing of the page's width; `words` is what a screen reader says."""
    body = "".join(shapes)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(words)}">{body}</svg>'


def thinned(x: Floats, y: Floats, limit: int = 400) -> tuple[Floats, Floats]:
    """Return a curve of steps with few points: of each of `limit` stretches the first, lowest, highest and last value.

    >>> xs, ys = thinned(np.arange(10_000.0), np.sin(np.arange(10_000.0)))
    >>> len(xs) <= 1600, float(ys.max()) > 0.999
    (True, True)
    """
    if len(x) <= 4 * limit:
        return x, y
    edges = np.linspace(0, len(x), limit + 1).astype(int)
    kept: set[int] = set()
    for a, b in pairwise(edges.tolist()):
        kept |= {a, b - 1, a + int(np.argmin(y[a:b])), a + int(np.argmax(y[a:b]))}
    rows = np.array(sorted(kept))
    return x[rows], y[rows]
