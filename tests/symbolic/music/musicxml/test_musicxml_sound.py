"""MusicXML: what sounds and how fast, in small scores whose notes are known."""

import pytest
from musicxml_text import FOUR_FOUR, note
from test_musicxml import FULL, pitches, read, sounding

from symbolic.music.notation import RESOLUTION
from symbolic.music.notes import DRUM_PROGRAM, Music


def tempos(music: Music) -> list[tuple[float, float]]:
    return [(tick / RESOLUTION, value) for tick, value in music.tempos.tolist()]


class TestTransposition:
    @pytest.mark.parametrize(
        ("inside", "pitch"),
        [
            ("<diatonic>-1</diatonic><chromatic>-2</chromatic>", 58),
            ("<chromatic>-2</chromatic>", 58),
            ("<chromatic>0</chromatic><octave-change>-1</octave-change>", 48),
            ("<octave-change>1</octave-change>", 72),
        ],
    )
    def test_sounding_pitches(self, inside, pitch):
        assert pitches(read([note()], time=f"{FOUR_FOUR}<transpose>{inside}</transpose>")) == [pitch]

    def test_from_a_later_bar_on(self):
        later = "<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>"
        back = later.replace("-2", "0")
        assert pitches(read([note(), later + note(), back + note()])) == [60, 58, 60]

    def test_of_one_staff(self):
        lower = f'{FOUR_FOUR}<transpose number="2"><chromatic>-12</chromatic></transpose>'
        assert sorted(pitches(read([note(staff=1) + note(staff=2)], time=lower))) == [48, 60]

    @pytest.mark.parametrize(("double", "other"), [("<double/>", 48), ('<double above="yes"/>', 72)])
    def test_doubling_sounds_in_two_octaves(self, double, other):
        music = read([note()], time=f"{FOUR_FOUR}<transpose><chromatic>0</chromatic>{double}</transpose>")
        assert sounding(music) == [(0, 1, 60), (0, 1, other)]

    def test_octave_lines_change_nothing(self):
        line = '<direction><direction-type><octave-shift type="down" size="8"/></direction-type></direction>'
        assert pitches(read([line + note("C6")])) == [84]


class TestInstruments:
    @staticmethod
    def listed(*instruments: tuple[str, str], name: str = "Solo") -> list[str]:
        """The entry of a part: names of instruments, and what is stated of their MIDI."""
        own = "".join(
            f'<score-instrument id="I{i}"><instrument-name>{called}</instrument-name></score-instrument>'
            for i, (called, _) in enumerate(instruments)
        )
        midi = "".join(
            f'<midi-instrument id="I{i}">{stated}</midi-instrument>'
            for i, (_, stated) in enumerate(instruments)
            if stated
        )
        return [f"<part-name>{name}</part-name>{own}{midi}"]

    def test_programs_by_number_or_name(self):
        numbered = self.listed(("Violin", "<midi-channel>1</midi-channel><midi-program>43</midi-program>"))
        assert read([FULL], listed=numbered).notes["program"].tolist() == [42] * 4
        assert read([FULL], listed=self.listed(("Violin", ""))).notes["program"].tolist() == [40] * 4
        sound = [
            '<part-name/><score-instrument id="I"><instrument-sound>wind.flutes.flute</instrument-sound>'
        ]
        assert read([FULL], listed=[sound[0] + "</score-instrument>"]).notes["program"].tolist() == [73] * 4

    @pytest.mark.parametrize("program", ["0", "129", "x", "1e3"])
    def test_programs_out_of_range_are_passed_over(self, program):
        listed = self.listed(("Violin", f"<midi-program>{program}</midi-program>"))
        assert set(read([FULL], listed=listed).notes["program"]) == {40}

    def test_channel_10_is_the_drum_kit(self):
        listed = self.listed(("Kit", "<midi-channel>10</midi-channel><midi-program>1</midi-program>"))
        music = read([FULL], listed=listed)
        assert set(music.notes["program"]) == {DRUM_PROGRAM}
        assert music.tracks == ("Solo",)

    STROKE = "<unpitched><display-step>C</display-step><display-octave>5</display-octave></unpitched>"

    def stroke(self, instrument: str = "") -> str:
        named = f'<instrument id="{instrument}"/>' if instrument else ""
        return f"<note>{self.STROKE}<duration>12</duration>{named}</note>"

    def test_unpitched_percussion_sounds_by_its_instrument(self):
        listed = self.listed(("Kick", "<midi-unpitched>37</midi-unpitched>"), ("Snare", ""), ("Cymbal", ""))
        music = read(
            [self.stroke("I0") + self.stroke("I1") + self.stroke("I2") + self.stroke()], listed=listed
        )
        assert sounding(music) == [(0, 1, 36), (1, 1, 38), (2, 1, 49), (3, 1, 36)]
        assert set(music.notes["program"]) == {DRUM_PROGRAM}

    def test_unpitched_percussion_that_nothing_names_is_left_out(self):
        music = read([self.stroke() * 3 + note()])
        assert sounding(music) == [(3, 1, 60)]
        assert music.repairs == ("unpitched percussion notes left out: 3",)

    def test_several_instruments_in_a_part(self):
        listed = self.listed(("Flute", ""), ("Piccolo", "<midi-program>73</midi-program>"))
        second = note(last='<instrument id="I1"/>')
        assert read([note() + second + note()], listed=listed).notes["program"].tolist() == [73, 72, 73]

    def test_a_program_may_change_on_the_way(self):
        listed = self.listed(("Violin", "<midi-program>41</midi-program>"))
        change = '<sound><midi-instrument id="I0"><midi-program>46</midi-program></midi-instrument></sound>'
        newer = '<sound><instrument-change id="I0"><instrument-sound>brass.trumpet</instrument-sound>'
        music = read(
            [note() + change + note() + newer + "</instrument-change></sound>" + note()], listed=listed
        )
        assert music.notes["program"].tolist() == [40, 45, 56]

    def test_names_of_parts(self):
        listed = [
            "<part-name> Solo\n Violin </part-name>",
            "<part-name/>",
            self.listed(("Oboe", ""), name="")[0],
        ]
        assert read([FULL], [FULL], [FULL], listed=listed).tracks == ("Solo Violin", "part 2", "Oboe")


