"""What a report is made of, whatever it is written as: sections with sentences, tables and charts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as they are shown. The first `left` columns are words, the others numbers.

    Attributes:
        title: what it shows.
        columns: names with units.
        rows: as many cells as columns each.
        left: columns to align to the left.
        note: what was left out, or how to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing; `words` says the same to whoever cannot see it, and in the text report.

    Attributes:
        title: what it shows, with units.
        svg: inline SVG, already escaped.
        words: one sentence with the figures that matter.
        legend: label and number of the colour of each series.
    """

    title: str
    svg: str
    words: str
    legend: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report."""

    title: str
    sentences: tuple[str, ...] = ()
    parts: tuple[Table | Chart, ...] = ()


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the few figures at the top."""

    label: str
    value: str
    unit: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The whole report."""

    title: str
    subtitle: str
    headline: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
