"""Put the voices of an abc tune together: bars that begin at once, tracks, tempos."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

from symbolic.music.abc.bars import VoiceBar
from symbolic.music.abc.tune import Tune
from symbolic.music.abc.voice import Voice
from symbolic.music.notation import Bar, Notation, Part, counted


def notation_of(tune: Tune) -> Notation:
    """Return the voices of a tune as parts. Voices without notes are left out.

    Args:
        tune: A tune that was read.
    """
    read = [(voice, voice.end()) for voice in tune.voices.values()]
    read = [one for one in read if any(bar.notes for bar in one[1])] or read[:1]
    bars, starts, repairs = _together([bars for _, bars in read])
    notation = Notation(bars=bars, repairs=[*_repairs(tune), *repairs])
    for (voice, own), at in zip(read, starts, strict=True):
        part = Part(voice.name, voice.setting.program)
        part.words = voice.words
        for bar, start in zip(own, at, strict=True):
            _add(part, bar, start - bar.start)
            for when, tempo in bar.tempos:
                notation.tempos.setdefault(when + start - bar.start, tempo)
        notation.parts.append(part)
    if tune.tempo:
        notation.tempos.setdefault(Fraction(0), tune.tempo)
    return notation


def _add(part: Part, bar: VoiceBar, shift: Fraction) -> None:
    for note in bar.notes:
        tie = ("continue" if note.after else "stop") if note.before else "start" * note.after
        part.add(
            note.onset + shift,
            note.length,
            note.pitch,
            tie=tie,
            line=(note.layer,),
            program=note.program,
            cents=note.cents,
        )


def _together(voices: Sequence[Sequence[VoiceBar]]) -> tuple[list[Bar], list[list[Fraction]], list[str]]:
    """Begin the bars of all voices together. A bar lasts as long as in the voice where it is longest.

    Voices whose bar lines differ in number keep the times that their notes give them.

    Args:
        voices: The bars of each voice by its own time.

    Returns:
        The bars of all voices together, the start of each bar of each voice and what was moved.
    """
    longest = max(voices, key=len)
    lengths = [bar.length for bar in longest]
    for voice in voices:
        lengths[: len(voice)] = map(max, lengths, (bar.length for bar in voice))
    uneven = len(
        {
            index
            for voice in voices
            for index, (bar, length) in enumerate(zip(voice, lengths, strict=False))
            if bar.length != length
        }
    )
    if uneven and any(len(voice) != len(longest) for voice in voices):
        last = max(voices, key=lambda voice: voice[-1].start + voice[-1].length if voice else 0)
        starts = [[bar.start for bar in voice] for voice in voices]
        return (
            [Bar(bar.start, bar.length, *bar.signature) for bar in last],
            starts,
            ["the voices have different bar lines, so that each keeps its own time"],
        )
    at = list(accumulate(lengths, initial=Fraction(0)))
    signatures = _signatures(voices)
    bars = [
        Bar(start, length, *signature)
        for start, length, signature in zip(at, lengths, signatures, strict=False)
    ]
    repairs = counted({"bars of unequal length in the voices lined up": uneven})
    return bars, [at[: len(voice)] for voice in voices], repairs


def _signatures(voices: Sequence[Sequence[VoiceBar]]) -> list[tuple[int, int]]:
    """Return the time signature of each bar: that of the first voice in which it changes."""
    changes: dict[int, tuple[int, int]] = {}
    for voice in reversed(voices):
        before = None
        for index, bar in enumerate(voice):
            if bar.signature != before:
                before = changes[index] = bar.signature
    found: list[tuple[int, int]] = []
    for index in range(max(map(len, voices))):
        found.append(changes[index] if index in changes else found[-1])
    return found


def _repairs(tune: Tune) -> list[str]:
    voices: list[Voice] = list(tune.voices.values())
    return tune.problems + counted(
        tune.left_out
        | {
            "characters that mean nothing in abc left out": sum(v.strays for v in voices),
            "quotations without an end taken to end with their lines": sum(v.unclosed for v in voices),
            "overlays longer than their bars left to overlap the next": sum(v.overfull for v in voices),
        }
    )
