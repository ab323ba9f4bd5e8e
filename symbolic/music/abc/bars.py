"""Keep the bars of one voice of an abc tune and the time in them. Overlays go back to the start of earlier bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(slots=True)
class Note:
    """A note with its onset in the time of its voice. Times are in quarters.

    Attributes:
        cents: What it lies above its pitch.
        place: Letter and octave as they are written, which a tie keeps.
        layer: Which of the layers of its bar it stands in, from 0.
        before: Whether a tie joins it to a note before.
        after: Whether a tie begins at it.
    """

    onset: Fraction
    length: Fraction
    pitch: int
    cents: int
    program: int
    place: tuple[str, int]
    layer: int
    before: bool = False
    after: bool = False


@dataclass(slots=True)
class VoiceBar:
    """A bar of one voice or the part of it before a change of time signature."""

    start: Fraction
    signature: tuple[int, int]
    length: Fraction = Fraction(0)
    notes: list[Note] = field(default_factory=list)
    tempos: list[tuple[Fraction, float]] = field(default_factory=list)


class Bars:
    """The bars of a voice while it is read.

    Args:
        signature: Time signature of the first bar.

    Attributes:
        now: Time of the next note in quarters.
        bar: The bar in which it stands.
        layer: Number of overlays before it that have gone back to this bar or one before.
        overfull: Number of bars that an overlay does not fit into.
    """

    def __init__(self, signature: tuple[int, int]) -> None:
        self.now = Fraction(0)
        self.bar = VoiceBar(self.now, signature)
        self.layer = 0
        self.overfull = 0
        self._all = [self.bar]  # the last one is open: it has no length yet
        self._at = 0
        self._end = self.now  # of the open bar's layers before the last '&'
        self._overlay: tuple[int, Fraction] | None = None  # bar and time at which '(&' stands

    @property
    def is_open(self) -> bool:
        """Whether the bar has no length yet. An overlay's bar may have one."""
        return self._at == len(self._all) - 1

    def close(self, signature: tuple[int, int]) -> bool:
        """End the bar unless nothing in it takes time.

        Args:
            signature: Time signature of the next bar if that is a new one.

        Returns:
            Whether a new bar has begun.
        """
        if not self.is_open:
            self._pass()
            return False
        end = max(self.now, self._end)
        self.bar.length = end - self.bar.start
        if not self.bar.length:
            return False
        self.bar, self.now = VoiceBar(end, signature), end
        self._all.append(self.bar)
        self._at += 1
        if not self._overlay:
            self.layer = 0
        return True

    def go_back(self, count: int) -> bool:
        """Begin an overlay: go back by bar lines, or to the start of an overlay of several bars.

        Args:
            count: Number of bar lines. The first one is that of this bar unless nothing stands in it.

        Returns:
            Whether there are so many bars.
        """
        self._note_end()
        self.layer += 1
        if self._overlay:
            self._go_to(*self._overlay)
            return True
        empty = self.is_open and self._end == self.bar.start
        at = self._at - count + (not empty)
        self._go_to(max(at, 0), self._all[max(at, 0)].start)
        return at >= 0

    def begin_overlay(self) -> None:
        """Begin an overlay of several bars: the next `go_back` returns to this time."""
        self._overlay = self._at, self.now

    def end_overlay(self) -> None:
        """End an overlay of several bars and go on after the longest layer."""
        self._note_end()
        self._overlay = None
        self.layer = 0
        self._go_to(len(self._all) - 1, self._end)

    def finished(self) -> list[VoiceBar]:
        """Close the last bar and return all that take time."""
        self.end_overlay()
        self.close(self.bar.signature)
        return self._all[:-1]

    def _note_end(self) -> None:
        if self.is_open:
            self._end = max(self._end, self.now, self.bar.start)

    def _go_to(self, at: int, time: Fraction) -> None:
        self._at, self.bar, self.now = at, self._all[at], time

    def _pass(self) -> None:
        """Go from a bar that an overlay is in to the next one."""
        if self.now == self.bar.start:
            return
        following = self._all[self._at + 1]
        self.overfull += self.now > following.start
        self._go_to(self._at + 1, following.start)
