"""The interface of adapter methods and their registry.

A method lists the modules that it puts in place of the backbone's, and which of their parameters it trains. The
rest is the same for all methods. See `symbolic.adapters.base`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from symbolic.adapters import METHODS
from symbolic.adapters.places import layers_of
from symbolic.backbone import Backbone
from symbolic.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Replacement:
    """A module that replaces one of the backbone's.

    Attributes:
        module_path: Path of the backbone's module that is replaced.
        module: The new module. It may share parameters with the old one.
        parameters: The new parameters by their name in `module`. No other replacement has them.
    """

    module_path: str
    module: nn.Module
    parameters: Mapping[str, nn.Parameter]


@dataclass(frozen=True, kw_only=True)
class AdapterMethod(ABC):
    """A way to adapt a backbone. Subclasses are frozen dataclasses whose fields are the method's options.

    Args:
        layers: The blocks that it adapts. See `symbolic.adapters.places.layers_of`.

    Attributes:
        name: Name of the method in commands and files.
        mergeable: Whether it can be merged into the backbone's weights.
        size: The option that sets how much is trained or "".
        starts_neutral: Whether a new adapter leaves the backbone's output unchanged.
    """

    name: ClassVar[str]
    mergeable: ClassVar[bool] = False
    size: ClassVar[str] = ""
    starts_neutral: ClassVar[bool] = True

    layers: str = "all"

    def chosen_layers(self, backbone: Backbone) -> list[int]:
        """List the indices of the blocks that are adapted, bottom up.

        Raises:
            ConfigError: If `layers` is malformed, or names a block that does not exist.
        """
        return layers_of(self.layers, len(backbone.blocks))

    @classmethod
    def largest(cls, backbone: Backbone) -> int:
        """Return the largest possible `size` on a backbone."""
        return 1 << 14

    @abstractmethod
    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Make new modules for a backbone without an adapter. The backbone is not changed."""

    def saved_form(self) -> AdapterMethod:
        """Return the method as it is saved and loaded. It may need less than in training."""
        return self

    def saved_tensors(self, replacement: Replacement) -> Mapping[str, Tensor]:
        """Return the tensors of a replacement that are saved by the names they have in `saved_form`."""
        return replacement.parameters

    def merge(self, replaced: nn.Module, original: nn.Module) -> None:
        """Change `original` in place to compute what `replaced` computes. Only `mergeable` methods have this."""
        raise NotImplementedError


Method = TypeVar("Method", bound=type[AdapterMethod])


def register(method: Method) -> Method:
    """Register a method under its name. This is a class decorator."""
    METHODS.add(method.name, method)
    return method


def build_method(name: str, **options: Any) -> AdapterMethod:
    """Make the method of this name with options.

    Raises:
        ConfigError: If there is no such method, or it refuses the options or their values.
    """
    if name not in METHODS:
        raise ConfigError(
            f"There is no adapter method {name!r}; {did_you_mean(name, METHODS)}choose one of "
            f"{', '.join(sorted(METHODS))}."
        )
    known = {field.name: field.default for field in fields(METHODS[name])}
    problems = [
        f"Adapter method {name!r} has no option {option!r}; its options are {', '.join(known)}."
        for option in sorted(options.keys() - known.keys())
    ]
    for option in sorted(options.keys() & known.keys()):
        wanted, value = type(known[option]), options[option]
        # JSON does not distinguish 2 from 2.0.
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            problems.append(
                f"{name} {option} is {value!r}; it must be of type {wanted.__name__}, as {known[option]!r}."
            )
    if problems:
        raise ConfigError(problems)
    return METHODS[name](**options)
