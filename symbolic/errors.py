"""Errors that a user can cause or correct.

Each message names the problem, its place and what to do. Commands print only the message and exit with status 2.
Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches


class CounterpointError(Exception):
    """Base class of all errors that a user can act on."""


class MusicFileError(CounterpointError):
    """A music file cannot be read or holds nothing usable.

    Args:
        path: The file.
        reason: Why it was refused without a full stop at the end.
        remedy: What the user can do as a full sentence. It may be empty.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str, remedy: str = "") -> None:
        super().__init__(f"{path}: {reason}." + (f" {remedy}" if remedy else ""))
        self.path = str(path)
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[MusicFileError], tuple[str, str, str]]:
        """Support pickling, by which exceptions return from worker processes."""
        return type(self), (self.path, self.reason, self.remedy)


class TokenizerMismatch(CounterpointError):
    """Shards, checkpoint and tokenizer do not belong together."""


class CheckpointError(CounterpointError):
    """A checkpoint is missing, damaged or of an unsafe kind."""


class CorpusError(CounterpointError):
    """A corpus is absent, empty or laid out in an unexpected way."""


class LabelError(CounterpointError):
    """Labels and files do not match."""


class LeakError(CounterpointError):
    """A test piece was used in pretraining or occurs on two sides of a split."""


class ConfigError(CounterpointError):
    """Settings are wrong. The message names all problems at once.

    Args:
        problems: One sentence for each wrong setting.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        listed = [problems] if isinstance(problems, str) else list(problems)
        super().__init__(listed[0] if len(listed) == 1 else "\n".join(f"- {p}" for p in listed))
        self.problems = listed


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'? " for the known name that is nearest to a word or "" where none is near."""
    near = get_close_matches(word, list(known), 1)
    return f"did you mean '{near[0]}'? " if near else ""
