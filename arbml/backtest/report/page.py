"""The report as one HTML page that needs nothing else: no script, no font, no address."""

from html import escape
from importlib import resources

from arbml.backtest.report.model import Chart, Content, Section, Table


def html_of(content: Content) -> str:
    """Return the page. Everything that came from data is escaped."""
    style = resources.files("arbml.backtest.report").joinpath("style.css").read_text(encoding="utf-8")
    tiles = "".join(
        f'<div class="tile"><div class="name">{escape(tile.label)}</div><div class="figure">{escape(tile.value)} '
        f'<span class="unit">{escape(tile.unit)}</span></div><div class="hint">{escape(tile.hint)}</div></div>'
        for tile in content.tiles
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(content.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(content.title)}</h1>\n<p class=\"subtitle\">{escape(content.subtitle)}</p>\n"
        f'<p class="headline">{escape(content.headline)}</p>\n<div class="tiles">{tiles}</div>\n'
        + "".join(_section(section) for section in content.sections)
        + "</main>\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in section.sentences)
    parts = "".join(_table(part) if isinstance(part, Table) else _chart(part) for part in section.parts)
    return f"<section>\n<h2>{escape(section.title)}</h2>\n" + (f"<ul>{said}</ul>\n" if said else "") + f"{parts}</section>\n"


def _table(table: Table) -> str:
    sides = ["" if i < table.left else ' class="n"' for i in range(len(table.columns))]
    head = "".join(f"<th{side}>{escape(name)}</th>" for name, side in zip(table.columns, sides, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{side}>{escape(cell)}</td>" for cell, side in zip(row, sides, strict=True)) + "</tr>\n" for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>\n' if table.note else ""
    return (
        f'<h3>{escape(table.title)}</h3>\n<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n'
        f"</table></div>\n{note}"
    )


def _chart(chart: Chart) -> str:
    legend = "".join(f'<span class="key"><span class="swatch s{i}"></span>{escape(name)}</span>' for name, i in chart.legend)
    shown = f'<div class="legend">{legend}</div>' if len(chart.legend) > 1 else ""
    return (
        f"<figure>\n<h3>{escape(chart.title)}</h3>{shown}\n<div class=\"wide\">{chart.svg}</div>\n"
        f"<figcaption>{escape(chart.words)}</figcaption>\n</figure>\n"
    )
