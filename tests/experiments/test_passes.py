"""Many passes over little music: the noise, what is measured, and one run from a folder to a row."""

from argparse import Namespace
from copy import deepcopy

import numpy as np
import pytest
import torch
from pretrain_helpers import generator, make_objective, tunes

from experiments.noise import KINDS, noisy_copies
from experiments.passes import ARMS, Arm, initial, train
from experiments.passes_measure import nested_interval, result_rows, song_gaps
from experiments.passes_taught import Taught
from pretrain.objective.targets import Reference
from pretrain.settings import PretrainSettings
from symbolic.checkpoint.format import load_checkpoint
from symbolic.masking.corruption import Corrupted
from symbolic.music.notes import Music, note_array
from symbolic.tokens.vocabulary import MASK


def song(number: int, notes: int = 64) -> Music:
    random = np.random.default_rng(number)
    return Music(
        note_array(
            np.arange(notes) * 240, 240, random.integers(48, 84, notes), random.integers(40, 100, notes)
        ),
        480,
    )


def run(arm: str, seed: int, losses: dict[str, float], noise: float = 0.0) -> dict:
    curve = {side: [3.0, 2.0] for side in ("train", "valid", "test")}
    return {
        "corpus": "pop909", "size": "micro", "notes": 10, "passes": 4, "noise": noise, "arm": arm, "seed": seed,
        "songs": losses, "best": 1, "steps": 8, "passes_made": 4.0, "seconds": 5.0,
        "curve": {"step": [4, 8], "note_fields": curve, "piece_fields": curve},
    }  # fmt: skip


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_noise_reaches_its_share(share):
    songs = [song(number) for number in range(8)]
    copies = noisy_copies(songs, share, np.random.default_rng(0))
    noisy = sum(len(music) for _, music in copies)
    assert share <= noisy / (noisy + 8 * 64) < share + 0.1
    assert [kind for kind, _ in copies] == [*KINDS, *KINDS, *KINDS][: len(copies)]


def test_no_noise_adds_nothing():
    assert noisy_copies([song(0)], 0.0, np.random.default_rng(0)) == []


def test_each_kind_of_noise_spoils_what_it_names():
    clean = song(1)
    copy = {kind: make(clean, np.random.default_rng(0)).notes for kind, make in KINDS.items()}
    assert len(np.unique(copy["stuck"]["pitch"])) == 1
    assert len(copy["doubled"]) == 128
    assert set(copy["doubled"]["program"]) == {0, 48}
    assert (copy["velocities"]["pitch"] == clean.notes["pitch"]).all()
    assert (copy["velocities"]["velocity"] != clean.notes["velocity"]).mean() > 0.9
    off_the_grid = copy["transcribed"]["onset"] % 240 != 0
    assert off_the_grid.mean() > 0.9
    assert len(copy["transcribed"]) < 64
    assert (clean.notes == song(1).notes).all()


def test_equal_seeds_make_equal_noise():
    one, other = (noisy_copies([song(0)], 0.8, np.random.default_rng(3)) for _ in range(2))
    assert all((a.notes[name] == b.notes[name]).all() for (_, a), (_, b) in zip(one, other, strict=True)
               for name in a.notes.dtype.names or ())  # fmt: skip


@pytest.mark.parametrize("arm", ARMS)
def test_the_flags_of_every_arm_are_settings(arm):
    assert PretrainSettings.of(folder="music", **ARMS[arm].flags).masking.mask_cap == 0.3


def test_arms_are_compared_song_by_song():
    ours = {0: run("excess", 0, {"a": 1.0, "b": 2.0}), 2: run("excess", 2, {"a": 1.0})}
    theirs = {0: run("uniform", 0, {"a": 1.5, "b": 2.25}), 1: run("uniform", 1, {"a": 9.0})}
    (gap,) = song_gaps(ours, theirs)
    assert gap.tolist() == [-0.5, -0.25]


