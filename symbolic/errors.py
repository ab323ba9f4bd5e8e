"""The error family: every failure a user can cause or mend is one of these.

Each message is made of what went wrong, where, and what to do about it. Commands print the message alone and
exit with status 2; anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches


class CounterpointError(Exception):
    """Base of all errors that a user can act on."""


class MusicFileError(CounterpointError):
    """A music file cannot be read, or holds nothing usable.

    Args:
        path: The file.
        reason: Why it was refused, without a trailing full stop.
        remedy: What the user can do, as a full sentence; may be empty.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str, remedy: str = "") -> None:
        super().__init__(f"{path}: {reason}." + (f" {remedy}" if remedy else ""))
        self.path = str(path)
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[MusicFileError], tuple[str, str, str]]:
        """Survive the way back from a worker process, where exceptions are pickled."""
        return type(self), (self.path, self.reason, self.remedy)


class TokenizerMismatch(CounterpointError):
    """Shards, checkpoint and tokenizer were not made for one another."""


class CheckpointError(CounterpointError):
    """A checkpoint is missing, damaged, or of a kind that is never loaded."""


class CorpusError(CounterpointError):
    """A corpus is absent, empty, or not laid out as its reader expects."""


class LabelError(CounterpointError):
    """Labels and files do not fit together."""


class LeakError(CounterpointError):
    """A test piece was seen in pretraining, or stands on two sides of a split."""


class ConfigError(CounterpointError):
    """Settings are wrong; all of them are named at once.

    Args:
        problems: One sentence for each wrong field.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        listed = [problems] if isinstance(problems, str) else list(problems)
        super().__init__(listed[0] if len(listed) == 1 else "\n".join(f"- {p}" for p in listed))
        self.problems = listed


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'? " for the known name that is nearest to a word, or "" where none is near."""
    near = get_close_matches(word, list(known), 1)
    return f"did you mean '{near[0]}'? " if near else ""
