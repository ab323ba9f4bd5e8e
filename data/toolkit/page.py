"""One document for a browser and for Markdown: text, tables and pictures.

The HTML is one file that can be mailed. It holds its styles and scripts and loads nothing. Its policy makes the browser
refuse to load anything.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from data.toolkit.safewrite import write_text
from symbolic.checkpoint.attribution import CHAIN_HEADER, NAMED, chain_rows
from symbolic.checkpoint.licence import Chain, Licence, licence_of

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

    Args:
        title: Heading of the page.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._blocks: list[tuple[str | Callable[[], str], str]] = []
        self._pictures: dict[str, Callable[[], bytes]] = {}
        self._styles, self._scripts = [asset("data.toolkit", "page.css")], list[str]()

    def heading(self, text: str, level: int = 2) -> None:
        """Add the heading of a section."""
        self._add(f"<h{level}>{_inline(text)}</h{level}>", f"{'#' * level} {text}")

    def text(self, text: str, note: bool = False) -> None:
        """Add a paragraph. A note is set lighter."""
        kind = ' class="note"' if note else ""
        self._add(f"<p{kind}>{_inline(text)}</p>", text)

    def missing(self, text: str) -> None:
        """Add a warning that names what is absent and why."""
        self._add(f'<p class="missing">{_inline(text)}</p>', f"**{text}**")

    def code(self, text: str, language: str = "") -> None:
        """Add preformatted text."""
        self._add(f"<pre>{html.escape(text)}</pre>", f"```{language}\n{text}\n```")

    def facts(self, facts: Mapping[str, str], fold: str = "") -> None:
        """Add names and their values. With `fold` the HTML hides them below a line of that text."""
        pairs = "".join(f"<dt>{_inline(name)}</dt><dd>{_inline(fact)}</dd>" for name, fact in facts.items())
        markup = f"<dl>{pairs}</dl>"
        if fold:
            markup = f"<details><summary>{html.escape(fold)}</summary>{markup}</details>"
        lines = [*([f"{fold}:", ""] if fold else []), *(f"- {name}: {fact}" for name, fact in facts.items())]
        self._add(markup, "\n".join(lines))

    def origin(self, record: Mapping[str, Any], facts: Mapping[str, str] | None = None) -> None:
        """Add the command that made a record, its machine, versions and date, and further facts."""
        machine = record["machine"]
        parts = [
            f"{machine['cores']} cores",
            *(str(value) for key, value in machine.items() if key != "cores"),
        ]
        versions = (f"{package} {version}" for package, version in record["versions"].items())
        self.heading("Origin")
        self.code(record["command"])
        about = {"machine": ", ".join(parts), "versions": ", ".join(versions), "date": record["time"][:10]}
        self.facts({**(facts or {}), **about})

    def licence(self, chain: Chain) -> Licence:
        """Add the licence of a model, with the music of each of its trainings. Return it."""
        licence = licence_of(chain)
        self.heading("Licence")
        self.text(f"{licence.title}. {licence.reason} {NAMED}")
        self.table(CHAIN_HEADER, chain_rows(chain), numbers=False)
        return licence

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]], numbers: bool = True) -> None:
        """Add a table. The first column is set left. `numbers` sets the others right."""
        head = "".join(f"<th>{_inline(cell)}</th>" for cell in header)
        lines = ("".join(map(_cell, row)) for row in rows)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        opening = "<table>" if numbers else '<table class="left">'
        self._add(
            f'<div class="wide">{opening}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>',
            "\n".join(markdown_table(header, rows, numbers)),
        )

    def figure(self, name: str, caption: str, draw: Callable[..., Figure], *arguments: Any) -> None:
        """Add a picture, which is drawn only if the page is written with its pictures.

        Args:
            name: Name of its PNG file without the suffix.
            caption: Text below it and its alternative text.
            draw: Draws it from the arguments.
            *arguments: Arguments of `draw`.
        """
        self._pictures[name] = cache(partial(_png, draw, arguments))
        self._blocks.append((partial(_image, caption, self._pictures[name]), ""))

    def widget(self, name: str, data: Any, styles: Iterable[str], scripts: Iterable[str]) -> None:
        """Add a place that scripts fill. Markdown has none.

        Args:
            name: Id of the place. Its data are JSON under this id and `-data`.
            data: JSON values.
            styles: CSS of each style sheet.
            scripts: Run in this order when the page is loaded.
        """
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        # No `<` is left that could end the element.
        island = text.replace("<", "\\u003c")
        self._add(
            f'<noscript><p>The {name} needs JavaScript.</p></noscript><div id="{name}"></div>'
            f'<script type="application/json" id="{name}-data">{island}</script>'
        )
        self._styles.extend(styles)
        self._scripts.extend(scripts)

    def html(self) -> str:
        """Return the page as one HTML file."""
        title = html.escape(self._title)
        parts = [markup() if callable(markup) else markup for markup, _ in self._blocks]
        parts += [f"<script>{script}</script>" for script in self._scripts]
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"><title>{title}</title>'
            f"<style>{''.join(self._styles)}</style></head><body><h1>{title}</h1>{''.join(parts)}</body></html>\n"
        )

    def markdown(self) -> str:
        """Return the page as Markdown, without its pictures."""
        return "\n\n".join([f"# {self._title}", *(text for _, text in self._blocks if text)]) + "\n"

    def save_pictures(self, folder: str | Path) -> list[Path]:
        """Write every picture into a folder, which is made, and return the paths of the PNG files."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = {Path(folder) / f"{name}.png": draw for name, draw in self._pictures.items()}
        for path, draw in paths.items():
            path.write_bytes(draw())
        return list(paths)

    def write(self, path: str | Path) -> None:
        """Write the page as HTML."""
        write_text(Path(path), self.html())

    def _add(self, markup: str, markdown: str = "") -> None:
        self._blocks.append((markup, markdown))


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], numbers: bool = False
) -> list[str]:
    """Return the lines of a table. A bar in a cell is escaped.

    Args:
        header: Heads of the columns.
        rows: One cell a head for each row.
        numbers: Whether all columns but the first hold numbers and are set right.
    """
    lines = [header, ["---", *["---:" if numbers else "---"] * (len(header) - 1)], *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]


