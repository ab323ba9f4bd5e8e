"""Registries whose names cost no import of what they name, and packages whose names are imported when first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """A mapping from names to classes, each imported when it is first asked for.

    Args:
        package: The package that holds the modules.
        places: "module:attribute" by name, relative to the package.
    """

    def __init__(self, package: str, places: Mapping[str, str]) -> None:
        self._package, self._places = package, dict(places)
        self._found: dict[str, Entry] = {}

    def __getitem__(self, name: str) -> Entry:
        if name not in self._found:
            module, _, attribute = self._places[name].partition(":")
            self._found[name] = getattr(import_module(f"{self._package}.{module}"), attribute)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def add(self, name: str, entry: Entry) -> None:
        """Add an entry or replace the one of that name."""
        self._places.setdefault(name, "")
        self._found[name] = entry


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a `__getattr__` for a package whose names are imported when first used.

    Args:
        package: Name of the package.
        homes: "module" or "module:attribute" of each name, relative to the package. A name that is its own home is
            a package inside it.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home, _, attribute = homes[name].partition(":")
        module = import_module(f"{package}.{home}")
        return module if home == name else getattr(module, attribute or name)

    return __getattr__
