"""Replace the macros of abc in music text.

Source: the abc music standard 2.1, section 9.
"""

from __future__ import annotations

import re

_MOST = 64
_LONGEST = 200
"""Most macros of a tune and most characters of one: text must not grow without end."""
_OF_ANY_NOTE = re.compile(r"([^n]*)n([\d/]*)")
_RELATIVE = re.compile(r'(?P<text>"[^"]*"|![^!]*!)|[h-z]')
_LETTERS = "CDEFGAB"


class Macros:
    """The macros of a tune such as "~G2 = {A}G{F}G", or "~n2 = n/o/n" for any note."""

    def __init__(self) -> None:
        self._meanings: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> bool:
        """Read an `m:` field.

        Returns:
            Whether it can be read.
        """
        macro, _, meaning = (part.strip() for part in value.partition("="))
        if not macro or max(len(macro), len(meaning)) > _LONGEST or len(self._meanings) == _MOST:
            return False
        self._meanings[macro] = meaning
        longest_first = sorted(self._meanings, key=len, reverse=True)
        self._pattern = re.compile(
            "|".join(_pattern_of(one, index) for index, one in enumerate(longest_first))
        )
        self._meanings = {one: self._meanings[one] for one in longest_first}
        return True

    def replaced(self, line: str) -> str:
        """Return a line of music with each macro replaced by its meaning, which is not searched for macros again."""
        return self._pattern.sub(self._meaning, line) if self._pattern else line

    def _meaning(self, match: re.Match[str]) -> str:
        group = match.lastgroup or ""
        meaning = list(self._meanings.values())[int(group[1:])]
        note = match.groupdict().get(f"n{group[1:]}")
        return meaning if note is None else _RELATIVE.sub(lambda found: _relative(found, note), meaning)


def _pattern_of(macro: str, index: int) -> str:
    """Return the pattern of a macro as the group "m" and its index. Its note is the group "n" and its index."""
    if found := _OF_ANY_NOTE.fullmatch(macro):
        before, length = map(re.escape, found.groups())
        return rf"(?P<m{index}>{before}(?P<n{index}>[A-Ga-g][,']{{0,9}}){length}(?![\d/]))"
    # "~G2" is no part of "~G2/".
    ending = r"(?![\d/])" if macro[-1] in "0123456789/" else ""
    return f"(?P<m{index}>{re.escape(macro)}{ending})"


def _relative(match: re.Match[str], note: str) -> str:
    """Return the note that a letter from h to z stands for: "n" for the note itself and "o" for the next one up."""
    if match["text"]:
        return match[0]
    letter = note[0]
    octave = note.count("'") - note.count(",") + letter.islower()
    octave, step = divmod(7 * octave + _LETTERS.index(letter.upper()) + ord(match[0]) - ord("n"), 7)
    if octave > 0:
        return _LETTERS[step].lower() + "'" * (octave - 1)
    return _LETTERS[step] + "," * -octave
