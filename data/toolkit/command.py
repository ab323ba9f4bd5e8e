"""The frame of every command: settings from a dataclass become flags and YAML; errors become messages.

A settings class is a dataclass whose fields are made by `setting`. Parsing imports no torch, so that
help is instant.
"""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from argparse import SUPPRESS, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar, get_type_hints

from jsonargparse import ArgumentParser, Namespace

from symbolic.errors import CounterpointError

Settings = TypeVar("Settings")
USER_ERROR, INTERRUPTED = 2, 130
FULL_HELP = "--help_all"
_NAMED = 4
"""So many of the rare flags are named in the line that tells of them."""


def setting(
    default: Any,
    help: str,
    *,
    group: str = "options",
    positional: bool = False,
    flag: str | None = None,
    rare: bool = False,
) -> Any:
    """A dataclass field that is also a flag.

    Args:
        default: Its default; `...` makes it required.
        help: One line for `--help`.
        group: Heading under which help lists it.
        positional: Given by place, not by name. A list takes any number of values.
        flag: Another spelling of the flag than the field's name, such as "from".
        rare: Left to `--help_all`, so that `--help` keeps to a screen.
    """
    metadata = {"help": help, "group": group, "positional": positional, "flag": flag, "rare": rare}
    if default is ...:
        return field(metadata=metadata)
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


class _Formatter(RawDescriptionHelpFormatter):
    """One line a flag where it fits."""

    def __init__(self, prog: str) -> None:
        super().__init__(
            prog, max_help_position=24, width=min(shutil.get_terminal_size((100, 24)).columns, 110)
        )


def _parser(prog: str, description: str, settings: type, epilog: str, full: bool) -> ArgumentParser:
    parser = ArgumentParser(
        prog=prog, description=description, epilog=epilog, formatter_class=_Formatter, print_config=None
    )
    if (text := _rare(settings)) and not full:
        parser.add_argument(FULL_HELP, action="store_true", help=text)
    note_features = get_type_hints(settings)
    groups: dict[str, Any] = {"options": parser}
    places = []
    for f in _own_first(settings):
        about = f.metadata
        default = f.default if f.default is not MISSING else None
        if f.default_factory is not MISSING:
            default = f.default_factory()
        required = f.default is MISSING and f.default_factory is MISSING
        text = SUPPRESS if about["rare"] and not full else about["help"] + _shown(default)
        if about["positional"]:
            many = "list" in str(note_features[f.name])
            nargs = ("+" if required else "*") if many else (None if required else "?")
            place = f"{f.name.upper()}..." if many else f.name.upper()
            places.append(place if required else f"[{place}]")
            extra: dict[str, Any] = {"nargs": nargs} if nargs else {}
            kind = str if many else note_features[f.name]
            parser.add_argument(f.name, type=kind, help=text, metavar=f.name.upper(), **extra)
            continue
        if about["group"] not in groups:
            groups[about["group"]] = parser.add_argument_group(about["group"])
        group = groups[about["group"]]
        flag = "--" + (about["flag"] or f.name)
        if note_features[f.name] is bool:
            group.add_argument(flag, action="store_true", help=text)
        else:
            group.add_argument(
                flag,
                type=note_features[f.name],
                default=default,
                required=required,
                help=text,
                metavar=_metavar(note_features[f.name]),
            )
    parser.add_argument("--config", action="config", help="YAML file with any of these settings")
    parser.usage = " ".join([prog, *places, "[options]"])
    return parser


def _own_first(settings: type) -> list[Field[Any]]:
    """Fields with those of the class itself before those that it shares with others."""
    classes = [name for one in settings.__mro__ for name in inspect.get_annotations(one)]
    return sorted(fields(settings), key=lambda f: classes.index(f.name))


def _rare(settings: type) -> str:
    """Which flags are rare, in a line of help; "" where none is."""
    names = [f.name for f in fields(settings) if f.metadata["rare"]]
    shown = ", ".join(names[:_NAMED])
    return f"show {len(names)} more: {shown}{', ...' if names[_NAMED:] else ''}" if names else ""


def _shown(default: Any) -> str:
    """A default as help shows it."""
    if default is None or default is False or default == []:
        return ""
    return f" [{','.join(default) if isinstance(default, list) else default}]"


def _metavar(kind: Any) -> str:
    """What stands for a value in help: short, so that a flag keeps to its line."""
    return next(
        (mark for name, mark in (("int", "N"), ("float", "X"), ("list", "A,B")) if name in str(kind)), "S"
    )


def parse(
    prog: str,
    description: str,
    settings: type[Settings],
    argv: Sequence[str],
    epilog: str = "",
    show_rare: bool = False,
) -> Settings:
    """Settings from the command line and YAML files.

    Args:
        prog: Name of the command.
        description: What it does, a sentence or two.
        settings: A dataclass of `setting` fields; its `__post_init__` may raise `ConfigError`.
        argv: Arguments, without the program's name.
        epilog: Examples.
        show_rare: Help shows rare settings like any other.

    Raises:
        SystemExit: After help, or with status 2 after a usage error.
    """
    full = FULL_HELP in argv
    parser = _parser(prog, description, settings, epilog, full or show_rare)
    return from_namespace(settings, parser.parse_args(["--help"] if full else list(argv)))


def from_namespace(settings: type[Settings], parsed: Namespace) -> Settings:
    """An instance from parsed flags."""
    values = vars(parsed)
    named = {f.name: values[(f.metadata["flag"] or f.name)] for f in fields(settings)}  # type: ignore[arg-type]
    return settings(**named)


def guarded(run: Callable[[Sequence[str]], None], argv: Sequence[str] | None = None) -> int:
    """Run a command; turn what a user can mend into a message.

    Args:
        run: The command.
        argv: Arguments; by default those of the process.

    Returns:
        Exit status: 0, 2 for a user's error, 130 when interrupted.
    """
    try:
        run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; what Python would still write as it ends goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except CounterpointError as error:
        sys.stderr.write(f"error: {error}\n")
        return USER_ERROR
    except (KeyboardInterrupt, SystemExit) as end:
        # Lightning answers an interrupt in training with exit(1), and says so where we do not let it speak.
        if isinstance(end, SystemExit) and not isinstance(end.__context__, KeyboardInterrupt):
            raise
        sys.stderr.write(
            "interrupted; what was prepared is kept, and --resume goes on with a run that had begun\n"
        )
        return INTERRUPTED
    return 0
