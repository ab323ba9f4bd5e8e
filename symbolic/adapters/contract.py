"""What a method of adapting must state, and the registry of methods.

A method says which modules it puts in place of which of the backbone's, and which of their parameters are its own.
Attaching, freezing, counting, merging, saving and loading follow from that for every method alike
(`symbolic.adapters.base`).
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
    """One module put in place of another.

    Attributes:
        site: Path of the backbone's module that gives way.
        module: What stands there instead; it may share parameters with the module that gives way.
        own: The parameters that the method brings, by their name in `module`; each in one replacement only.
    """

    module_path: str
    module: nn.Module
    own: Mapping[str, nn.Parameter]


@dataclass(frozen=True, kw_only=True)
class AdapterMethod(ABC):
    """A way to adapt a backbone. Subclasses are frozen dataclasses whose fields are the method's options.

    Args:
        layers: Which blocks it stands in, see `symbolic.adapters.places.layers_of`.

    Attributes:
        name: What users call it.
        mergeable: Whether its effect can be folded into the backbone's weights.
        size: The option that sets how much it trains; "" where nothing does.
        starts_neutral: Whether a fresh one leaves the backbone's output as it is.
    """

    name: ClassVar[str]
    mergeable: ClassVar[bool] = False
    size: ClassVar[str] = ""
    starts_neutral: ClassVar[bool] = True

    layers: str = "all"

    def picked(self, backbone: Backbone) -> list[int]:
        """Numbers of the blocks that it stands in, bottom up.

        Raises:
            ConfigError: If `layers` names none, or one that is not there.
        """
        return layers_of(self.layers, len(backbone.blocks))

    @classmethod
    def largest(cls, backbone: Backbone) -> int:
        """What `size` can be at most on a backbone."""
        return 1 << 14

    @abstractmethod
    def replacements(self, backbone: Backbone) -> list[Replacement]:
        """Fresh modules for a backbone that has no adapter; the backbone itself is left as it is."""

    def kept(self) -> AdapterMethod:
        """The method as it is saved and loaded: itself, unless less is needed to use it than to train it."""
        return self

    def kept_tensors(self, replacement: Replacement) -> Mapping[str, Tensor]:
        """What is saved of a replacement: values of the parameters that `kept` has there, by their names."""
        return replacement.own

    def fold(self, replaced: nn.Module, original: nn.Module) -> None:
        """Change `original`, in place, to compute what `replaced` computes; only if `mergeable`."""
        raise NotImplementedError


Method = TypeVar("Method", bound=type[AdapterMethod])


def register(method: Method) -> Method:
    """Class decorator: make a method available under its name."""
    METHODS.add(method.name, method)
    return method


def build_method(name: str, **options: Any) -> AdapterMethod:
    """The method called `name` with these options.

    Raises:
        ConfigError: If there is no such method, or it does not have these options or allow their values.
    """
    if name not in METHODS:
        raise ConfigError(
            f"There is no adapter method {name!r}; {did_you_mean(name, METHODS)}choose one of {', '.join(sorted(METHODS))}."
        )
    known = {field.name: field.default for field in fields(METHODS[name])}
    problems = [
        f"Adapter method {name!r} has no option {option!r}; its options are {', '.join(known)}."
        for option in sorted(options.keys() - known.keys())
    ]
    for option in sorted(options.keys() & known.keys()):
        wanted, value = type(known[option]), options[option]
        # JSON has no way to tell 2 from 2.0.
        if type(value) is not wanted and not (wanted is float and type(value) is int):
            problems.append(
                f"{name} {option} is {value!r}; it must be of type {wanted.__name__}, as {known[option]!r}."
            )
    if problems:
        raise ConfigError(problems)
    return METHODS[name](**options)
