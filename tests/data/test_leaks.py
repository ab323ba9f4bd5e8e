import numpy as np
import pytest
from made import tune

from data.fingerprint import note_fingerprint
from data.leaks import check_leaks
from symbolic.errors import LeakError

SEEN = np.array([note_fingerprint(tune(seed)) for seed in range(20)], dtype=np.int64)


def pieces(seeds, shift=0):
    return [(f"piece {seed}", note_fingerprint(tune(seed, shift=shift))) for seed in seeds]


def test_unseen_pieces_pass():
    assert check_leaks(SEEN, pieces(range(20, 30))) == []
    assert check_leaks(np.empty(0, dtype=np.int64), pieces(range(3))) == []


def test_a_transposed_copy_of_a_test_piece_is_caught_by_name():
    with pytest.raises(LeakError, match=r"1 of 11 pieces to score .* piece 7\. .* --allow_leaks"):
        check_leaks(SEEN, pieces([7], shift=5) + pieces(range(20, 30)))


def test_many_are_counted_and_the_first_named():
    with pytest.raises(LeakError, match=r"12 of 12 .* piece 4, and 7 more"):
        check_leaks(SEEN, pieces(range(12)))


def test_allowed_leaks_are_returned_for_the_record():
    assert check_leaks(SEEN, pieces([2, 40, 3]), allow=True) == ["piece 2", "piece 3"]
