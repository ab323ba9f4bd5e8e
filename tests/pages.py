"""A parser of pages for tests."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

_VOID = {"meta", "img", "br", "link", "input"}
_LOADING = {"src", "href", "srcset", "action", "data", "poster"}


class Reader(HTMLParser):
    """Collects text, JSON data and addresses to load. It fails where elements do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, Any]]] = []
        self.islands: dict[str, Any] = {}
        self.loads: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in _LOADING and not value.startswith("data:")]
        if tag not in _VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tag, attrs = self.open[-1] if self.open else ("", {})
        if tag == "script" and attrs.get("type") == "application/json":
            self.islands[attrs["id"]] = json.loads(data)
        elif tag not in ("script", "style"):
            self.text.append(data)