class TestTempo:
    MARK = '<direction><direction-type><words>go</words></direction-type>{}<sound tempo="{}"/></direction>'

    @staticmethod
    def metronome(inside: str, sound: str = "") -> str:
        return (
            f"<direction><direction-type><metronome>{inside}</metronome></direction-type>{sound}</direction>"
        )

    def marked(self, unit: str, per_minute: str, dots: int = 0, sound: str = "") -> str:
        inside = f"<beat-unit>{unit}</beat-unit>{'<beat-unit-dot/>' * dots}"
        return self.metronome(f"{inside}<per-minute>{per_minute}</per-minute>", sound)

    def test_of_playback(self):
        music = read([self.MARK.format("", 90) + FULL, '<sound tempo="60.5"/>' + FULL])
        assert tempos(music) == [(0, 90), (4, 60.5)]

    def test_the_first_mark_holds_for_the_pick_up(self):
        assert tempos(read([note(), self.MARK.format("", 90) + FULL]))[0] == (0, 90)

    def test_none(self):
        assert tempos(read([FULL])) == [(0, 120)]

    @pytest.mark.parametrize(
        ("unit", "dots", "per_minute", "expected"),
        [
            ("quarter", 0, "72", 72),
            ("quarter", 1, "60", 90),
            ("half", 0, "60", 120),
            ("eighth", 2, "80", 70),
            ("quarter", 0, "ca. 60", 60),
            ("quarter", 0, "100-120", 100),
            ("quarter", 0, "fast", 120),
            ("nothing", 0, "60", 120),
        ],
    )
    def test_of_metronome_marks(self, unit, dots, per_minute, expected):
        assert tempos(read([self.marked(unit, per_minute, dots) + FULL])) == [(0, expected)]

    def test_playback_goes_before_the_metronome(self):
        sound = '<sound tempo="60"/>'
        assert tempos(read([self.marked("quarter", "ca. 90", sound=sound) + FULL])) == [(0, 60)]
        assert tempos(read([self.marked("quarter", "90") + sound + FULL])) == [(0, 60)]

    def test_a_note_value_takes_the_time_of_another(self):
        equal = "<beat-unit>quarter</beat-unit><beat-unit>quarter</beat-unit><beat-unit-dot/>"
        music = read([self.marked("quarter", "80") + FULL, self.metronome(equal) + FULL])
        assert tempos(music) == [(0, 80), (4, 120)]

    def test_marks_of_any_part_and_at_one_time_of_the_first(self):
        def measures(*found: int) -> list[str]:
            return [(self.MARK.format("", one) if one else "") + FULL for one in found]

        assert tempos(read(measures(0, 90, 0), measures(80, 70, 50))) == [(0, 80), (4, 90), (8, 50)]

    def test_an_offset_moves_playback_only_if_it_says_so(self):
        for offset, at in (("<offset>12</offset>", 4), ('<offset sound="yes">12</offset>', 5)):
            music = read([FULL, self.MARK.format(offset, 70) + FULL])
            assert tempos(music)[-1] == (at, 70)

    @pytest.mark.parametrize("tempo", ["0", "-3", "NaN", "inf", "1e9", "", "999999999"])
    def test_unreadable_tempos_are_left_out_with_a_word(self, tempo):
        music = read([self.MARK.format("", tempo) + FULL])
        assert tempos(music) == [(0, 120)]
        assert music.repairs == ("unreadable tempos left out: 1",)


def test_a_part_with_lyrics_is_sung():
    voice = note("C4", 2) + note("D4", 2, last="<lyric><text>la</text></lyric>")
    assert read([FULL], [voice], [FULL]).sung == (1,)
