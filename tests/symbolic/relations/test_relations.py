"""Relations against a second opinion that walks note by note, and the promise that nothing hidden can be read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from synthetic import musics

from symbolic.errors import ConfigError
from symbolic.music.notes import Music, note_array
from symbolic.relations import RELATIONS, UNKNOWN, relation_ids, relations_named
from symbolic.relations.inter_onset import EDGES
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.transposition import transpose
from symbolic.tokens.vocabulary import (
    BAR,
    DRUM_PITCH,
    FIELDS,
    MASK,
    PAD,
    PITCH,
    POSITION,
    RESERVED,
    Vocabulary,
)

VOC = Vocabulary()
NAMES = list(RELATIONS)


def ids_of(music):
    return Tokenizer()(music).ids.astype(np.int64)


def chords(*pitches, gap=480):
    """One chord a quarter, each a list of pitches."""
    flat = [(index * gap, pitch) for index, chord in enumerate(pitches) for pitch in chord]
    onset, pitch = zip(*flat, strict=True)
    return Music(note_array(list(onset), 240, list(pitch)), 480)


def column(ids, name):
    return relation_ids(ids, [name])[:, 0].tolist()


CADENCE = chords([48, 60, 64, 67], [53, 57, 60, 65], [55, 59, 62, 67], [48, 60, 64, 72])


def test_a_cadence_is_read_as_a_musician_would():
    ids = ids_of(CADENCE)
    assert column(ids, "pitch_class")[:4] == [1, 1, 5, 8]
    assert column(ids, "octave")[:4] == [5, 6, 6, 6]
    assert column(ids, "above_bass")[:4] == [1, 13, 17, 20]
    assert column(ids, "above_bass_class")[:4] == [1, 2, 6, 9]
    assert column(ids, "below_top")[:4] == [20, 8, 4, 1]
    assert column(ids, "group_size") == [4] * 16
    assert column(ids, "bass_step")[::4] == [1, 14 + 5, 14 + 2, 14 - 7]
    assert column(ids, "top_step")[::4] == [1, 14 - 2, 14 + 2, 14 + 5]
    assert column(ids, "inter_onset")[::4] == [1, *[2 + int(np.searchsorted(EDGES, 16, side="right"))] * 3]
    assert column(ids, "degree")[:4] == [2, 2, 6, 9]  # C major


def test_minor_degrees_have_ids_of_their_own():
    ids = ids_of(chords([45, 57, 60, 64], [50, 57, 62, 65], [52, 56, 59, 64], [45, 57, 60, 69]))
    assert column(ids, "degree")[0] == 2 + 12  # A in A minor


def by_hand(ids):
    """The relations of one window, note by note."""
    n = len(ids)
    values = ids - RESERVED
    seen = ids >= RESERVED
    lengths = VOC.bar_positions
    onset, metre, before = [None] * n, 4 * VOC.positions_per_quarter, None
    for i in range(n):
        if seen[i, 6]:
            metre = int(lengths[values[i, 6]])
        if seen[i, BAR] and seen[i, POSITION]:
            here = (int(values[i, BAR]), int(values[i, POSITION]))
            if before is None:
                onset[i] = 0
            else:
                (bar, position), length, time = before
                onset[i] = time + (here[0] - bar) * length + here[1] - position
            before = (here, metre, onset[i])
    pitched = [bool(seen[i, PITCH]) and values[i, PITCH] < DRUM_PITCH for i in range(n)]
    members = sorted((i for i in range(n) if pitched[i] and onset[i] is not None), key=lambda i: onset[i])
    groups = []
    for i in members:
        if groups and onset[i] - onset[groups[-1][-1]] <= 1:
            groups[-1].append(i)
        else:
            groups.append([i])
    table = np.zeros((n, len(NAMES)), dtype=np.int64)
    put = {name: index for index, name in enumerate(NAMES)}
    for i in range(n):
        if pitched[i]:
            table[i, put["pitch_class"]] = 1 + values[i, PITCH] % 12
            table[i, put["octave"]] = 1 + values[i, PITCH] // 12
    for number, group in enumerate(groups):
        pitches = [int(values[i, PITCH]) for i in group]
        for i, pitch in zip(group, pitches, strict=True):
            up = pitch - min(pitches)
            table[i, put["above_bass"]] = 1 + min(up, 38)
            table[i, put["above_bass_class"]] = 1 if up == 0 else 2 + up % 12
            table[i, put["below_top"]] = 1 + min(max(pitches) - pitch, 25)
            table[i, put["group_size"]] = min(len(group), 9)
            for name in ("bass_step", "top_step", "inter_onset"):
                table[i, put[name]] = 1
            if number:
                last = [int(values[j, PITCH]) for j in groups[number - 1]]
                clip = lambda step: 14 + max(-12, min(12, step))  # noqa: E731
                table[i, put["bass_step"]] = clip(min(pitches) - min(last))
                table[i, put["top_step"]] = clip(max(pitches) - max(last))
                time = min(onset[j] for j in group) - min(onset[j] for j in groups[number - 1])
                table[i, put["inter_onset"]] = 2 + sum(edge <= time for edge in EDGES)
    return table


def hidden_somewhere(ids, seed):
    """The same tokens with whole notes and single fields hidden, and padding behind."""
    random = np.random.default_rng(seed)
    ids = ids.copy()
    ids[random.random(len(ids)) < 0.2] = MASK
    ids[random.random(ids.shape) < 0.1] = MASK
    return np.concatenate([ids, np.full((3, len(FIELDS)), PAD)])


@given(musics(), st.integers(0, 9))
def test_relations_are_those_found_note_by_note(music, seed):
    ids = ids_of(music)
    if len(ids) == 0 or ids[:, BAR].max() >= VOC.sizes[BAR]:
        return
    hidden = hidden_somewhere(ids, seed)
    expected, found = by_hand(hidden), relation_ids(hidden)
    columns = [index for index, name in enumerate(NAMES) if name != "degree"]
    np.testing.assert_array_equal(found[:, columns], expected[:, columns])


@given(musics(), st.integers(0, 9))
def test_torch_and_numpy_agree_window_by_window(music, seed):
    ids = hidden_somewhere(ids_of(music), seed)
    batch = np.stack([ids, np.full_like(ids, PAD), ids[::1]])
    found = relation_ids(torch.from_numpy(batch))
    assert found.dtype == torch.int64
    np.testing.assert_array_equal(found.numpy(), relation_ids(batch))
    np.testing.assert_array_equal(found[0].numpy(), relation_ids(ids))
    assert not found[1].any()


@given(musics(), st.integers(0, 9))
def test_ids_stay_within_their_tables(music, seed):
    found = relation_ids(hidden_somewhere(ids_of(music), seed))
    assert (found >= 0).all()
    assert (found < [one.size for one in RELATIONS.values()]).all()


def test_a_note_with_a_hidden_pitch_has_no_relations():
    ids = ids_of(CADENCE)
    ids[[1, 6, 15], PITCH] = MASK
    found = relation_ids(ids)
    assert not found[[1, 6, 15]].any()
    assert found[[0, 5, 14]].all()


def test_neighbours_do_not_count_a_hidden_bass():
    ids = ids_of(CADENCE)
    ids[0] = MASK
    assert column(ids, "above_bass")[:4] == [UNKNOWN, 1, 5, 8]
    assert column(ids, "group_size")[:4] == [UNKNOWN, 3, 3, 3]
    assert column(ids, "bass_step")[4] == 14 - 7


@given(musics(), st.integers(-5, 5))
def test_transposition_moves_nothing_but_pitch_class_and_octave(music, semitones):
    ids = ids_of(music)
    pitch = ids[:, PITCH] - RESERVED
    pitched = pitch[pitch < DRUM_PITCH]
    if len(pitched) == 0 or pitched.min() < 5 or pitched.max() > 122:
        return
    names = [name for name in NAMES if name not in ("pitch_class", "octave")]
    moved = transpose(ids.astype(np.uint16), semitones).astype(np.int64)
    found, expected = relation_ids(moved, names), relation_ids(ids, names)
    tied = names.index("degree")  # equal correlations of two keys may fall either way
    np.testing.assert_array_equal(np.delete(found, tied, axis=1), np.delete(expected, tied, axis=1))


def test_strokes_of_a_performance_are_one_group():
    notes = note_array([0, 20, 40, 480], 240, [48, 60, 64, 50])  # a position is 30 ticks
    ids = ids_of(Music(notes, 480))
    assert column(ids, "group_size") == [3, 3, 3, 1]


def test_drums_have_no_relations():
    notes = note_array([0, 0, 480], 240, [36, 60, 64], program=[128, 0, 0], track=[0, 1, 1])
    ids = ids_of(Music(notes, 480))
    drum = ids[:, PITCH] >= DRUM_PITCH + RESERVED
    found = relation_ids(ids)
    assert not found[drum].any()
    assert found[~drum].all()


def test_unknown_and_doubled_names_are_named():
    with pytest.raises(ConfigError, match=r"no relation 'bass'; choose among pitch_class(.|\n)*named twice"):
        relations_named(["bass", "octave", "octave"])
