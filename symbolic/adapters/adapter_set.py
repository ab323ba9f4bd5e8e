"""Several adapters on one backbone, of which one is active at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from symbolic.adapters.base import Adapter, detached, read_adapter
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError


class AdapterSet:
    """Adapters by name. Switching exchanges a few modules and reads no file.

    Args:
        backbone: A backbone without an adapter. The set changes it in place.
        tokenizer_fingerprint: Fingerprint of the backbone's tokenizer.
    """

    def __init__(self, backbone: Backbone, tokenizer_fingerprint: str) -> None:
        self.backbone, self.tokenizer_fingerprint = backbone, tokenizer_fingerprint
        self._adapters: dict[str, Adapter] = {}

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the order in which they were loaded."""
        return iter(self._adapters)

    def load(self, name: str, directory: Path | str) -> Adapter:
        """Load an adapter that `Adapter.save` wrote. The active one stays active.

        Args:
            name: Name of the adapter in this set.
            directory: Directory with the adapter's files.

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
        """Make one adapter or none active and return the backbone.

        Raises:
            ConfigError: If there is no adapter of this name.
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
