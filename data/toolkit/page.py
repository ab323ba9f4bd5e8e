"""One document for a browser and for Markdown: text, tables, charts and pictures.

The HTML is one file that can be mailed. It holds its styles and scripts and loads nothing. Its policy makes the browser
refuse to load anything.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.toolkit.charts import Chart, Estimate
from data.toolkit.markdown import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
_INLINE = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"(?<![\w*])\*\*(\w(?:[^*]*\w)?)\*\*(?![\w*])"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])\*(\w(?:[^*]*\w)?)\*(?![\w*])"), r"<em>\1</em>"),
)


class Page:
    """A page under construction. Each method adds one block at the end.

    Texts and cells of tables may hold `code`, *emphasis* and **strong emphasis** as in Markdown.
    `picture` names a PNG file for `save_pictures`. Markdown shows that file. HTML shows the block itself.

    Args:
        title: Heading of the page.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._html: list[str] = []
        self._markdown: list[str] = []
        self._pictures: dict[str, tuple[str, Callable[[], Figure]]] = {}
        self._charts: list[Chart] = []
        self._styles = [asset("data.toolkit", "page.css")]
        self._scripts: list[str] = []

    def heading(self, text: str, level: int = 2) -> None:
        """Add the heading of a section."""
        self._add(f"<h{level}>{_inline(text)}</h{level}>", f"{'#' * level} {text}")

    def text(self, text: str, note: bool = False) -> None:
        """Add a paragraph. A note is set lighter."""
        kind = ' class="note"' if note else ""
        self._add(f"<p{kind}>{_inline(text)}</p>", text)

    def missing(self, text: str) -> None:
        """Add a warning: what is not here, and why."""
        self._add(f'<p class="missing">{_inline(text)}</p>', f"**{text}**")

    def items(self, items: Sequence[str]) -> None:
        """Add a list with bullets."""
        self._add(
            f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>",
            "\n".join(f"- {item}" for item in items),
        )

    def code(self, text: str, language: str = "") -> None:
        """Add preformatted text."""
        self._add(f"<pre>{html.escape(text)}</pre>", f"```{language}\n{text}\n```")

    def facts(self, facts: Mapping[str, str], fold: str = "") -> None:
        """Add names and their values. With `fold`, the HTML hides them below a line of that text."""
        pairs = "".join(f"<dt>{_inline(name)}</dt><dd>{_inline(fact)}</dd>" for name, fact in facts.items())
        listing = f"<dl>{pairs}</dl>"
        if fold:
            listing = f"<details><summary>{html.escape(fold)}</summary>{listing}</details>"
        lines = [*([f"{fold}:", ""] if fold else []), *(f"- {name}: {fact}" for name, fact in facts.items())]
        self._add(listing, "\n".join(lines))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]], numbers: bool = True) -> None:
        """Add a table. The first column is set left. `numbers` sets the others right."""
        body = ["".join(f"<td{_kind(text)}>{_inline(text)}</td>" for text in map(str, row)) for row in rows]
        self._table("" if numbers else "left", header, body, markdown_table(header, rows, numbers))

    def matrix(
        self, names: Sequence[str], counts: Sequence[Sequence[int]], title: str = "", picture: str = ""
    ) -> None:
        """Add a confusion matrix: proportions of each true class, shaded, with counts.

        Args:
            names: (C,) classes.
            counts: (C, C) with the true classes in rows and the predicted ones in columns.
            title: Heading of the picture.
            picture: Name of the picture.
        """
        body = []
        for name, row in zip(names, counts, strict=True):
            total = max(sum(row), 1)
            cells = "".join(
                f'<td style="--share:{count / total:.3f}">{count / total:.0%}<small>{count:,}</small></td>'
                for count in row
            )
            body.append(f"<th>{html.escape(name)}</th>{cells}")
        self._table("matrix", ["true \\ predicted", *names], body, [])
        self._picture(picture, title, partial(_draw, "matrix", names, np.asarray(counts), title))

    def estimates(
        self,
        heads: tuple[str, str, str],
        estimates: Sequence[Estimate],
        title: str = "",
        picture: str = "",
    ) -> None:
        """Add proportions with intervals, each drawn on a line from 0 to 1.

        Args:
            heads: Heads of the columns of names, proportions and notes.
            estimates: The rows. One that is NaN shows a dash.
            title: Heading of the picture.
            picture: Name of the picture.
        """
        body = []
        for name, value, low, high, note in estimates:
            shown, between, line = "–", "–", ""
            if value == value:
                shown, between = f"{100 * value:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"
                line = f'<i style="--low:{low:.4f};--high:{high:.4f};--value:{value:.4f}"></i>'
            cells = (html.escape(name), shown, between, line, html.escape(note))
            body.append("<td>{}</td><td>{}</td><td>{}</td><td class='line'>{}</td><td>{}</td>".format(*cells))
        self._table("estimates", [*heads[:2], "95 %", "0 to 100 %", heads[2]], body, [])
        axis = f"{heads[1]} (95 % by bootstrap)"
        self._picture(picture, title, partial(_draw, "estimates", estimates, title, axis))

    def figure(self, figure: Figure, caption: str, picture: str = "") -> None:
        """Add a matplotlib figure as PNG. The caption is also its alternative text."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        data = base64.b64encode(buffer.getvalue()).decode()
        text = html.escape(caption, quote=True)
        self._add(
            f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
        )
        self._picture(picture, caption, lambda: figure)

    def charts(self, *charts: Chart, picture: str | Sequence[str] = "") -> None:
        """Add charts side by side, as many as the width allows.

        Args:
            charts: Any number.
            picture: One name for a picture of all charts, or a name for each.
        """
        if not charts:
            return
        small = " small" if any(chart.get("small") for chart in charts) else ""
        captions = (f"<figcaption>{html.escape(chart['title'])}</figcaption>" for chart in charts)
        figures = "".join(
            f'<figure class="chart" data-chart="{number}">{caption}</figure>'
            for number, caption in enumerate(captions, len(self._charts))
        )
        self._charts += charts
        self._add(f'<div class="charts{small}">{figures}</div>')
        if isinstance(picture, str):
            titles = ", ".join(chart["title"] for chart in charts)
            self._picture(picture, titles, partial(_draw, "charts", *charts))
        else:
            for name, chart in zip(picture, charts, strict=True):
                self._picture(name, chart["title"], partial(_draw, "charts", chart))

    def widget(self, name: str, data: Any, style: str, script: str) -> None:
        """Add a place that a script fills. Markdown has none.

        Args:
            name: Id of the place. Its data are JSON under this id and `-data`.
            data: JSON values.
            style: CSS.
            script: Run when the page is loaded. It may use `elements` of `data/toolkit/web/elements.js`.
        """
        self._add(f'<div id="{name}"></div>{_island(f"{name}-data", data)}')
        self._styles.append(style)
        self._scripts.append(script)

    def html(self) -> str:
        """Return the page as one HTML file."""
        title, parts, scripts = html.escape(self._title), list(self._html), list(self._scripts)
        if self._charts:
            parts.append(_island("charts-data", self._charts))
            scripts.insert(0, asset("data.toolkit", "charts.js"))
        if scripts:
            scripts.insert(0, asset("data.toolkit", "elements.js"))
            needed = "Charts and piano rolls need JavaScript; the tables do not."
            parts.insert(0, f"<noscript><p>{needed}</p></noscript>")
        parts += [f"<script>{script}</script>" for script in scripts]
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{title}</title>'
            f"<style>{''.join(self._styles)}</style></head><body><h1>{title}</h1>{''.join(parts)}</body></html>\n"
        )

    def markdown(self, pictures: str = "") -> str:
        """Return the page as Markdown.

        Args:
            pictures: Folder of the pictures as seen from the page. Without it they are left out.
        """
        parts = (
            f"![{self._pictures[part[1:]][0]}]({pictures}/{part[1:]}.png)" if part.startswith("\0") else part
            for part in self._markdown
            if pictures or not part.startswith("\0")
        )
        return "\n\n".join([f"# {self._title}", *parts]) + "\n"

    def save_pictures(self, folder: str | Path) -> list[Path]:
        """Draw every named picture into a folder, which is made, and return the paths of the PNG files."""
        paths = []
        for name, (_, draw) in self._pictures.items():
            path = Path(folder) / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw().savefig(path, dpi=110, bbox_inches="tight")
            paths.append(path)
        return paths

    def write(self, path: str | Path) -> None:
        """Write the page as HTML."""
        Path(path).write_text(self.html(), encoding="utf-8")

    def _add(self, markup: str, markdown: str = "") -> None:
        self._html.append(markup)
        if markdown:
            self._markdown.append(markdown)

    def _table(self, kind: str, header: Sequence[str], rows: Sequence[str], markdown: Sequence[str]) -> None:
        """Add a table whose rows are markup."""
        head = "".join(f"<th>{_inline(cell)}</th>" for cell in header)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        opening = f'<table class="{kind}">' if kind else "<table>"
        self._add(
            f'<div class="wide">{opening}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>',
            "\n".join(markdown),
        )

    def _picture(self, name: str, caption: str, draw: Callable[[], Figure]) -> None:
        if name:
            self._pictures[name] = (caption.replace("\n", " "), draw)
            self._markdown.append(f"\0{name}")


def asset(package: str, name: str) -> str:
    """Read a style or script that is installed with a package.

    Args:
        package: Such as "data.toolkit".
        name: A file in its folder `web`.
    """
    return (files(package) / "web" / name).read_text(encoding="utf-8")


def slug(text: str) -> str:
    """Return a text as the name of a file: lower case, with a hyphen for all but letters and digits."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _draw(kind: str, *arguments: Any) -> Figure:
    """Draw a picture. matplotlib is imported only here."""
    from data.toolkit import pictures

    figure: Figure = getattr(pictures, f"draw_{kind}")(*arguments)
    return figure


def _inline(text: str) -> str:
    """Return escaped text with the markup of `code` and *emphasis*."""
    text = html.escape(text)
    for pattern, markup in _INLINE:
        text = pattern.sub(markup, text)
    return text


def _kind(cell: str) -> str:
    """Return the class of a cell that begins as a number does. Such a cell is not broken into lines."""
    return ' class="number"' if cell.lstrip("+-")[:1].isdigit() else ""


def _island(name: str, data: Any) -> str:
    """Return JSON for a page. It can end no element, because no `<` is left in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{safe}</script>'
