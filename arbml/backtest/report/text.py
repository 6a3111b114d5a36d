"""The report as plain text, for terminals and mails."""

import textwrap

from arbml.backtest.report.model import Chart, Content, Table

WIDTH = 110


def text_of(content: Content) -> str:
    """Return the report as text; charts are told in words."""
    lines = [content.title, "=" * len(content.title), *_wrapped(content.subtitle), "", *_wrapped(content.headline), ""]
    lines += [f"  {tile.label}: {tile.value} {tile.unit}" + (f" ({tile.hint})" if tile.hint else "") for tile in content.tiles]
    for section in content.sections:
        lines += ["", section.title, "-" * len(section.title)]
        for sentence in section.sentences:
            lines += _wrapped(f"* {sentence}", "  ")
        for part in section.parts:
            lines += ["", *(_table(part) if isinstance(part, Table) else _chart(part))]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _table(table: Table) -> list[str]:
    widths = [max(len(row[i]) for row in (table.columns, *table.rows)) for i in range(len(table.columns))]
    lines = [table.title]
    for row in (table.columns, *table.rows):
        padded = [cell.ljust(w) if i < table.left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  " + "  ".join(padded))
    return lines + (_wrapped(f"({table.note})", "  ") if table.note else [])


def _chart(chart: Chart) -> list[str]:
    return _wrapped(f"{chart.title}: {chart.words}")


def _wrapped(words: str, indent: str = "") -> list[str]:
    return textwrap.wrap(words, WIDTH, subsequent_indent=indent) or [""]
