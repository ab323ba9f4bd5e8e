"""Put the measures of all parts onto one line of time: they begin together, each as long as its longest part."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

from symbolic.music.musicxml.part import Mark, PartReader, Signature, Time
from symbolic.music.notation import Bar

_DEFAULT = (4, 4)
_SLACK = Fraction(1, 16)
"""Quarters by which a bar may miss its time signature: programs round tuplets, and no music is off by so little."""
_EXCESS, _FINEST = Fraction(1, 2), Fraction(1, 16)
"""Quarters by which notes outlast a damaged bar at most, and a note value: other excesses are no music's."""


class Timeline:
    """The measures of a score in time.

    Args:
        readers: The parts, read.
        implicit: Measures that count as no bars of their own: they take no time if nothing stands in them.
        unit: Units of time to the quarter note.
        begins_at_0: Whether the first measure is numbered 0, as pick-ups are. Hidden rests do not fill it.

    Attributes:
        uneven: Number of measures that are shorter in some parts than in others.
        rounded: Number of measures that missed their time signature by a trifle.
        overlong: Number of measures whose hidden rests, or rests of a whole bar, went on beyond their end.
    """

    def __init__(
        self, readers: Sequence[PartReader], implicit: set[int], unit: int, begins_at_0: bool = False
    ) -> None:
        self._readers = readers
        self._begins_at_0 = begins_at_0
        self._unit = unit
        self._signatures = _leading(readers)
        self.uneven = self.rounded = self.overlong = 0
        lengths = self._lengths(implicit)
        self._starts: list[Time] = [0, *accumulate(lengths)]

    def units(self, measure: int, onset: Time) -> Time:
        """Return a time within a measure in units from the beginning."""
        return self._starts[measure] + onset

    def quarters(self, units: Time) -> Fraction:
        """Return a time or a length in quarters."""
        return Fraction(units, self._unit)

    def _lengths(self, implicit: set[int]) -> list[Time]:
        """Return how long each measure is, in units.

        Hidden rests and rests of whole bars fill a measure up to its time signature. They make none longer: programs
        write hidden rests for voices that do not add up, and four quarters for a bar of any length. Where they outlast
        notes that outlast it too, by what is no note value, they have displaced the notes: the time signature holds.
        """
        lengths: list[Time] = []
        signature, changes = Signature(-1, 0, *_DEFAULT), iter(self._signatures)
        coming = next(changes, None)
        for measure in range(max((len(reader.lengths) for reader in self._readers), default=0)):
            while coming and coming.measure <= measure:
                signature, coming = coming, next(changes, None)
            full: Time = Fraction(4 * signature.numerator * self._unit, signature.denominator)
            full = int(full) if full.denominator == 1 else full  # whole numbers are ten times as fast
            if signature.measure == measure:
                full += signature.onset
            here = [reader for reader in self._readers if measure < len(reader.lengths)]
            filled = 0 if measure == 0 and self._begins_at_0 else full
            found = {max(reader.lengths[measure], min(reader.reached[measure], filled)) for reader in here}
            self.uneven += len(found - {0}) > 1
            longest: Time = max(found)
            if filled and max(reader.reached[measure] for reader in here) > longest:
                self.overlong += 1
                excess = Fraction(longest - full, self._unit)
                longest = full if 0 < excess <= _EXCESS and excess % _FINEST else longest
            if longest != full and abs(Fraction(longest - full)) <= _SLACK * self._unit:
                longest = full
                self.rounded += 1
            elif not longest and measure not in implicit:
                longest = full
            lengths.append(longest)
        return lengths

    def bars(self) -> list[Bar]:
        """Return the bars. A change of time signature within a measure begins one."""
        bars: list[Bar] = []
        signature, changes = _DEFAULT, list(self._signatures)
        changes.reverse()
        for measure, (start, end) in enumerate(zip(self._starts, self._starts[1:], strict=False)):
            cuts: list[tuple[Time, tuple[int, int]]] = [(start, signature)]
            while changes and changes[-1].measure == measure:
                change = changes.pop()
                signature = change.numerator, change.denominator
                at = start + change.onset
                if at == cuts[-1][0]:
                    cuts[-1] = at, signature
                elif at < end:
                    cuts.append((at, signature))
            for (at, (upper, lower)), until in zip(cuts, [*(cut for cut, _ in cuts[1:]), end], strict=True):
                # Where a change cuts the first bar short, that is no pick-up.
                length = Fraction(4 * upper, lower) if until != end else Fraction(until - at, self._unit)
                bars.append(Bar(Fraction(at, self._unit), length, upper, lower))
        return bars

    def tempos(self) -> dict[Fraction, float]:
        """Return quarter notes per minute by time in quarters.

        At one time, the mark of the first part holds, and a tempo for playback before a metronome mark.
        """
        found: dict[Fraction, tuple[float, bool]] = {}
        for marks in ([r.sounds for r in self._readers], [r.marks for r in self._readers]):
            for part in marks:
                for mark in part:
                    found.setdefault(self._time_of(mark), mark.metronome)
        tempos: dict[Fraction, float] = {}
        last = 120.0
        for time, (value, is_ratio) in sorted(found.items()):
            last = tempos[time] = last * value if is_ratio else value
        return tempos

    def _time_of(self, mark: Mark) -> Fraction:
        return self.quarters(self.units(mark.measure, mark.onset))


def _leading(readers: Sequence[PartReader]) -> list[Signature]:
    """Return the time signatures of the part that states one first: parts may differ, and bars can have but one."""
    stated = [reader.signatures for reader in readers if reader.signatures]
    return min(stated, key=lambda changes: (changes[0].measure, changes[0].onset), default=[])