class Link(NamedTuple):
    """A cell of a table that leads to another page.

    Attributes:
        text: What is shown.
        path: Where it leads, relative to the page, with slashes.
    """

    text: str
    path: str

    def __str__(self) -> str:
        return f"[{self.text}]({self.address})"

    @property
    def address(self) -> str:
        """The path as a relative URL. Names that are not UTF-8 keep their bytes."""
        return quote(self.path, errors="surrogateescape")


def asset(package: str, name: str) -> str:
    """Read a style or script from the folder `web` of a package such as "data.toolkit"."""
    return (files(package) / "web" / name).read_text(encoding="utf-8")


def slug(text: str) -> str:
    """Return a text as the name of a file, in lower case with hyphens between words."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _png(draw: Callable[..., Figure], arguments: Sequence[Any]) -> bytes:
    buffer = io.BytesIO()
    draw(*arguments).savefig(buffer, format="png", dpi=110)  # the layout leaves no margin to cut
    return buffer.getvalue()


def _image(caption: str, draw: Callable[[], bytes]) -> str:
    text, data = html.escape(caption, quote=True), base64.b64encode(draw()).decode()
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def _inline(text: str) -> str:
    """Return escaped text with the markup of `code` and *emphasis*."""
    text = html.escape(text)
    for pattern, markup in _INLINE:
        text = pattern.sub(markup, text)
    return text


def _cell(value: object) -> str:
    """Return a cell of a table. One that begins as a number does is not broken into lines."""
    if isinstance(value, Link):
        return f'<td><a href="{value.address}">{html.escape(value.text)}</a></td>'
    text = str(value)
    kind = ' class="number"' if text.lstrip("+-")[:1].isdigit() else ""
    return f"<td{kind}>{_inline(text)}</td>"
