"""Settings as dataclasses: one declaration gives the flags, the YAML, the record and the Python object.

A settings class derives from `Settings`. Its fields are made by `setting` or are groups: dataclasses of such fields.
The name of every leaf is unique in its class, so that flags and YAML can be flat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_type_hints

from symbolic.errors import ConfigError, did_you_mean

POSITIVE, NATURAL = "(0, inf)", "[0, inf)"
SEEDS = f"[0, {2**32})"
"""The seeds that numpy, torch and scikit-learn all take."""
_LARGEST = 2**63
"""No whole number is as large: arrays do not hold it."""
ACCELERATORS = ("auto", "cpu", "gpu")
LOGGERS = ("tensorboard", "wandb")
"""The loggers of `data.toolkit.loggers`, whose import would cost that of lightning."""


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    within: str = "",
    positional: bool = False,
    flag: str = "",
    rare: bool = False,
    free: bool = False,
    none: str = "",
    convert: Callable[[Any], Any] | None = None,
) -> Any:
    """Declare a field that is also a flag.

    Args:
        default: Its default; `...` makes it required.
        help: One line for `--help`.
        choices: The values that are allowed.
        within: The interval that a number must lie in as in "(0, 1]".
        positional: Given by place, not by name. A list takes any number of values.
        flag: Another spelling of the flag than the field's name, such as "from".
        rare: Shown by `--help_all` only, so that `--help` fits a screen.
        free: No part of a run's identity: a resumed run may have another value.
        none: How a user writes None, where leaving the flag out means something else.
        convert: Makes text of a value that YAML has in another form.
    """
    metadata = {
        "help": help,
        "choices": choices,
        "within": within,
        "positional": positional,
        "flag": flag,
        "rare": rare,
        "free": free,
        "none": none,
        "convert": convert,
    }
    if default is ...:
        return field(metadata=metadata)
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def group(kind: Callable[[], Any]) -> Any:
    """Declare a field that holds a group of settings."""
    return field(default_factory=kind)


@dataclass(frozen=True)
class Leaf:
    """One setting.

    Attributes:
        name: Name of the field.
        group: Name of the group that holds it. "" at the top.
        kind: Its type: int, float, str, bool or list.
        optional: Whether it may be None.
        default: Its default or MISSING.
        about: The other arguments of `setting`.
    """

    name: str
    group: str
    kind: type
    optional: bool
    default: Any
    about: Mapping[str, Any]

    @property
    def flag(self) -> str:
        """The flag with its dashes; the name in capitals where it has none."""
        return self.name.upper() if self.about["positional"] else "--" + (self.about["flag"] or self.name)

    def read(self, value: Any) -> Any:
        """Convert a value from text or YAML to the setting's type.

        Raises:
            ConfigError: If it is of another type.
        """
        if value is None:
            return None if self.optional or self.default is MISSING else self.default
        if self.about["convert"]:
            value = self.about["convert"](value)
        if self.kind is list:
            return [str(one) for one in (value if isinstance(value, list | tuple) else [value])]
        if self.kind is bool and isinstance(value, str):
            value = {"true": True, "false": False}.get(value.lower(), value)
        right = isinstance(value, bool) == (self.kind is bool) and not isinstance(value, Mapping | list)
        if right and self.kind is str:
            return f"{value:g}" if isinstance(value, float) else str(value)
        try:
            found = self.kind(value) if right else None
        except (TypeError, ValueError):
            found = None
        if found is None or (self.kind is int and isinstance(value, float) and not value.is_integer()):
            wanted = {int: "a whole number", float: "a number", bool: "true or false"}.get(self.kind, "text")
            raise ConfigError(f"{self.flag} {value}: must be {wanted}.")
        return found

    def problem(self, value: Any) -> str:
        """Return why a value is not allowed, or ""."""
        choices, within = self.about["choices"], self.about["within"]
        if value is None:
            return ""
        if choices and value not in choices:
            return (
                f"{self.flag} {value}: {did_you_mean(str(value), choices)}choose one of {', '.join(choices)}."
            )
        if within and not _inside(value, within):
            wrong = {POSITIVE: "be positive", NATURAL: "not be negative"}.get(within, f"lie in {within}")
            return f"{self.flag} {value}: must {wrong}."
        if isinstance(value, int) and abs(value) >= _LARGEST:
            return f"{self.flag} {str(value)[:30]}: must be below {_LARGEST}."
        return ""


def _inside(value: float, within: str) -> bool:
    low, high = (float(part) for part in within[1:-1].split(","))
    above = low <= value if within[0] == "[" else low < value
    return above and (value <= high if within[-1] == "]" else value < high) and value < math.inf


def leaves(settings: type) -> dict[str, Leaf]:
    """Return the leaves of a settings class by name, those of a class itself before those that it inherits."""
    if settings not in _LEAVES:
        _LEAVES[settings] = _leaves(settings)
    return _LEAVES[settings]


_LEAVES: dict[type, dict[str, Leaf]] = {}


def _leaves(settings: type) -> dict[str, Leaf]:
    found: dict[str, Leaf] = {}
    for group, owner in _groups(settings):
        hints = get_type_hints(owner)
        depth = [name for one in owner.__mro__ for name in vars(one).get("__annotations__", {})]
        for one in sorted(fields(owner), key=lambda one: depth.index(one.name)):
            if is_dataclass(hints[one.name]):
                continue
            if one.name in found:
                raise TypeError(f"{settings.__name__} has two settings called {one.name}")
            options = [part for part in get_args(hints[one.name]) if part is not NoneType]
            optional = isinstance(hints[one.name], UnionType)
            kind = options[0] if optional else getattr(hints[one.name], "__origin__", hints[one.name])
            factory = one.default_factory
            default = one.default if factory is MISSING else factory()
            found[one.name] = Leaf(one.name, group, kind, optional, default, one.metadata)
    return found


def _groups(settings: type) -> Iterator[tuple[str, type]]:
    """The class itself, and the class of each group by its name."""
    yield "", settings
    for name, kind in get_type_hints(settings).items():
        if is_dataclass(kind) and isinstance(kind, type):
            yield name, kind


def flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings by the names of their leaves; flat ones are returned as they are."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= value if isinstance(value, Mapping) else {name: value}
    return found


class Group:
    """Base of groups. A group is checked by the settings that hold it, so that all mistakes are named at once."""

    def normalise(self) -> None:
        """Write equal settings in one way, before they are checked."""

    def problems(self) -> list[str]:
        """Return one sentence for each wrong setting, apart from choices and intervals."""
        return []


class Settings(Group):
    """Base of settings classes.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    def __post_init__(self) -> None:
        groups = [getattr(self, name) for name, _ in _groups(type(self)) if name]
        for one in (*groups, self):
            one.normalise()
        known = leaves(type(self))
        problems = [said for name, value in self.flat().items() if (said := known[name].problem(value))]
        problems += [said for one in (*groups, self) for said in one.problems()]
        if problems:
            raise ConfigError(problems)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Build settings from values by the names of leaves, as in `of(lr=1e-3, out="runs/x")`."""
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build settings from a flat or nested mapping, such as YAML or a record.

        Raises:
            ConfigError: Names every setting that is unknown, of another type or wrong.
        """
        return cls._built(typed(cls, values))

    @classmethod
    def _built(cls, values: Mapping[str, Any]) -> Self:
        found: dict[str, dict[str, Any]] = {group: {} for group, _ in _groups(cls)}
        for name, value in values.items():
            found[leaves(cls)[name].group][name] = value
        groups = {group: kind(**found[group]) for group, kind in _groups(cls) if group}
        return cls(**found[""], **groups)

    def flat(self) -> dict[str, Any]:
        """Return all values by the names of their leaves."""
        return {
            name: getattr(getattr(self, leaf.group) if leaf.group else self, name)
            for name, leaf in leaves(type(self)).items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return all values as JSON, nested by group."""
        return nested(type(self), self.flat())

    def having(self, **changes: Any) -> Self:
        """Return settings with some leaves changed."""
        return self._built({**self.flat(), **typed(type(self), changes)})

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that make a run what it is, nested by group; a resumed run must have the same."""
        known = leaves(type(self))
        values = {name: value for name, value in self.flat().items() if not known[name].about["free"]}
        return nested(type(self), values)


def typed(settings: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names of leaves, each of the type of its setting.

    Args:
        settings: The settings class.
        values: Flat or nested by group. Names of flags are understood too.

    Raises:
        ConfigError: Names everything that is unknown or of another type.
    """
    known = leaves(settings)
    flags = {leaf.about["flag"]: name for name, leaf in known.items() if leaf.about["flag"]}
    groups = {leaf.group for leaf in known.values()}
    plain = {
        name: value for name, value in values.items() if name not in groups or not isinstance(value, Mapping)
    }
    found, problems = {}, []
    for given, value in {
        **flatten({name: values[name] for name in values.keys() - plain.keys()}),
        **plain,
    }.items():
        name = flags.get(given, given)
        if name not in known:
            problems.append(
                f"There is no setting '{given}'; {did_you_mean(given, [*known, *flags])}see --help_all."
            )
            continue
        try:
            found[name] = known[name].read(value)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found


def nested(settings: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names of leaves as a mapping nested by group."""
    found: dict[str, Any] = {}
    for name, leaf in leaves(settings).items():
        if name in values:
            (found.setdefault(leaf.group, {}) if leaf.group else found)[name] = values[name]
    return found


def spelling(settings: type) -> dict[str, dict[str, str]]:
    """Return how `data.toolkit.runs.find_folder` names settings: flags spelled otherwise, and how None is written."""
    known = leaves(settings)
    return {
        "flags": {name: leaf.about["flag"] for name, leaf in known.items() if leaf.about["flag"]},
        "unset": {name: leaf.about["none"] for name, leaf in known.items() if leaf.about["none"]},
    }
