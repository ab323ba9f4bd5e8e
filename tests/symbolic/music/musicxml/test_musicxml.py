"""MusicXML: what each construct means, in small scores whose notes are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from musicxml_text import backup, chord, forward, note, notes, score

from symbolic.music.musicxml.reader import parse_musicxml, read_tree
from symbolic.music.musicxml.source import score_tree
from symbolic.music.notation import RESOLUTION
from symbolic.music.notes import Music
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import BAR, POSITION, RESERVED

FULL = notes("C4 C4 C4 C4")
HIDDEN = ' print-object="no"'
HIDDEN_REST = note("r", 5, attributes=HIDDEN)
THREE_EIGHT = "<attributes><time><beats>3</beats><beat-type>8</beat-type></time></attributes>"


def read(*parts: list[str], **options: object) -> Music:
    return parse_musicxml(score(*parts, **options).encode(), "score")  # type: ignore[arg-type]


def sounding(music: Music, track: int | None = None) -> list[tuple[float, float, int]]:
    """Onset and length in quarters, and pitch, of every note."""
    chosen = music.notes if track is None else music.notes[music.notes["track"] == track]
    return [(n["onset"] / RESOLUTION, n["duration"] / RESOLUTION, int(n["pitch"])) for n in chosen]


def onsets(music: Music, track: int) -> list[float]:
    return [onset for onset, _, _ in sounding(music, track)]


def pitches(music: Music) -> list[int]:
    return music.notes["pitch"].tolist()


def signatures(music: Music) -> list[tuple[float, int, int]]:
    return [(tick / RESOLUTION, upper, lower) for tick, upper, lower in music.time_signatures.tolist()]


def places(music: Music) -> list[tuple[int, float]]:
    """Bar and quarters in the bar of every token."""
    ids = Tokenizer().encode(music).ids.astype(int) - RESERVED
    return [(bar, position / 16) for bar, position in ids[:, [BAR, POSITION]].tolist()]


def bars(count: int, start: int = 0) -> list[tuple[int, float]]:
    return [(bar, float(beat)) for bar in range(start, start + count) for beat in range(4)]


class TestBars:
    @pytest.mark.parametrize(
        ("measures", "expected"),
        [
            pytest.param([FULL, FULL], bars(2), id="full"),
            pytest.param([note(), FULL], [(0, 3.0), *bars(1, 1)], id="pick-up at the bar's end"),
            pytest.param([FULL, note() * 3, note(), FULL], bars(3), id="split at a repeat"),
            pytest.param(
                [FULL, note(quarters=8 / 3), note(quarters=4 / 3), FULL],
                [*bars(1), (1, 0.0), (1, 43 / 16), *bars(1, 2)],
                id="split within a triplet",
            ),
            pytest.param([note(), FULL, note() * 3, note(), FULL], [(0, 3.0), *bars(3, 1)], id="both"),
            pytest.param([FULL, note(), FULL], [*bars(1), (1, 0.0), *bars(1, 2)], id="short bar"),
            pytest.param([FULL, FULL + note(), FULL], [*bars(2), (2, 0.0), *bars(1, 3)], id="bar too long"),
        ],
    )
    def test_notes_stand_in_their_bars(self, measures, expected):
        assert places(read(measures)) == expected

    def test_bars_begin_together_in_all_parts(self):
        short = [notes("C3 C3 C3 C3"), notes("D3 D3 D3"), notes("E3"), notes("F3")]
        music = read([FULL] * 4, short)
        assert onsets(music, 1) == [0, 1, 2, 3, 4, 5, 6, 8, 12]
        assert signatures(music) == [(0, 4, 4)]
        assert music.repairs == ("bars of unequal length in the parts lined up: 3",)

    def test_the_longest_part_makes_the_bar(self):
        time = "<attributes><time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
        music = read(
            [FULL + note(), time + notes("D4 D4 D4")], [note("r", 5), time + notes("D3 D3 D3")], time=""
        )
        assert onsets(music, 0) == [0, 1, 2, 3, 4, 5, 6, 7]
        assert onsets(music, 1) == [5, 6, 7]
        assert signatures(music) == [(0, 4, 4), (5, 3, 4)]

    def test_a_part_that_ends_early_or_rests_without_a_sign(self):
        music = read([FULL] * 3, ["", FULL], [notes("G4 G4 G4 G4")])
        assert onsets(music, 1) == [4, 5, 6, 7]
        assert music.repairs == ()

    def test_a_bar_without_anything_is_a_full_bar(self):
        assert onsets(read([FULL, "", FULL]), 0) == [0, 1, 2, 3, 8, 9, 10, 11]

    @pytest.mark.parametrize(
        "silence",
        [HIDDEN_REST, forward(5), note("r", 5).replace("<rest/>", '<rest measure="yes"/>')],
        ids=["hidden rest", "forward", "rest of a whole bar"],
    )
    @pytest.mark.parametrize(
        ("content", "length", "expected"),
        [
            pytest.param("", 0, 4, id="nothing"),
            pytest.param(note(), 1, 4, id="a short bar"),
            pytest.param(FULL, 4, 4, id="a full bar"),
            pytest.param(FULL + note("E4", 0.5), 4.5, 4.5, id="a note beyond the signature"),
            pytest.param(FULL + note("E4", 1 / 3), 13 / 3, 4, id="a note pushed by no note value"),
            pytest.param(FULL + note("E4", 2 / 3), 14 / 3, 14 / 3, id="a note pushed further"),
            pytest.param(FULL + note("r"), 5, 5, id="a visible rest beyond the signature"),
        ],
    )
    def test_hidden_rests_fill_a_bar_and_lengthen_none(self, content, length, expected, silence):
        music = read([FULL, content + backup(length) + silence, FULL])
        assert onsets(music, 0)[-4:] == pytest.approx([4 + expected + beat for beat in range(4)])
        assert len(music.repairs) == (expected < 5)

    def test_hidden_rests_of_one_part_lengthen_no_other(self):
        music = read([FULL, FULL, FULL], [FULL, HIDDEN_REST, FULL])
        assert onsets(music, 0) == [*range(12)]
        assert onsets(music, 1)[4:] == [8, 9, 10, 11]
        assert music.repairs == ("bars that rests made longer than their time signature set right: 1",)

    def test_hidden_rests_fill_both_signatures_of_a_bar(self):
        music = read([note("r") + note() + THREE_EIGHT + note("r", 1.5, attributes=HIDDEN), note()])
        assert onsets(music, 0) == [1, 3.5]

    def test_signs_that_repeat_a_bar_are_counted(self):
        sign = "<attributes><measure-style><measure-repeat type='{}'>1</measure-repeat></measure-style></attributes>"
        music = read([FULL, sign.format("start") + note("r", 4), sign.format("stop") + FULL])
        assert music.repairs == ("signs that repeat bars left out: 1",)

    def test_an_implicit_measure_without_anything_takes_no_time(self):
        assert onsets(read([FULL, '<measure number="X1" implicit="yes">', FULL]), 0) == [*range(8)]

    def test_a_pick_up_is_one_in_all_parts(self):
        assert onsets(read([note(), FULL], [note("r"), FULL]), 0) == [3, 4, 5, 6, 7]
        assert onsets(read([note() + forward(3), FULL], [FULL, FULL]), 0)[0] == 0
        assert onsets(read([note(), FULL], [FULL, FULL]), 0) == [0, 4, 5, 6, 7]

    @pytest.mark.parametrize(("number", "first"), [("0", 3), ("1", 0)])
    def test_hidden_rests_do_not_fill_a_measure_numbered_0(self, number, first):
        begins = f'<measure number="{number}">{note()}'
        hidden = note("r", 3, attributes=HIDDEN)
        music = read([begins + hidden, FULL], [begins, FULL])
        assert onsets(music, 0) == onsets(music, 1) == [first, 4, 5, 6, 7]

    def test_a_bar_whose_voice_changes_staves_is_no_pick_up(self):
        crossing = notes("C5 D5 E5", staff=1) + note("F3", staff=2)
        music = read([crossing, note("G5", 4, staff=1) + backup(4) + note("C3", 4, staff=2)])
        assert sounding(music, 0) == [(0, 1, 72), (1, 1, 74), (2, 1, 76), (4, 4, 79)]
        assert sounding(music, 1) == [(3, 1, 53), (4, 4, 48)]
        assert signatures(music) == [(0, 4, 4)]

    @pytest.mark.parametrize(("last", "third"), [(239, 8), (241, 8), (180, 7.75)])
    def test_a_bar_that_misses_its_length_by_a_trifle_is_full(self, last, third):
        text = score([FULL, notes("C4 C4 C4") + note().replace(">12<", f">{last}<"), FULL])
        finer = text.replace("<divisions>12", "<divisions>240").replace("<duration>12<", "<duration>240<")
        music = parse_musicxml(finer.encode(), "score")
        assert onsets(music, 0)[4::4] == [4, third]
        assert (len(music.repairs), len(signatures(music))) == ((1, 1) if third == 8 else (0, 2))

    def test_change_within_a_bar(self):
        eighths = notes("D4 D4 D4", 0.5)
        music = read([notes("C4 C4") + THREE_EIGHT + eighths, eighths])
        assert onsets(music, 0) == [0, 1, 2, 2.5, 3, 3.5, 4, 4.5]
        assert signatures(music) == [(0, 4, 4), (2, 3, 8)]

    def test_change_at_the_end_of_a_bar_holds_for_the_next(self):
        assert signatures(read([FULL + THREE_EIGHT, note(quarters=1.5)])) == [(0, 4, 4), (4, 3, 8)]

    def test_the_part_that_states_a_signature_first_leads(self):
        time = "<attributes><time><beats>2</beats><beat-type>4</beat-type></time></attributes>"
        music = read([FULL] * 3, ["", time, ""], time="")
        assert signatures(music)[1] == (4, 2, 4)
        assert signatures(read([FULL] * 3, [FULL, time + FULL, FULL])) == [(0, 4, 4)]

    @pytest.mark.parametrize(
        ("time", "expected"),
        [
            ("<time><beats>3+2</beats><beat-type>8</beat-type></time>", (5, 8)),
            (
                "<time><beats>3</beats><beat-type>8</beat-type><beats>2</beats><beat-type>4</beat-type></time>",
                (7, 8),
            ),
            (
                '<time number="1"><beats>6</beats><beat-type>8</beat-type></time>'
                '<time number="2"><beats>3</beats><beat-type>4</beat-type></time>',
                (6, 8),
            ),
            ("<time><senza-misura/></time>", (4, 4)),
            ("<time><beats>x</beats><beat-type>0</beat-type></time>", (4, 4)),
            ("", (4, 4)),
        ],
    )
    def test_unusual_signatures(self, time, expected):
        assert signatures(read([note(quarters=2.5)], time=time)) == [(0, *expected)]


class TestNotes:
    def test_a_chord_note_after_another_element_joins_its_chord(self):
        words = "<direction><direction-type><words>x</words></direction-type></direction>"
        joined = note("F4", first="<chord/>")
        music = read([note("A4") + words + joined + notes("G4 G4 G4"), note("E4", 4)])
        assert sounding(music)[:3] == [(0, 1, 69), (0, 1, 65), (1, 1, 67)]
        assert sounding(music)[-1] == (4, 4, 64)

    def test_notes_of_a_chord_keep_their_own_lengths(self):
        music = read([note("C4", 2) + note("E4", 1, first="<chord/>") + note("G4", 2)])
        assert sounding(music) == [(0, 2, 60), (0, 1, 64), (2, 2, 67)]

    def test_grace_notes_have_no_length_and_take_no_time(self):
        music = read([note("D4", first="<grace/>") + note("F4", first="<grace/><chord/>") + FULL])
        assert sounding(music)[:3] == [(0, 0, 62), (0, 0, 65), (0, 1, 60)]

    def test_a_note_without_a_staff_is_on_that_of_its_voice(self):
        first = note("C5", 4, voice="1", staff=1) + backup(4) + note("r", 4, voice="2", staff=2)
        second = note("A4", 4, voice="1", staff=1) + backup(4) + note("E3", 4, voice="2")
        music = read([first, second])
        assert sounding(music, 0) == [(0, 4, 72), (4, 4, 69)]
        assert sounding(music, 1) == [(4, 4, 52)]
        assert music.tracks == ("Part 1", "Part 1")

    def test_chord_symbols_are_left_out(self):
        symbol = "<harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>"
        assert len(read([symbol + FULL])) == 4

    def test_rests_alone_are_music_without_notes(self):
        music = read([note("r", 4)])
        assert len(music) == 0
        assert signatures(music) == [(0, 4, 4)]

    def test_forward_and_backup_move(self):
        music = read([note() + forward(2) + note("D4") + backup(2) + note("E4") + backup(9) + note("F4")])
        assert sounding(music) == [(0, 1, 60), (0, 1, 65), (2, 1, 64), (3, 1, 62)]
        assert music.repairs == ("times before a bar's start moved to it: 1",)

    def test_divisions_may_change_and_differ(self):
        music = read([FULL, "<attributes><divisions>7</divisions></attributes>" + note() * 2], [FULL, FULL])
        seventh = RESOLUTION * 12 // 7
        assert music.notes[4:6][["onset", "duration"]].tolist() == [
            (4 * RESOLUTION, seventh),
            (4 * RESOLUTION + seventh, seventh),
        ]

    def test_cue_notes_are_silent_and_take_time(self):
        music = read([note("E4", first="<cue/>") + note()])
        assert sounding(music) == [(1, 1, 60)]
        assert music.repairs == ("silent cue notes left out: 1",)

    @pytest.mark.parametrize(
        ("program", "count"),
        [
            ("MuseScore 2.3.2", 2),
            ("MuseScore 3.4.2", 2),
            ("Finale 2014 for Windows", 2),
            ("MuseScore 3.6", 1),
        ],
    )
    def test_small_notes_of_programs_that_call_them_cues_sound(self, program, count):
        head = f"<identification><encoding><software>{program}</software></encoding></identification>"
        assert len(read([note("E4", first="<cue/>") + note()], head=head)) == count

    @pytest.mark.parametrize("first", ["", "<cue/>"])
    def test_notes_that_are_not_printed_sound(self, first):
        assert len(read([note(first=first, attributes=' print-object="no"')])) == 1

    def test_loudness_in_hundredths_of_90(self):
        music = read([note() + note(attributes=' dynamics="100"') + note(attributes=' dynamics="1e999"')])
        assert music.notes["velocity"].tolist() == [64, 90, 64]

    def test_microtones_are_cents_of_the_nearest_note(self):
        written = ("-0.5", "1.5", "-1.42", "0.25", "-2")
        music = read(["".join(note().replace("<octave>", f"<alter>{by}</alter><octave>") for by in written)])
        assert pitches(music) == [60, 61, 59, 60, 58]
        assert music.notes["cents"].tolist() == [-50, 50, -42, 25, 0]
        assert not music.repairs

    def test_a_note_without_a_length_has_that_of_its_type(self):
        written = "<type>eighth</type><dot/>"
        tuplet = "<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes></time-modification>"
        absent = note(last=written).replace("<duration>12</duration>", "")
        negative = note(last=written + tuplet).replace(">12<", ">-6<")
        music = read([absent + negative + FULL])
        assert sounding(music)[:3] == [(0, 0.75, 60), (0.25, 1, 60), (0.75, 0.5, 60)]
        assert music.repairs == ("notes without a duration given that of their type: 2",)

    def test_timewise_scores_are_the_same(self):
        text = score([FULL, note("D4", 4)], [note("E3", 4), FULL])
        music = parse_musicxml(text.encode(), "partwise")
        bodies = [part.split("</measure>") for part in text.split('<part id="')[1:]]
        measures = "".join(
            f'<measure number="{i + 1}">'
            + "".join(
                f'<part id="P{p}">' + body[i].partition("<measure")[2].partition(">")[2] + "</part>"
                for p, body in enumerate(bodies, 1)
            )
            + "</measure>"
            for i in range(2)
        )
        head = text.partition('<part id="')[0].replace("partwise", "timewise")
        again = parse_musicxml(f"{head}{measures}</score-timewise>".encode(), "timewise")
        np.testing.assert_array_equal(again.notes, music.notes)
        assert again.tracks == music.tracks


class TestTies:
    def test_tied_notes_are_one(self):
        tied = [note(tie="start", quarters=4), note(tie="stop start", quarters=4), note(tie="stop")]
        assert sounding(read(tied)) == [(0, 9, 60)]

    @pytest.mark.parametrize("tied", ["C E", "C", "E", ""])
    def test_only_the_tied_notes_of_a_chord_are_joined(self, tied):
        def both(kind: str) -> str:
            return "".join(
                note(f"{one}4", 4, first="<chord/>" * (one == "E"), tie=kind * (one in tied)) for one in "CE"
            )

        found = sounding(read([both("start"), both("stop")]))
        for step, pitch in (("C", 60), ("E", 64)):
            lengths = [length for _, length, other in found if other == pitch]
            assert lengths == ([8] if step in tied else [4, 4])

    def test_a_tie_across_a_rest_joins_nothing(self):
        found = sounding(read([note(tie="start") + note("r") + note(tie="stop", quarters=2)]))
        assert found == [(0, 1, 60), (2, 2, 60)]

    @pytest.mark.parametrize("other", ["", "start", "stop"])
    def test_a_tie_holds_though_another_voice_strikes_its_pitch(self, other):
        below = backup(4) + note("G4", 2, voice="2") + note("C4", 2, voice="2", tie=other)
        held = [note(quarters=4, voice="1", tie=kind) for kind in ("start", "stop")]
        assert sorted(sounding(read([held[0] + below, held[1]]))) == [(0, 2, 67), (0, 8, 60), (2, 2, 60)]

    def test_a_tie_may_cross_staves_and_voices(self):
        over = note("C4", 4, tie="start", voice="5", staff=2)
        music = read([over, note("C4", 4, tie="stop", voice="1", staff=1)])
        assert sounding(music) == [(0, 8, 60)]

    @pytest.mark.parametrize(
        "places",
        [
            {"voice": "12", "staff": (1, 1)},
            {"voice": "15", "staff": (1, 2)},
            {"voice": "11", "staff": (1, 2)},
        ],
    )
    def test_ties_that_end_together_go_on_in_their_own_voice(self, places):
        upper, lower = (
            {"voice": voice, "staff": staff} for voice, staff in zip(*places.values(), strict=True)
        )
        first = note("r", 3, **upper) + note(tie="start", **upper) + backup(4)
        first += note("r", 2, **lower) + note(quarters=2, tie="start", **lower)
        then = note(quarters=4, tie="stop", **upper) + backup(4) + note(quarters=1, tie="stop", **lower)
        assert sorted(sounding(read([first, then]))) == [(2, 3, 60), (3, 5, 60)]

    def test_a_tie_that_is_only_drawn_joins_nothing(self):
        drawn = '<notations><tied type="{}"/></notations>'
        music = read([note(last=drawn.format("start")) + note(last=drawn.format("stop"))])
        assert len(music) == 2


LENGTHS = st.sampled_from([1 / 12, 0.25, 1 / 3, 0.5, 0.75, 1, 1.5, 2, 3])
NAMES = st.builds(
    "{}{}{}".format, st.sampled_from("CDEFGAB"), st.sampled_from(["", "#", "b"]), st.integers(1, 7)
)
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def midi_pitch(name: str) -> int:
    return 12 * (int(name[-1]) + 1) + STEPS[name[0]] + name.count("#") - name[1:].count("b")


@given(
    st.lists(st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), LENGTHS), max_size=5), max_size=4)
)
def test_what_is_written_is_read(measures):
    """Random measures of chords come back as the notes that were written, each beginning its bar on time."""
    expected, texts, start = [], [], 0.0
    for measure in measures:
        now, text = 0.0, ""
        for names, quarters in measure:
            text += chord(" ".join(names), quarters)
            expected += [(start + now, quarters, midi_pitch(name)) for name in names]
            now += quarters
        texts.append(text + (forward(4 - now) if now < 4 else ""))
        start += max(now, 4)
    found = sounding(read(texts)) if texts else []
    assert len(found) == len(expected)
    for (onset, length, pitch), (other, long, name) in zip(found, expected, strict=True):
        assert (onset, length) == pytest.approx((other, long), abs=1e-4)
        assert pitch == name


def test_every_note_knows_its_elements():
    text = score(
        [note(tie="start", quarters=4, staff=2), note(tie="stop", staff=1) + note("r") + chord("E4 G4")],
        [note("r"), FULL],
    )
    root = score_tree(text.encode(), "score")
    music, elements = read_tree(root, "score")
    places = {id(element): index for index, element in enumerate(root.iter("note"))}
    assert [[places[id(one)] for one in found] for found in elements][:3] == [[3], [4], [0, 1]]
    assert len(elements) == len(music) == 7
