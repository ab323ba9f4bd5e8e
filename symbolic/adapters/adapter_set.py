"""Several adapters on one backbone, of which one at a time is at work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from symbolic.adapters.base import Adapter, detached, read_adapter
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError


class AdapterSet:
    """Adapters by name; switching moves a few modules and reads nothing.

    Args:
        backbone: Without an adapter; the adapter set changes it in place.
        tokenizer_fingerprint: Of the tokenizer that the backbone reads.
    """

    def __init__(self, backbone: Backbone, tokenizer_fingerprint: str) -> None:
        self.backbone, self.tokenizer_fingerprint = backbone, tokenizer_fingerprint
        self._adapters: dict[str, Adapter] = {}

    def __iter__(self) -> Iterator[str]:
        """Names, in the order in which they were hung up."""
        return iter(self._adapters)

    def load(self, name: str, directory: Path | str) -> Adapter:
        """Hang up an adapter that `Adapter.save` wrote; the one at work stays at work.

        Raises:
            ConfigError: If the name is taken.
            CounterpointError: As `load_adapter` does.
        """
        if name in self._adapters:
            raise ConfigError(
                f"The adapter set already holds an adapter {name!r}. Give this one another name."
            )
        with detached(self.backbone):
            self._adapters[name] = read_adapter(directory, self.backbone, self.tokenizer_fingerprint)
        return self._adapters[name]

    def use(self, name: str | None) -> Backbone:
        """Put one adapter to work, or none; returns the backbone.

        Raises:
            ConfigError: If no adapter bears the name.
        """
        if name is not None and name not in self._adapters:
            raise ConfigError(
                f"The adapter set holds no adapter {name!r}; it holds {', '.join(self) or 'none'}."
            )
        if self.backbone.adapter is not None:
            self.backbone.adapter.detach()
        if name is not None:
            self._adapters[name].attach()
        return self.backbone
