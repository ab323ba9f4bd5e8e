"""Pieces as vectors: names, weights of inputs, neighbours, and what is skipped."""

from __future__ import annotations

import numpy as np
import pytest
from made import tune

import symbolic
from symbolic.predict.vectors import INPUTS, Vectors, vectors_of


@pytest.fixture(scope="module")
def pieces():
    return [tune(0, 60), tune(0, 60, shift=1), tune(1, 60), tune(2, 60)]


def test_all_inputs_stand_side_by_side_by_name(pieces):
    tiny = symbolic.load("tiny")
    found = vectors_of(pieces, INPUTS, tiny)
    names, values = found.table
    assert values.shape == (4, len(names)) == (4, 2 * 128 * 5 + 245 + 151)
    assert len(set(names)) == len(names)
    np.testing.assert_allclose(values[:, : 2 * 128 * 5], tiny.embed(pieces), atol=1e-5)
    assert found.columns["states"][0] == "state_mean_0_0"
    assert found.columns["states"][-1] == "state_deviation_4_127"


def test_a_transposed_piece_is_the_nearest(pieces):
    found = vectors_of(pieces, ("features",))
    first = found.nearest(2)[0]
    assert next(other for other, _ in first) == 1
    assert len(first) == 2
    assert first[0][1] > first[1][1]


def test_inputs_weigh_alike_whatever_their_width():
    random = np.random.default_rng(0)
    values = {"narrow": random.normal(size=(50, 3)), "wide": random.normal(size=(50, 300))}
    found = Vectors([""] * 50, {"narrow": [], "wide": []}, values, {}).standardised
    assert (found[:, :3] ** 2).sum() == pytest.approx((found[:, 3:] ** 2).sum(), rel=0.01)


def test_what_cannot_be_read_is_skipped_by_name(pieces, tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    found = vectors_of([str(tmp_path / "broken.mid"), pieces[0]], ("relations",))
    assert list(found.skipped) == [str(tmp_path / "broken.mid")]
    assert len(found.pieces) == 1
    assert found.values["relations"].shape == (1, 245)
