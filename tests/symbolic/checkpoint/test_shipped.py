"""Models that come with the installation: they load by name, say what they are, have seen nothing of test sides."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import symbolic
from data.corpora.music21_corpus import Music21Corpus
from data.fingerprint import note_fingerprint
from data.splits import load_table
from finetune.cli import main
from finetune.settings import USUAL_CHECKPOINT
from symbolic.adapters import attach, load_adapter, weights_fingerprint
from symbolic.checkpoint.attribution import NAMED, legal_texts
from symbolic.checkpoint.bundled import MODELS, find_model, is_model, shipped_models
from symbolic.checkpoint.format import load_checkpoint
from symbolic.checkpoint.licence import licence_of
from symbolic.documents import read_json
from symbolic.errors import CheckpointError
from symbolic.music.abc.tunes import read_tune
from symbolic.music.files import read_music
from symbolic.music.midi.writer import write_midi
from symbolic.music.notes import Music, note_array
from symbolic.predict.pretrained import PretrainedModel
from symbolic.storage import read_tensors
from symbolic.tokens.vocabulary import FIELDS, RESERVED

HELD_OUT = ("asap", "emopia", "giantmidi_sample", "groove", "nottingham", "openewld", "openscore_lieder")
"""Tables with sides; of Pianist8 every piece is tested in some fold."""


def scale_music() -> Music:
    """C major, two octaves in quarters."""
    pitches = [60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81, 83, 84]
    count = len(pitches)
    return Music(note_array(np.arange(count) * 480, 480, np.array(pitches), np.full(count, 64)), 480)


def scale() -> np.ndarray:
    """Tokens of that scale."""
    tokens: np.ndarray = symbolic.Tokenizer().encode(scale_music()).ids
    return tokens


def song() -> Music:
    """Eight bars of a tune above broken chords."""
    tune = [72, 74, 76, 79, 77, 76, 74, 72, 76, 74, 72, 71, 69, 71, 72, 74]
    chords = [(48, 55, 60, 64), (53, 57, 60, 65), (43, 50, 55, 59), (48, 55, 60, 64)] * 2
    upper = note_array(np.arange(16) * 960, 900, np.array(tune), np.full(16, 84))
    broken = [pitch for chord in chords for pitch in (chord[0], *chord[1:], *chord[1:], chord[3])]
    lower = note_array(np.arange(64) * 240, 220, np.array(broken), np.full(64, 56))
    return Music(np.concatenate([upper, lower]), 480)


TASK_MODELS = tuple(name for name in shipped_models() if load_checkpoint(name).task)
"""Those that were trained on a task; the others are backbones, with the heads they were pretrained by."""
NETWORKS = tuple(
    name for name in shipped_models() if load_checkpoint(name).shape or load_checkpoint(name).base
)
"""Those with a network; the others read hand-made features alone."""


@pytest.fixture(params=shipped_models())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_legal_texts_and_cards_follow_from_the_chain(name: str) -> None:
    checkpoint = load_checkpoint(name)
    chain, licence = checkpoint.chain, licence_of(checkpoint.chain)
    assert chain[-1].model == name
    assert all(stage.sources for stage in chain)
    assert licence.terms is not None
    for file, text in legal_texts(name, chain).items():
        assert (checkpoint.path / file).read_text(encoding="utf-8") == text
    card = (checkpoint.path / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"---\nlicense: {licence.hub}\n")
    assert f"## Licence\n\n{licence.title}. {licence.reason} {NAMED}\n" in card
    assert f"licence {licence.title}" in repr(symbolic.load(name))


def test_models_that_commands_name_are_bundled() -> None:
    assert USUAL_CHECKPOINT in set(shipped_models()) - set(TASK_MODELS)
    assert "melody" in TASK_MODELS


@pytest.mark.parametrize("name", TASK_MODELS)
def test_a_task_model_is_small_and_its_card_has_scores(name: str) -> None:
    folder = MODELS / name
    assert sum(file.stat().st_size for file in folder.glob("*.safetensors")) <= 8e6
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"# {name}\n" in card
    scores = card.split("## Scores\n")[1].split("\n## ")[0]
    assert re.search(r"\| (majority class|Temperley|templates|skyline F1)\b", scores)  # a baseline
    assert re.search(r"^\| .*\| [\d.]+ to [\d.]+ \|", scores, re.MULTILINE)  # an interval
    assert "## Licence" in card


@pytest.mark.parametrize("name", sorted(set(shipped_models()) - set(TASK_MODELS)))
def test_a_pretrained_model_is_small_and_has_a_card(name: str) -> None:
    folder = MODELS / name
    assert (folder / "model.safetensors").stat().st_size <= 25e6
    assert {tensor.dtype for tensor in read_tensors(folder / "model.safetensors").values()} == {
        torch.bfloat16
    }
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"# {name}\n" in card
    assert "## Licence" in card
    assert re.search(r"^\| [a-z0-9_]+ \| [\d,]+ \| [\d,]+ \| [\d.]+ \| \S.*\| \S.*\|$", card, re.MULTILINE)
    for unclear in ("pianist8", "pop1k7"):
        assert not re.search(rf"^\| {unclear} ", card, re.MULTILINE)  # their terms are not stated


def test_it_loads_by_name_wherever_one_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = symbolic.load(name)
    if name in NETWORKS:
        states = model.embed_notes(scale_music())
        assert states.shape == (15, model.backbone.config.dim)
        assert np.isfinite(states).all()
    else:
        with pytest.raises(CheckpointError, match="has no backbone"):
            model.embed_notes(scale_music())
    if name in TASK_MODELS:
        notes = model(scale_music())
        assert notes.probabilities.shape == (15, len(model.task["classes"]))
        assert np.allclose(notes.probabilities.sum(axis=1), 1, atol=1e-3)


def test_a_checkpoint_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("tiny") == MODELS / "tiny"
    assert find_model("models/tiny") == Path("models/tiny")
    Path("tiny").mkdir()
    Path("tiny", "tokenizer.json").touch()
    assert find_model("tiny") == Path("tiny")
    with pytest.raises(CheckpointError, match="tiny is not a complete checkpoint"):
        symbolic.load("tiny")


def test_a_folder_of_music_hides_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_model("key")
    Path("key").mkdir()
    write_midi(song(), Path("key", "song.mid"))
    Path("velocity").touch()
    assert find_model("key") == MODELS / "key"
    assert find_model("velocity") == MODELS / "velocity"
    assert not is_model("key")
    assert main(["predict", "key", "key", "--out", "out"]) == 0
    assert Path("out", "song.mid").is_file()


def test_a_name_that_nothing_has_is_answered_with_those_there_are() -> None:
    with pytest.raises(CheckpointError, match=r"name a bundled model: .*\btiny\b"):
        symbolic.load("gigantic")


def test_no_model_was_trained_on_held_out_sides(name: str) -> None:
    checkpoint = load_checkpoint(name)
    assert checkpoint.pretrained_on is not None
    seen = set(checkpoint.pretrained_on.tolist())
    learnt = {source.name: source.pieces for source in checkpoint.chain[-1].sources}
    assert len(seen) > (5_000 if name in NETWORKS else 0.95 * sum(learnt.values()))
    for table in (*HELD_OUT, "pop909"):
        entries = load_table(table).values()
        assert len(entries) > 50
        held_out = {one.fingerprint for one in entries if one.split in ("valid", "test")}
        assert not seen & held_out, table
    assert not seen & {one.fingerprint for one in load_table("pianist8").values()}
    # The check can fail: what it was trained on is there.
    trained = {one.fingerprint for one in load_table("pop909").values() if one.split == "train"}
    assert len(seen & trained) > (500 if name in NETWORKS else 0.95 * learnt["pop909"])


READ_ANEW = (
    "oneills1850/0301-0350.abc#344",
    "oneills1850/1625-1700.abc#1681",
    "oneills1850/0051-0100.abc#56",
)
"""Tunes of the default corpus with other notes than when the models were trained."""


def test_the_leak_guard_knows_tunes_as_they_are_read_now(name: str) -> None:
    checkpoint = load_checkpoint(name)
    assert checkpoint.pretrained_on is not None
    folder, seen = Music21Corpus().folder, set(checkpoint.pretrained_on.tolist())
    learnt = {source.name for stage in checkpoint.chain for source in stage.sources}
    found = {note_fingerprint(read_tune(folder / key)) in seen for key in READ_ANEW}
    assert found == {"music21" in learnt}


def most_likely(model: PretrainedModel, place: int, field: str) -> int:
    """The most likely value of a field of a note that is hidden whole."""
    return int(model.fill(scale(), np.arange(15) == place)[field].argmax()) - RESERVED


PINNED = {
    "tiny": {2: 64, 7: 72, 8: 74, 9: 76, 11: 79, 12: 81, 13: 81},
}
"""Pitches by place, where the first prediction is well above the second."""


@pytest.mark.parametrize("name", PINNED)
def test_it_reads_a_scale_as_it_did_when_it_was_made(name: str) -> None:
    model, pinned = symbolic.load(name), PINNED[name]
    assert {place: most_likely(model, place, "pitch") for place in pinned} == pinned
    assert [most_likely(model, place, "duration") for place in pinned] == [15] * len(pinned)
    true = {place: int(scale()[place, FIELDS.index("pitch")]) - RESERVED for place in pinned}
    assert all(abs(pinned[place] - true[place]) <= 2 for place in pinned)  # a step of the scale at most


def test_a_tune_is_separated_from_its_accompaniment(tmp_path: Path) -> None:
    """By the command, on a file without track names."""
    music = song()
    write_midi(music, tmp_path / "song.mid")
    assert main(["predict", "melody", str(tmp_path / "song.mid"), "--out", str(tmp_path / "out")]) == 0
    found = read_music(tmp_path / "out" / "song.mid")
    by_track = {
        found.tracks[track]: set(found.notes["pitch"][found.notes["track"] == track].tolist())
        for track in np.unique(found.notes["track"])
    }
    above = set(music.notes["pitch"][music.notes["pitch"] >= 69].tolist())
    assert by_track["melody"] == above
    assert not by_track["accompaniment"] & above


def test_a_flat_song_gets_dynamics(tmp_path: Path) -> None:
    """The tune above its chords, on the same notes and tracks."""
    music = song()
    flat = music.notes.copy()
    flat["velocity"] = 64
    write_midi(music.with_notes(flat), tmp_path / "song.mid")
    assert main(["predict", "velocity", str(tmp_path / "song.mid"), "--out", str(tmp_path / "out")]) == 0
    found, before = (read_music(tmp_path / place) for place in ("out/song.mid", "song.mid"))
    for field in ("onset", "duration", "pitch", "track", "program"):
        assert np.array_equal(found.notes[field], before.notes[field])
    tune = found.notes["pitch"] >= 69
    loud, soft = (found.notes["velocity"][which].astype(float) for which in (tune, ~tune))
    assert loud.mean() > soft.mean() + 2
    assert len(np.unique(soft)) > 5


WEIGHTS = {
    "infill": ("5abdb44ee866aad9", "7ef8ccb0f1c98702"),
    "melody": ("17439120b1ef625f", "ca68effa96b6e6cd"),
    "tiny": ("c0f5688a6ac8aa71", "d6dea11ac3b76805"),
    "tiny-conformer": ("a3e9688f179c7c86", "2665f1afc02b6a20"),
    "velocity": ("296116d5af11957e", "c883834b6fd9cc13"),
}
"""Fingerprints of the backbone, and of heads and note features, as each model was made."""


def test_every_network_has_pinned_weights() -> None:
    assert set(WEIGHTS) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_never_change(name: str) -> None:
    checkpoint, digest = load_checkpoint(name), hashlib.sha256()
    for key, tensor in sorted(read_tensors(checkpoint.path / "model.safetensors").items()):
        if key.startswith(("heads.", "note_features.")):
            content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            digest.update(key.encode() + str(tensor.dtype).encode() + content)
    assert (weights_fingerprint(checkpoint.build_backbone()), digest.hexdigest()[:16]) == WEIGHTS[name]


def test_the_key_of_a_scale_is_its_first_and_last_note(tmp_path: Path) -> None:
    """By the command on MIDI files in three keys, whose lengths and octaves are alike."""
    keys = {0: "C major", 3: "Eb major", 6: "F# major"}
    pitches = np.array([60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62, 60])
    for up in keys:
        notes = note_array(np.arange(15) * 480, 480, pitches + up, np.full(15, 64))
        write_midi(Music(notes, 480), tmp_path / f"{up}.mid")
    table = tmp_path / "keys.csv"
    assert main(["predict", "key", str(tmp_path), "--csv", str(table), "--out", str(tmp_path / "out")]) == 0
    found = table.read_text(encoding="utf-8")
    assert all(re.search(rf"{up}\.mid.*{key}", found) for up, key in keys.items()), found


def test_chords_of_triads_are_found_in_every_key(tmp_path: Path) -> None:
    """Two bars of each chord as a bass note with a triad in quarters."""
    chord = symbolic.load("chord")
    assert isinstance(chord, symbolic.NotePredictor)
    roots, quarter = np.array([0, 5, 7, 0]), np.arange(8) * 480
    for up, names in {0: "C F G C", 4: "E A B E"}.items():
        notes = [
            note_array(3840 * place + quarter, 480, np.full(8, 48 + up + root + step), np.full(8, 64))
            for place, root in enumerate(roots)
            for step in (0, 12, 16, 19)
        ]
        found = chord(Music(np.concatenate(notes), 480)).chords
        assert [one.name for one in found] == [f"{name}:maj" for name in names.split()]
        assert [(one.bar, one.beat) for one in found] == [(1, 1), (3, 1), (5, 1), (7, 1)]


def test_an_adapter_names_the_weights_it_was_made_for(tmp_path: Path) -> None:
    backbone = load_checkpoint("tiny").build_backbone()
    adapter = attach(backbone, "lora")
    adapter.save(tmp_path, load_checkpoint("tiny").tokenizer.fingerprint)
    assert read_json(tmp_path / "adapter.json")["weights"] == WEIGHTS["tiny"][0]
    fresh = load_checkpoint("tiny").build_backbone()
    load_adapter(tmp_path, fresh, load_checkpoint("tiny").tokenizer.fingerprint)
    assert fresh.adapter is not None


def test_the_first_format_is_refused(tmp_path: Path) -> None:
    shutil.copytree(MODELS / "tiny", tmp_path / "old")
    config = tmp_path / "old" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "format_version": 1}))
    with pytest.raises(CheckpointError, match="format version 1, and this release reads version 2"):
        symbolic.load(tmp_path / "old")
