"""The frame of every command: settings become flags and help, errors become messages.

Parsing imports no torch, so that help is instant.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import MISSING
from pathlib import Path
from typing import Any, TypeVar

from data.toolkit.endings import Terminated, terminable, unread
from data.toolkit.failures import in_words, is_memory_error
from data.toolkit.runs import SETTINGS, changed_settings, read_settings
from data.toolkit.settings import Leaf, Settings, flatten, leaves, spelling, typed
from symbolic.documents import read_yaml
from symbolic.errors import ConfigError, CounterpointError, did_you_mean
from symbolic.version import DISTRIBUTION, __version__

Chosen = TypeVar("Chosen", bound=Settings)
USER_ERROR, INTERRUPTED, TERMINATED = 2, 130, 143
FULL_HELP, VERSION = "--help_all", "--version"
_NAMED = 4
"""The line about rare flags names so many of them."""


class _Formatter(RawDescriptionHelpFormatter):
    """One line a flag where it fits."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size((100, 24)).columns, 110)
        super().__init__(prog, max_help_position=24, width=width)


class _Parser(ArgumentParser):
    """A parser whose errors name the flag that was probably meant."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, extra = self.parse_known_args(args, namespace)
        if extra:
            flags = [flag for action in self._actions for flag in action.option_strings]
            self.error(
                "; ".join(f"unknown {word}: {did_you_mean(word, flags)}".rstrip(": ") for word in extra)
            )
        return found


def parse(
    prog: str,
    description: str,
    settings: type[Chosen],
    argv: Sequence[str],
    epilog: str = "",
    *,
    fixed: Mapping[str, Any] | None = None,
    without: Collection[str] = (),
    needed: Collection[str] = (),
    runs: str | Path | None = None,
    command: str = "",
    show_rare: bool = False,
) -> Chosen:
    """Return settings from the command line and YAML files; a flag overrules a file.

    Args:
        prog: Name of the command.
        description: What it does, a sentence or two.
        settings: The settings class.
        argv: Arguments, without the program's name.
        epilog: Examples.
        fixed: Values that this command sets itself, by the names of leaves.
        without: Leaves that this command has no flag for.
        needed: Optional leaves that this command requires.
        runs: The folder of this command's runs. With --resume, a run's own settings count where no others are given.
        command: Name of the command in the settings of its runs. Default: the first word of `prog`.
        show_rare: Help shows rare settings like any other.

    Raises:
        SystemExit: After help, or with status 2 after a usage error.
        ConfigError: If settings are wrong, or do not agree with the run to be resumed.
    """
    fixed = fixed or {}
    shown = {
        name: leaf for name, leaf in leaves(settings).items() if name not in fixed and name not in without
    }
    full = FULL_HELP in argv
    parser = _parser(prog, description, shown, epilog, full or show_rare)
    given = vars(parser.parse_args(["--help"] if full else list(argv)))
    try:
        values: dict[str, Any] = {}
        for path in given.pop("config", []):
            values |= typed(settings, _read_config(path))
        if isinstance(named := given.get("resume"), str):
            if not (Path(named) / SETTINGS).is_file():
                raise ConfigError(f"--resume {named}: that folder holds no run.")
            given["out"], given["resume"] = named, True
        values |= typed(settings, given)
    except ConfigError as error:
        parser.error(str(error))
    if hidden := values.keys() - shown.keys():
        parser.error(f"{prog} has no setting {', '.join(sorted(hidden))}")
    values |= fixed
    if values.get("resume") and runs is not None:
        values = _from_run(settings, values, Path(runs), command or prog.split()[0])
    if absent := [shown[name].flag for name in needed if values.get(name) is None]:
        parser.error(f"missing: {', '.join(absent)}")
    return settings._built(values)


def _parser(
    prog: str, description: str, shown: Mapping[str, Leaf], epilog: str, full: bool
) -> ArgumentParser:
    parser = _Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=_Formatter,
        argument_default=SUPPRESS,
        allow_abbrev=False,
    )
    if (text := _rare(shown.values())) and not full:
        parser.add_argument(FULL_HELP, action="store_true", help=text)
    groups: dict[str, Any] = {"": parser}
    places = []
    for leaf in shown.values():
        about, required = leaf.about, leaf.default is MISSING
        text = about["help"] + _shown(leaf.default)
        text = SUPPRESS if about["rare"] and not full else text.replace("%", "%%")
        if about["positional"]:
            many = leaf.kind is list
            place = f"{leaf.flag}..." if many else leaf.flag
            places.append(place if required else f"[{place}]")
            nargs = ("+" if required else "*") if many else (None if required else "?")
            parser.add_argument(leaf.name, nargs=nargs, help=text, metavar=leaf.flag)
            continue
        if leaf.group not in groups:
            groups[leaf.group] = parser.add_argument_group(leaf.group)
        options: dict[str, Any] = {"dest": leaf.name, "help": text}
        if leaf.name == "resume":
            options |= {"nargs": "?", "const": True, "metavar": "RUN"}
        elif leaf.kind is bool:
            options |= {"action": "store_const", "const": True}
        else:
            options |= {"required": required, "metavar": _METAVARS.get(leaf.kind, "S")}
        groups[leaf.group].add_argument(leaf.flag, **options)
    parser.add_argument(
        "--config", action="append", help="YAML file with any of these settings", metavar="FILE"
    )
    parser.usage = " ".join([prog, *places, "[options]"]).replace("%", "%%")
    return parser


_METAVARS = {int: "N", float: "X", list: "A,B"}
"""Short marks for a value in help, so that a flag keeps to its line."""


def _rare(shown: Collection[Leaf]) -> str:
    """Return a line of help that names some rare flags; "" where there are none."""
    names = [leaf.name for leaf in shown if leaf.about["rare"]]
    listed = ", ".join(names[:_NAMED])
    return f"show {len(names)} more: {listed}{', ...' if names[_NAMED:] else ''}" if names else ""


def _shown(default: Any) -> str:
    """Return a default as help shows it."""
    if default is None or default is MISSING or default is False or default == []:
        return ""
    return f" [{','.join(default) if isinstance(default, list) else default}]"


def _read_config(path: str) -> dict[str, Any]:
    try:
        found = read_yaml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config {path} cannot be read ({error.strerror}).") from error
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path} is no YAML: {error}.") from error
    if not isinstance(found, dict):
        raise ConfigError(f"--config {path}: holds no settings by name.")
    return {str(name): value for name, value in found.items()}


def _from_run(settings: type[Settings], given: Mapping[str, Any], runs: Path, command: str) -> dict[str, Any]:
    """Return the settings of the run to be resumed, with those that are given again.

    Args:
        settings: The settings class.
        given: Values by the names of leaves. Without "out", the latest run that agrees with them is meant.
        runs: The folder that holds the command's runs.
        command: Its name.

    Raises:
        ConfigError: If the named run does not exist, or what is given does not agree with it.
    """
    if given.get("out"):
        paths = [Path(given["out"]) / SETTINGS]
        if not paths[0].is_file():
            sys.stderr.write(f"{given['out']} holds no run to resume: a new one begins\n")
            return dict(given)
    else:
        paths = sorted(runs.glob(f"*/{SETTINGS}"), key=lambda path: path.stat().st_mtime, reverse=True)
    known = leaves(settings)
    for path in paths:
        found = read_settings(path.parent)
        if found.get("command") != command:
            if given.get("out"):
                raise ConfigError(f"{path.parent} holds no run of `{command}`. Name another folder.")
            continue
        try:
            before = settings.from_dict(
                {**flatten(found.get("settings", {})), "out": str(path.parent), "resume": True}
            )
        except ConfigError as error:  # the run of another release
            if given.get("out"):
                raise ConfigError([f"{path.parent}: {problem}" for problem in error.problems]) from error
            continue
        now = before.having(**given)
        asked = {
            name: value
            for name, value in now.flat().items()
            if name in given and not known[name].about["free"]
        }
        problems = changed_settings(before.flat(), asked, path.parent, **spelling(settings))
        if not problems:
            return now.flat()
        if given.get("out"):
            raise ConfigError(problems)
    return dict(given)


def guarded(run: Callable[[Sequence[str]], None], argv: Sequence[str] | None = None) -> int:
    """Run a command; turn what a user can mend into a message.

    Args:
        run: The command.
        argv: Arguments; by default those of the process.

    Returns:
        Exit status: 0, 2 for a user's error or a machine that refuses, 130 when interrupted, 143 when terminated.
    """
    argv = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # replaced by a plain buffer
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # names that are not UTF-8
    try:
        with terminable(), _rarely_collecting():
            if list(argv) == [VERSION]:
                sys.stdout.write(f"{version()}\n")
            else:
                run(argv)
            sys.stdout.flush()
    except CounterpointError as error:
        return _refused(str(error))
    except (KeyboardInterrupt, SystemExit) as end:
        # Lightning answers an interrupt in training with exit(1).
        cause = end.__context__ if isinstance(end, SystemExit) else end
        if not isinstance(cause, KeyboardInterrupt):
            raise
        sys.stderr.write(
            "interrupted; prepared music is kept, and --resume goes on with a run that had begun\n"
        )
        return TERMINATED if isinstance(cause, Terminated) else INTERRUPTED
    except OSError as error:
        closed = [stream for stream in (sys.stdout, sys.stderr) if unread(stream)]
        if not (isinstance(error, BrokenPipeError) and closed):
            return _refused(in_words(error))
        for stream in closed:  # what Python writes at its end goes to nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (MemoryError, RuntimeError) as error:
        if not is_memory_error(error):
            raise
        return _refused("The memory does not suffice. Give this less at once, or use a machine with more.")
    return 0


@contextmanager
def _rarely_collecting() -> Iterator[None]:
    """Let Python search for garbage in cycles a hundred times as rarely.

    The import of Lightning makes half a million objects and no garbage, and the searches take a tenth of its time.
    """
    usual = gc.get_threshold()
    gc.set_threshold(100 * usual[0], *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _refused(reason: str) -> int:
    """Write an error message and return the exit status."""
    sys.stderr.write(f"error: {reason}\n")
    return USER_ERROR


def version() -> str:
    """Return name and version of the installation."""
    return f"{DISTRIBUTION} {__version__}"
