"""Our rows against MidiTok's Octuple, field by field, on files within its limits.

Its limits: one track a program, a metre in quarters that never changes, bars within range. Where conventions
differ by design, both are compared after mapping one to the other; the order of simultaneous notes differs
too (ours by program, pitch and duration), so notes are compared as sorted lists.
"""

import numpy as np
import pytest

from symbolic.files import parse_midi, read_music, write_midi
from symbolic.notes import DRUM_PROGRAM, Music, note_array
from symbolic.tokenizer import Tokenizer
from symbolic.vocabulary import DRUM_PITCH, FIELDS, RESERVED, VELOCITY, Vocabulary

miditok = pytest.importorskip("miditok", reason="MidiTok is not installed", exc_type=ImportError)
VOC = Vocabulary()


@pytest.fixture(scope="module")
def octuple():
    config = miditok.TokenizerConfig(
        pitch_range=(0, 127),
        beat_res={(0, 300): VOC.positions_per_quarter},
        num_velocities=VOC.velocity_bins,
        use_programs=True,
        use_tempos=True,
        use_time_signatures=True,
        use_pitchdrum_tokens=True,
        drums_pitch_range=(0, 127),
        num_tempos=len(VOC.tempos),
        tempo_range=(16, 256),
        log_tempos=True,
        time_signature_range={4: [2, 3, 4, 5, 6, 7, 8]},
        remove_duplicated_notes=False,
        max_bar_embedding=VOC.max_bars,
    )
    return miditok.Octuple(config)


def modest(seed):
    """Music within Octuple's limits. Notes of one pitch and program never overlap: it would cut them."""
    random = np.random.default_rng(seed)
    count = 200
    track = random.integers(0, 4, count)
    programs = np.array([0, 40, 127, DRUM_PROGRAM])
    onset = random.permutation(count) * 240 + random.integers(0, 120, count)
    pitch = np.arange(count) % 100 + 20
    tempi = [(0, VOC.tempos[30]), *((t * 1920, VOC.tempos[random.integers(49)]) for t in (5, 9, 14))]
    return Music(
        note_array(
            onset,
            random.integers(1, 9600, count),
            pitch,
            random.integers(1, 128, count),
            programs[track],
            track,
        ),
        480,
        np.array([[0, 3 + seed % 3, 4]]),
        np.array(tempi),
    )


def theirs(octuple, path):
    """(N, 8) values of MidiTok's tokens in the order and meaning of our fields."""

    def value(token):
        kind, text = token.split("_")
        match kind:
            case "Program":
                return DRUM_PROGRAM if text == "-1" else int(text)
            case "PitchDrum":
                return DRUM_PITCH + int(text)
            case "Velocity":  # the upper end of each bin, where ours is named by its number
                return octuple.velocities.tolist().index(int(text))
            case "Duration":  # even to the end, where our table grows coarser beyond a quarter note
                beats, part, steps = map(int, text.split("."))
                return np.abs(VOC.durations - (beats * steps + part)).argmin()
            case "TimeSig":
                return VOC.metre_values[tuple(map(int, text.split("/")))]
            case "Tempo":
                return np.abs(VOC.tempos - float(text)).argmin()
        return int(text)

    place = octuple.vocab_types_idx
    names = ("Bar", "Position", "Program", "Pitch", "Duration", "Velocity", "TimeSig", "Tempo")
    return np.array([[value(row[place[name]]) for name in names] for row in octuple(path).tokens])


@pytest.mark.parametrize("seed", range(6))
def test_octuple_says_the_same(tmp_path, octuple, seed):
    path = tmp_path / "a.mid"
    write_midi(modest(seed), path)
    ours = Tokenizer().encode(read_music(path)).rows.astype(int) - RESERVED
    others = theirs(octuple, path)
    ours, others = (rows[np.lexsort(rows[:, :4].T[::-1])] for rows in (ours, others))
    for column, name in enumerate(FIELDS):
        # Velocities: bins 4 wide, ours from 4k to 4k + 3, theirs centred on 4k + 3.
        slack = 1 if column == VELOCITY else 0
        np.testing.assert_allclose(ours[:, column], others[:, column], atol=slack, err_msg=name)


@pytest.mark.parametrize("velocity", [3, 7, 63, 127])
def test_velocities_on_their_own_values_agree_exactly(tmp_path, octuple, velocity):
    path = tmp_path / "a.mid"
    write_midi(Music(note_array([0, 480], 480, 60, velocity), 480), path)
    ours = Tokenizer().encode(parse_midi(path.read_bytes(), "a")).rows[:, VELOCITY]
    assert (ours - RESERVED).tolist() == theirs(octuple, path)[:, VELOCITY].tolist()
