"""MIREX scores of keys and chords."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from finetune.tasks.mirex import chord_scores, key_score


def test_related_keys_score_in_part() -> None:
    related = ["C major", "G major", "A minor", "C minor", "F# major"]
    assert [key_score(["C major"], [key]) for key in related] == [1.0, 0.5, 0.3, 0.2, 0.0]
    assert key_score(["C major"] * 5, related) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="shorter"):
        key_score(["C major", "D major"], ["C major"])


def test_chords_agree_by_time_and_vocabulary() -> None:
    times = np.array([[0.0, 1.0], [1.0, 4.0]])
    found = chord_scores(times, ["C:maj", "G:7"], times, ["C:min", "G:maj"])
    assert found["root"] == pytest.approx(1.0)
    assert found["majmin"] == pytest.approx(0.75)
    assert found["sevenths"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("times", "chords", "score"),
    [
        ([[0, 1], [1, 2], [2, 3]], ["D:maj", "C:maj", "D:maj"], 1.0),
        ([[0.5, 1.5], [1.5, 3]], ["C:maj", "F:maj"], 0.5),
        ([[1, 2], [2, 2]], ["C:maj", "D:maj"], 1.0),
        ([[5, 6]], ["C:maj"], 0.0),
        ([], [], 0.0),
    ],
)
def test_chords_beyond_the_true_ones_do_not_count(
    times: list[list[float]], chords: list[str], score: float
) -> None:
    found = chord_scores([[1.0, 2.0]], ["C:maj"], times, chords)
    assert found["majmin"] == found["root"] == pytest.approx(score)


def test_an_absent_mir_eval_is_reported_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mir_eval", None)
    with pytest.raises(ImportError, match=r"counterpoint-smu\[eval\]"):
        key_score(["C major"], ["C major"])
