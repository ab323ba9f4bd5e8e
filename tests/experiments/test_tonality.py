"""Truth for the model of keys: what files state, and how it is scored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.stated_keys import Example, _key_of, by_side
from experiments.tonality import score
from symbolic.music.notes import Music, note_array
from symbolic.predict.keys import KEYS
from symbolic.predict.tonality import TONAL_CLASSES, tonal_labels
from symbolic.tokens.tokenizer import Tokenizer


def stated(folder: Path, name: str, text: str, corpus: str) -> int | None:
    """The key that a file states."""
    (folder / name).write_text(text, encoding="utf-8")
    reader: Any = SimpleNamespace(name=corpus, path=lambda file: str(folder / file))
    piece: Any = SimpleNamespace(file="a.mid" if corpus == "pop909" else name)
    return _key_of(reader, piece)


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("*G:\t*G:", "G major"),
        ("*e-:", "Eb minor"),
        ("*f#:", "F# minor"),
        ("*B-:\n*g:", None),
        ("*a:dor", None),
        ("*G:\n*d:phr", None),
        ("*k[f#]", None),
    ],
)
def test_a_kern_file_states_one_key_or_none(lines: str, key: str | None, tmp_path: Path) -> None:
    found = stated(tmp_path, "a.krn", f"**kern\n{lines}\n4c\n*-\n", "humdrum_sapp")
    assert (None if found is None else KEYS[found]) == key


def test_pop909_states_keys_with_their_times(tmp_path: Path) -> None:
    found = stated(tmp_path, "key_audio.txt", "2.67\t191.98\tGb:maj\n", "pop909")
    assert KEYS[found or 0] == "F# major"
    assert stated(tmp_path, "key_audio.txt", "0\t9\tA:min\n9\t20\tC:maj\n", "pop909") is None


def test_right_and_near_answers_have_their_scores() -> None:
    pytest.importorskip("mir_eval")
    music = Music(note_array(np.arange(4) * 480, 480, np.array([60, 64, 67, 72])), resolution=480)
    tokens = Tokenizer().encode(music)
    pitch = music.notes["pitch"][tokens.note_index].astype(int)
    one = Example("", "test", music, tokens, np.zeros(0), "C major", 0)

    def answer(key: int) -> Any:
        labels = tonal_labels(pitch, np.full(len(pitch), key))
        return lambda _: np.eye(len(TONAL_CLASSES))[labels]

    assert [score(one, answer(key)) for key in (0, 7, 9 + 12, 0 + 12, 6)] == [1.0, 0.5, 0.3, 0.2, 0.0]


def test_no_notes_are_on_two_sides() -> None:
    music = Music(note_array(np.arange(4) * 480, 480, np.array([60, 64, 67, 72])), resolution=480)
    tokens = Tokenizer().encode(music)

    def example(side: str, mark: int) -> Example:
        return Example("", side, music, tokens, np.zeros(0), "C major", mark)

    dealt = [("test", 1), ("test", 2), ("test", 3), ("valid", 1), ("valid", 2), ("train", 1), ("train", 1)]
    train, valid, test = by_side(example(*one) for one in dealt)
    assert [[one.mark for one in side] for side in (train, valid, test)] == [[1, 1], [2], [3]]
