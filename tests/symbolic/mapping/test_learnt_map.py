"""The bundled map that was learnt from (n)ASAP."""

import pytest

from symbolic.checkpoint.bundled import ATTRIBUTION, CARD, LICENCE
from symbolic.errors import CheckpointError
from symbolic.mapping.features import TICKS
from symbolic.mapping.learnt import FOLDER, load_map
from symbolic.mapping.rhythm import STEPS

FEATURES = {"places": 50, "staff": 27, "value": 28, "chord": 196, "pair": 63, "metre": 20}


def test_the_terms_stand_in_repr_card_and_licence():
    assert "CC BY-NC-SA 4.0" in repr(load_map())
    assert "license: cc-by-nc-sa-4.0" in (FOLDER / CARD).read_text()
    assert "NonCommercial" in (FOLDER / LICENCE).read_text()
    assert "ASAP" in (FOLDER / ATTRIBUTION).read_text()


def test_trees_are_sound_and_fit_their_features():
    found = load_map()
    for name, features in FEATURES.items():
        found.trees[name].check(features)
    assert found.rhythm.shape == (TICKS, STEPS, STEPS)


def test_a_map_comes_back_as_it_was_saved(tmp_path):
    found = load_map()
    found.save(tmp_path)
    again = load_map(tmp_path)
    assert repr(again) == repr(found)
    assert (again.weights == found.weights).all()


def test_an_absent_map_is_none_and_a_damaged_one_is_refused(tmp_path):
    assert load_map(tmp_path) is None
    (tmp_path / "map.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError):
        load_map(tmp_path)
