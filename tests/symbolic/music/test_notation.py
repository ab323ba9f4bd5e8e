"""Test that written scores become music: ties, pick-ups, time signatures, limits."""

from fractions import Fraction

import pytest

from symbolic.errors import MusicFileError
from symbolic.music.notation import RESOLUTION, Bar, Notation, Part, time_signatures_of


def score(*notes: tuple[Fraction | int, Fraction | int, int, str], bars: list[Bar] | None = None) -> Notation:
    part = Part("piano")
    for onset, length, pitch, tie in notes:
        part.add(Fraction(onset), Fraction(length), pitch, tie=tie)
    return Notation([part], bars or [])


def quarters(notation: Notation) -> list[tuple[float, float, int]]:
    notes = notation.music("test").notes
    return [(n["onset"] / RESOLUTION, n["duration"] / RESOLUTION, int(n["pitch"])) for n in notes]


def bars(*lengths: int | Fraction, numerator: int = 4, denominator: int = 4) -> list[Bar]:
    starts = [sum(lengths[:i], Fraction(0)) for i in range(len(lengths))]
    return [Bar(s, Fraction(n), numerator, denominator) for s, n in zip(starts, lengths, strict=True)]


def signatures(*of: Bar) -> list[tuple[float, int, int]]:
    events, _ = time_signatures_of(of)
    return [(tick / RESOLUTION, n, d) for tick, n, d in events.tolist()]


def test_ties_join_notes_of_one_pitch() -> None:
    found = quarters(score((0, 1, 60, "start"), (1, 1, 60, "continue"), (1, 1, 64, ""), (2, 2, 60, "stop")))
    assert found == [(0, 4, 60), (1, 1, 64)]


def test_a_tie_that_meets_no_note_begins_one() -> None:
    assert quarters(score((0, 1, 60, ""), (1, 1, 60, "stop"))) == [(0, 1, 60), (1, 1, 60)]
    assert quarters(score((0, 1, 60, "start"), (2, 1, 60, "stop"))) == [(0, 1, 60), (2, 1, 60)]


def test_two_voices_tie_the_same_pitch() -> None:
    both = [(0, 1, 60, "start"), (0, 2, 60, "start"), (1, 1, 60, "stop"), (2, 2, 60, "stop")]
    assert quarters(score(*both)) == [(0, 2, 60), (0, 4, 60)]


def test_ties_that_end_together_go_on_in_their_own_voice() -> None:
    part = Part()
    for onset, length, tie, line in [
        (0, 4, "start", (1, 1)),
        (2, 2, "start", (1, 2)),
        (3, 1, "start", (2, 2)),
        (4, 1, "stop", (2, 1)),  # its voice weighs more than its staff
        (4, 2, "stop", (3, 2)),  # no voice agrees, but a staff
        (4, 3, "stop", (3, 3)),  # nothing agrees
    ]:
        part.add(Fraction(onset), Fraction(length), 60, tie=tie, line=line)
    assert [note[:2] for note in part.notes] == [[0, 7], [2, 4], [3, 2]]


def test_triplets_end_on_the_beat() -> None:
    third = Fraction(1, 3)
    notes = score(*[(i * third, third, 60 + i, "") for i in range(4)]).music("test").notes
    assert notes["onset"].tolist() == [0, 3360, 6720, 10080]


def test_a_pickup_moves_to_the_end_of_a_full_bar() -> None:
    notation = score((0, 1, 60, ""), (1, 1, 62, ""), bars=bars(1, 4, 4))
    assert quarters(notation) == [(3, 1, 60), (4, 1, 62)]
    assert notation.music("test").time_signatures.tolist() == [[0, 4, 4]]


def test_a_bar_split_at_a_repeat_sign_is_one_bar() -> None:
    assert signatures(*bars(4, 3, 1, 4)) == [(0, 4, 4)]


def test_a_short_bar_puts_the_next_one_on_its_downbeat() -> None:
    assert signatures(*bars(4, 3, 4, 4)) == [(0, 4, 4), (7, 4, 4)]
    assert signatures(*bars(4, 5, 4)) == [(0, 4, 4), (9, 4, 4)]


def test_time_signatures_change_where_bars_do() -> None:
    change = [Bar(Fraction(0), Fraction(4), 4, 4), Bar(Fraction(4), Fraction(3), 3, 4)]
    assert signatures(*change, Bar(Fraction(7), Fraction(3), 3, 4)) == [(0, 4, 4), (4, 3, 4)]


def test_the_first_tempo_holds_from_the_start() -> None:
    notation = score((0, 1, 60, ""))
    assert notation.music("test").tempos.tolist() == [[0, 120]]
    notation.tempos = {Fraction(4): 90.0}
    assert notation.music("test").tempos.tolist() == [[0, 90], [4 * RESOLUTION, 90]]


def test_pitches_that_midi_lacks_are_counted() -> None:
    music = score((0, 1, 128, ""), (0, 1, -1, ""), (0, 1, 60, "")).music("test")
    assert len(music) == 1
    assert music.repairs == ("notes outside MIDI's pitches left out: 2",)


@pytest.mark.parametrize("at", [Fraction(10**9), Fraction(-1)])
def test_times_outside_midi_are_refused(at: Fraction) -> None:
    with pytest.raises(MusicFileError, match=r"outside the 2\^31 ticks"):
        score((at, 1, 60, "")).music("test")


def test_a_score_without_parts_is_refused() -> None:
    with pytest.raises(MusicFileError, match="no parts"):
        Notation().music("test")