def test_intervals_hold_seeds_and_songs():
    mean, low, high = nested_interval([np.full(20, -0.2), np.full(20, 0.4)])
    assert (round(mean, 9), round(low, 9), round(high, 9)) == (0.1, -0.2, 0.4)


def test_rows_compare_with_uniform_of_the_same_noise():
    records = [
        run("uniform", 0, {"a": 1.0}), run("uniform", 0, {"a": 2.0}, noise=0.5),
        run("excess", 0, {"a": 1.75}, noise=0.5),
    ]  # fmt: skip
    header, rows = result_rows(records)
    found = {(row[4], row[5]): dict(zip(header, row, strict=True)) for row in rows}
    assert found["50%", "excess"]["above uniform"] == "-0.250 (-0.250 to -0.250)"
    assert found["0%", "uniform"]["best pass"] == "4 of 4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Songs on three sides, and one noisy copy."""
    made = tmp_path_factory.mktemp("songs")
    sides = {"train": 2, "valid": 1, "test": 2}
    names = [(f"{side}{number}.mid", side) for side, count in sides.items() for number in range(count)]
    for number, (name, _) in enumerate(names):
        song(number, 300).write(made / name)
    KINDS["stuck"](song(0, 300), np.random.default_rng(0)).write(made / "noise-0-stuck.mid")
    rows = [("file", "split"), *names, ("noise-0-stuck.mid", "train")]
    (made / "labels.csv").write_text("".join(f"{file},{side}\n" for file, side in rows))
    return made


def trained(arm, folder):
    return train(arm, folder, 0, 4, Namespace(size="micro", windows=4, evaluations=2))


def test_a_run_measures_songs_and_what_is_retired(folder):
    found = trained(Arm({"selector": "adversarial", "freeze_every": 1}), folder)
    assert set(found["songs"]) == {"test0.mid", "test1.mid"}
    assert {kind: of["notes"] for kind, of in found["trained_on"].items()} == {"songs": 600, "stuck": 300}
    assert found["curve"]["step"] == [0, 2, 4]
    assert found["trained_on"]["songs"]["retired"] > 0


def test_controls_start_as_uniform_does_and_go_elsewhere(folder):
    plain = trained(ARMS["uniform"], folder)
    losses = plain["curve"]["note_fields"]["test"]
    for name, times in (("uniform-taught", 1), ("excess-own", 1), ("uniform-twice", 2)):
        found = trained(ARMS[name], folder)
        other = found["curve"]["note_fields"]["test"]
        assert other[0] == losses[0]
        assert other[-1] != losses[-1]
        assert found["curve"]["step"] == [0, 2 * times, 4 * times]
        assert found["passes_made"] == times * plain["passes_made"]


def test_the_size_from_tiny_has_its_weights():
    tiny = load_checkpoint("tiny")
    assert (initial("from-tiny").weights, initial("from-tiny").config) == (tiny.fingerprint, tiny.config)
    assert initial("micro").weights is None


def test_a_model_learns_nothing_from_itself_as_a_teacher():
    objective, windows = make_objective("uniform").eval(), tunes()
    hidden = torch.rand(windows.attention_mask.shape, generator=generator(1)) < 0.3
    cells = (hidden & windows.attention_mask)[..., None].expand(windows.tokens.shape)
    corrupted = Corrupted(windows.tokens.masked_fill(cells, MASK), torch.zeros_like(cells), cells)
    states = objective.backbone(corrupted.tokens, windows.attend).detach()
    bias = objective.heads.projection.bias
    for factor, still in ((1.0, True), (1.5, False)):
        itself = Reference(deepcopy(objective.backbone), deepcopy(objective.heads))
        loss = Taught(itself, objective.heads).loss(
            factor * states, windows.tokens, windows.attention_mask, corrupted
        )
        (slope,) = torch.autograd.grad(loss, bias)
        assert (slope.abs().max() < 1e-6) == still
