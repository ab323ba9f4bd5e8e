"""Sources of prepared music: terms of corpora, labels with terms of their own, and music of the user's own."""

from types import SimpleNamespace

import pytest

from data.corpora import CORPORA
from data.corpora.base import TERMS as LINES
from data.sources import pretraining_sources, task_source, with_terms
from symbolic.checkpoint.licence import FINE_TUNING, OWN, TERMS, Stage
from symbolic.errors import ConfigError


def corpus(name):
    return {line: getattr(CORPORA[name], line) for line in LINES}


@pytest.mark.parametrize("name", CORPORA)
def test_terms_of_a_corpus_are_known_or_unstated(name):
    reader = CORPORA[name]
    expressions = [reader.spdx, *reader.label_terms.values()]
    assert all(one in TERMS for spdx in expressions if spdx for one in spdx.split(" AND "))
    assert set(reader.label_terms) <= {*reader.labels, *reader.note_classes}
    parts = [CORPORA[part].spdx for part in reader.joins]
    assert set(parts) <= set(reader.spdx.split(" AND "))


def test_unclear_terms_are_unstated():
    silent = {name for name, reader in CORPORA.items() if not reader.spdx}
    assert silent == {"folder", "pianist8", "pop1k7", "art_melody"}


def test_labels_have_terms_of_their_own():
    assert task_source(corpus("orchestra"), "composer", 5).spdx == "CC0-1.0"
    assert task_source(corpus("orchestra"), "melody", 5).spdx == "CC0-1.0 AND CC-BY-SA-4.0"
    songs = task_source(corpus("songs"), "melody", 5, 70)
    assert (songs.spdx, songs.pieces, songs.notes) == ("MIT AND CC0-1.0", 5, 70)


def test_a_mix_has_the_sources_of_its_corpora():
    pieces = [SimpleNamespace(split=split, tokens=10) for split in ("train", "valid", "test")]
    alone = SimpleNamespace(manifest={"corpus": corpus("groove"), "totals": {}}, pieces=pieces)
    (source,) = pretraining_sources(alone)
    assert (source.name, source.spdx, source.pieces, source.notes) == ("groove", "CC-BY-4.0", 2, 20)
    parts = {
        "pop909": {"pieces": 7, "tokens": 70.0, "hours": 1},
        "mine": {"pieces": 1, "tokens": 2, "hours": 1},
    }
    mixed = {"corpus": {**corpus("groove"), "name": "mix-0"}, "totals": {"sources": parts}}
    one, two = pretraining_sources(SimpleNamespace(manifest=mixed, pieces=pieces))
    assert (one.title, one.spdx, one.pieces, one.notes) == ("POP909", "MIT", 7, 70)
    assert (two.name, two.spdx) == ("mine", "")  # a reader that is not here


def test_own_music_is_licensed_by_its_owner_and_no_other():
    own, known = task_source(corpus("folder"), "dance", 3), task_source(corpus("pianist8"), "composer", 3)
    stage = Stage("m", FINE_TUNING, (own, known))
    stated = with_terms(stage, "CC BY 4.0").sources
    assert [(one.licence, one.spdx) for one in stated] == [("CC BY 4.0", "CC-BY-4.0"), (known.licence, "")]
    assert with_terms(stage, "As you like").sources[0].spdx == OWN
    assert with_terms(stage, None) is stage
    with pytest.raises(ConfigError, match="music of your own"):
        with_terms(Stage("m", FINE_TUNING, (known,)), "MIT")
