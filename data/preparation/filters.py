"""Filters of pieces with reasons in words."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from symbolic.errors import ConfigError
from symbolic.music.files import MAX_BYTES, MAX_NOTES
from symbolic.music.midi.repair import KEEP, PEDAL
from symbolic.music.notes import DRUM_PROGRAM, Music

_TIME_SIGNATURE = re.compile(r"[1-9]\d*/[1-9]\d*")


@dataclass(frozen=True)
class Filters:
    """Pieces and notes to keep. Durations run from the first onset to the last release.

    Args:
        min_notes: Smallest number of notes.
        max_notes: Largest number of notes. Longer files are machine-made and would fill a shard alone.
        keep_drums: Keep the notes of the drum kit.
        drum_only: Keep pieces of drums alone.
        need_drums: Keep only pieces with drums.
        programs: MIDI programs, 0 to 127. Keep only pieces whose pitched notes all have one of them. Empty: all.
        need_programs: Keep only pieces that use every one of these programs. Drums are 128.
        min_seconds, max_seconds: Limits of the duration. None: no limit.
        min_quarters, max_quarters: Limits of the duration in quarter notes.
        time_signatures: Keep only pieces with these time signatures such as ("3/4", "6/8"). Empty: all.
        pedal: Notes of MIDI files under the sustain pedal. "keep": as written. "extend": until its release.
        max_bytes: Larger files are not opened.
        read_seconds: Skip a piece that takes longer to read (in worker processes).
        read_memory: Skip a piece that takes more bytes to read (in worker processes, on Linux).

    Raises:
        ConfigError: If limits are not positive or contradict each other. The message names all of them.
    """

    min_notes: int = 8
    max_notes: int = MAX_NOTES
    keep_drums: bool = True
    drum_only: bool = False
    need_drums: bool = False
    programs: tuple[int, ...] = ()
    need_programs: tuple[int, ...] = ()
    min_seconds: float | None = None
    max_seconds: float | None = None
    min_quarters: float | None = None
    max_quarters: float | None = None
    time_signatures: tuple[str, ...] = ()
    pedal: str = KEEP
    max_bytes: int = MAX_BYTES
    read_seconds: float = 60.0
    read_memory: int = 4 * 2**30

    def __post_init__(self) -> None:
        problems = [
            f"filters.{name} is {getattr(self, name)}; it must be positive."
            for name in ("min_notes", "max_notes", "max_bytes", "read_seconds", "read_memory")
            if not getattr(self, name) > 0
        ]
        for unit in ("notes", "seconds", "quarters"):
            low, high = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if low is not None and high is not None and low > high:
                problems.append(f"filters.min_{unit} {low:g} exceeds max_{unit} {high:g}.")
        if self.pedal not in PEDAL:
            problems.append(f"filters.pedal is '{self.pedal}'; choose from {', '.join(PEDAL)}.")
        if self.drum_only and not self.keep_drums:
            problems.append(
                "filters.drum_only keeps pieces of drums alone, whose notes would all be dropped."
            )
        if strange := [p for p in self.programs if not 0 <= p < DRUM_PROGRAM]:
            problems.append(f"filters.programs holds {_listed(strange)}; MIDI programs are 0 to 127.")
        if strange := [p for p in self.need_programs if not 0 <= p <= DRUM_PROGRAM]:
            problems.append(
                f"filters.need_programs holds {_listed(strange)}; programs are 0 to 127, drums 128."
            )
        if self.programs and (barred := set(self.need_programs) - {*self.programs, DRUM_PROGRAM}):
            problems.append(
                f"filters.need_programs asks for {_listed(barred)}, which programs does not allow."
            )
        if odd := [one for one in self.time_signatures if not _TIME_SIGNATURE.fullmatch(one)]:
            problems.append(
                f"filters.time_signatures holds {', '.join(map(repr, odd))}; write time signatures like 3/4."
            )
        if problems:
            raise ConfigError(problems)

    def refusal(self, music: Music) -> str:
        """Return why a piece is dropped as 'kind: details' or "". Time signatures are not checked here.

        Args:
            music: The music as its file has it.
        """
        drums = int(music.drums.sum())
        if len(music) == 0:
            return "empty: it holds no notes"
        if drums == len(music) and not self.drum_only:
            return f"drum-only: all {drums} notes are drums"
        count = len(music) if self.keep_drums else len(music) - drums
        if count < self.min_notes:
            return f"too short: {count} notes, the filter asks for {self.min_notes}"
        if count > self.max_notes:
            return f"absurdly long: {count:,} notes, the filter allows {self.max_notes:,}"
        if self.need_drums and not drums:
            return "no drums: the filter asks for pieces with drums"
        return self._other_programs(music) or self._other_duration(music)

    def metre_refusal(self, music: Music) -> str:
        """Return why a piece is dropped for its time signatures or "".

        Args:
            music: The music with repaired bars where its corpus does that.
        """
        if not self.time_signatures:
            return ""
        start, end = _span(music)
        valid = (music.time_signatures[:, 1:] > 0).all(axis=1)  # 0/4 is ignored
        time_signatures = music.time_signatures[valid]
        ticks = time_signatures[:, 0]
        # The one at the first note, and those that begin under the notes. Of several at one tick the last counts.
        until = np.append(ticks[1:], np.inf)
        used = time_signatures[(ticks < end) & (until > np.maximum(ticks, start))]
        found = {f"{numerator}/{denominator}" for _, numerator, denominator in used.tolist()}
        if len(ticks) == 0 or ticks[0] > start:
            found.add("4/4")  # as in MIDI
        if found <= set(self.time_signatures):
            return ""
        return f"other metre: {', '.join(sorted(found))}, the filter allows {', '.join(self.time_signatures)}"

    def _other_programs(self, music: Music) -> str:
        found = set(np.unique(music.notes["program"]).tolist())
        if self.programs and (others := found - {*self.programs, DRUM_PROGRAM}):
            return f"other instruments: programs {_listed(others)}, which the filter does not allow"
        if missing := set(self.need_programs) - found:
            return f"missing instruments: programs {_listed(missing)}, which the filter asks for"
        return ""

    def _other_duration(self, music: Music) -> str:
        if (self.min_seconds, self.max_seconds, self.min_quarters, self.max_quarters) == (None,) * 4:
            return ""
        span = _span(music)
        spans = {
            "seconds": float(np.diff(music.seconds(np.array(span)))[0]),
            "quarters": (span[1] - span[0]) / music.resolution,
        }
        for unit, length in spans.items():
            low, high = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if low is not None and length < low:
                return f"too brief: {length:.1f} {unit}, the filter asks for {low:g}"
            if high is not None and length > high:
                return f"too lengthy: {length:.1f} {unit}, the filter allows {high:g}"
        return ""


def _span(music: Music) -> tuple[int, int]:
    """Return the first onset and the last release in ticks."""
    onset = music.notes["onset"]
    return int(onset.min()), int((onset + music.notes["duration"]).max())


def _listed(numbers: set[int] | list[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
