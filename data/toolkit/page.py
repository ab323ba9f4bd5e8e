"""Self-contained HTML pages: text, tables, pictures and live charts in one file that can be mailed.

Styles and scripts lie beside as files (`data/web`) and are copied into each page; a page loads nothing, and says so to
the browser, which then refuses to load anything on its behalf.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


class Series(TypedDict):
    """One line, or one cloud of dots, of a chart.

    Attributes:
        name: As the legend calls it.
        x, y: Its points, by rising x; y may be None where nothing was measured.
        low, high: Edges of a band around it.
        dots: Draw dots and no line.
        bars: Draw `low` and `high` as bars through each point, and not as a band.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: NotRequired[Sequence[float]]
    high: NotRequired[Sequence[float]]
    dots: NotRequired[bool]
    bars: NotRequired[bool]


class Chart(TypedDict):
    """A chart, to be drawn by the page itself.

    Attributes:
        title: What is shown.
        x, y: What the axes measure.
        series: The lines.
        level: A height to compare with, as a dashed line, and
        level_name: what it is.
        low, high: Where the y axis must begin and end at least.
        small: Whether it is one of many that are compared.
        log: Whether the x axis, whose values are then above 0, is logarithmic.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    level: NotRequired[float]
    level_name: NotRequired[str]
    low: NotRequired[float]
    high: NotRequired[float]
    small: NotRequired[bool]
    log: NotRequired[bool]


class Estimate(NamedTuple):
    """A share with its interval, all between 0 and 1.

    Attributes:
        name: What it is of.
        value: The share; NaN where there is none.
        low, high: Ends of the interval.
        note: What it was taken from, in a few words.
    """

    name: str
    value: float
    low: float
    high: float
    note: str


class Page:
    """A page under construction.

    Args:
        title: Its heading.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = []
        self._charts: list[Chart] = []
        self._styles = [asset("data.toolkit", "page.css")]
        self._scripts: list[str] = []

    def heading(self, text: str) -> None:
        """A section heading."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str, note: bool = False) -> None:
        """A paragraph; a note is set lighter."""
        kind = ' class="note"' if note else ""
        self._parts.append(f"<p{kind}>{html.escape(text)}</p>")

    def missing(self, text: str) -> None:
        """A paragraph that cannot be overlooked: what is not here, and why."""
        self._parts.append(f'<p class="missing">{html.escape(text)}</p>')

    def code(self, text: str) -> None:
        """Preformatted text."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")

    def facts(self, facts: Mapping[str, str], fold: str = "") -> None:
        """Names and what they stand for; folded away under a line of text, if one is given."""
        pairs = "".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(fact)}</dd>" for name, fact in facts.items()
        )
        listing = f"<dl>{pairs}</dl>"
        if fold:
            listing = f"<details><summary>{html.escape(fold)}</summary>{listing}</details>"
        self._parts.append(listing)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; the first column is set left, the others right; a number and its interval keep to a line."""
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td{_kind(cell)}>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        self._parts.append(
            f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    def matrix(self, names: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
        """A confusion matrix: shares of each row, shaded, with counts.

        Args:
            names: (C,) classes.
            counts: (C, C), row = truth, column = prediction.
        """
        heads = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        body = ""
        for name, row in zip(names, counts, strict=True):
            shares = [count / max(sum(row), 1) for count in row]
            cells = "".join(
                f'<td style="--share:{share:.3f}">{share:.0%}<small>{count:,}</small></td>'
                for share, count in zip(shares, row, strict=True)
            )
            body += f"<tr><th>{html.escape(name)}</th>{cells}</tr>"
        corner = "<th>true \\ predicted</th>"
        self._parts.append(
            f'<div class="wide"><table class="matrix"><thead><tr>{corner}{heads}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def estimates(self, heads: tuple[str, str, str], estimates: Sequence[Estimate]) -> None:
        """Shares with intervals, each drawn on a line from 0 to 1.

        Args:
            heads: What the names are, what the shares are, what the notes are.
            estimates: The rows; one that is NaN shows a dash.
        """
        head = "".join(
            f"<th>{html.escape(text)}</th>" for text in (*heads[:2], "95 %", "0 to 100 %", heads[2])
        )
        body = ""
        for name, value, low, high, note in estimates:
            shown, between, line = "–", "–", ""
            if value == value:
                shown, between = f"{100 * value:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"
                line = f'<i style="--low:{low:.4f};--high:{high:.4f};--value:{value:.4f}"></i>'
            cells = (
                f'<td>{shown}</td><td>{between}</td><td class="line">{line}</td><td>{html.escape(note)}</td>'
            )
            body += f"<tr><td>{html.escape(name)}</td>{cells}</tr>"
        self._parts.append(
            f'<div class="wide"><table class="estimates"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def figure(self, figure: Any, caption: str) -> None:
        """A matplotlib figure, embedded as PNG; the caption is also its alternative text."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        data = base64.b64encode(buffer.getvalue()).decode()
        text = html.escape(caption, quote=True)
        self._parts.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
        )

    def charts(self, *charts: Chart) -> None:
        """Charts side by side, as many as the width allows."""
        small = " small" if any(chart.get("small") for chart in charts) else ""
        first = len(self._charts)
        titles = [f"<figcaption>{html.escape(chart['title'])}</figcaption>" for chart in charts]
        figures = "".join(
            f'<figure class="chart" data-chart="{number}">{title}</figure>'
            for number, title in enumerate(titles, first)
        )
        self._charts += charts
        self._parts.append(f'<div class="charts{small}">{figures}</div>')

    def widget(self, name: str, data: Any, style: str, script: str) -> None:
        """A place that a script fills.

        Args:
            name: Id of the place; what the script is to show is found as JSON under this id and `-data`.
            data: JSON values.
            style: CSS.
            script: Run when the page stands; it may use what `data/web/elements.js` offers.
        """
        self._parts.append(f'<div id="{name}"></div>{_island(f"{name}-data", data)}')
        self._styles.append(style)
        self._scripts.append(script)

    def write(self, path: str | Path) -> None:
        """Write the page."""
        title, parts, scripts = html.escape(self._title), list(self._parts), list(self._scripts)
        if self._charts:
            parts.append(_island("charts-data", self._charts))
            scripts.insert(0, asset("data.toolkit", "charts.js"))
        if scripts:
            scripts.insert(0, asset("data.toolkit", "elements.js"))
            needed = "Charts and piano rolls need JavaScript; the tables do not."
            parts.insert(0, f"<noscript><p>{needed}</p></noscript>")
        parts += [f"<script>{script}</script>" for script in scripts]
        Path(path).write_text(
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{title}</title>'
            f"<style>{''.join(self._styles)}</style></head><body><h1>{title}</h1>{''.join(parts)}</body></html>\n",
            encoding="utf-8",
        )


def asset(package: str, name: str) -> str:
    """A style or script that came with a package.

    Args:
        package: Such as "data.toolkit".
        name: A file in its folder `web`.
    """
    return (files(package) / "web" / name).read_text(encoding="utf-8")


def _kind(cell: str) -> str:
    """The class of a cell that begins as a number does."""
    return ' class="number"' if cell.lstrip("+-")[:1].isdigit() else ""


def _island(name: str, data: Any) -> str:
    """JSON inside a page. Nothing in it can end the element: no `<` is left."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{safe}</script>'
