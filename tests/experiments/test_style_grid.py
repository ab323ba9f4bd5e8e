"""The grid of adapters for styles: it goes on where it stopped, chooses by gain, and draws the trade-off."""

from __future__ import annotations

import argparse

import pytest

from data.toolkit.results import read_lines
from experiments import style, style_grid
from symbolic.errors import ConfigError

GAINS = {
    "adapter:all:1%": 0.1,
    "conv:all:1%": 0.4,
    "lora:all:1%": 0.2,
    "conv:mid:1%": 0.3,
    "full": 0.9,
    "token": 0.0,
}


@pytest.fixture
def trained(monkeypatch):
    """The arms that are trained, by a training and a measurement that take no time."""
    found = []

    def learnt(base, pieces, arm, seed, options):
        if arm == "conv:all:0.0001%":
            raise ConfigError("too small")
        found.append((arm, pieces, seed))
        return arm, 0.01

    def measured(name, styles, models, controls, base, options):
        gain = GAINS[models[name, 0]]
        return {
            "gain_of_the_right_style": {"frozen": [gain, gain - 0.1, gain + 0.1]},
            "nats": {"frozen": {"all": 1.0}, name: {"all": 1.0}},
            "nats_by_piece": [2 - gain, 3 - gain],
            "pieces": {},
            "written": {},
        }

    monkeypatch.setattr(style, "_learnt", learnt)
    monkeypatch.setattr(style, "_measured", measured)
    monkeypatch.setattr(style, "_controls", lambda pieces, base: {})
    monkeypatch.setattr(style, "deal", lambda name, options, base: name)
    return found


def test_arms_that_differ_in_one_thing_are_compared_by_piece():
    nats = {
        "conv:all:1%": [1.0, 3.0],
        "conv:mid:1%": [2.0, 3.5],
        "lora:mid:1%": [2.0, 3.5],
        "full": [0.0, 0.0],
    }
    records = [{"arm": arm, "nats_by_piece": found} for arm, found in nats.items()]
    assert style_grid.contrasts(records) == [
        "conv:all:1% against conv:mid:1%: +0.750 (+0.500 to +1.000)",
        "conv:mid:1% against lora:mid:1%: +0.000 (+0.000 to +0.000)",
    ]


def test_a_grid_chooses_by_gain_and_goes_on_where_it_stopped(trained, tmp_path):
    options = argparse.Namespace(
        base="tiny",
        pieces=30,
        test=2,
        write=0,
        steps=1,
        seeds=3,
        out=tmp_path / "out.jsonl",
        plot=tmp_path / "grid.png",
    )
    arms = [*GAINS, "conv:all:0.0001%"]
    style_grid.run_grid(options, arms, ["rags", "dances"])
    second = {(arm, pieces, seed) for arm, pieces, seed in trained[len(GAINS) :]}
    best = ("conv:all:1%", "conv:mid:1%", "adapter:all:1%")
    assert second == {(arm, name, seed) for arm in best for name in ("rags", "dances") for seed in range(3)}
    assert len(read_lines(options.out)) == len(GAINS) + 2 * len(best)
    assert options.plot.stat().st_size > 1000
    trained.clear()
    style_grid.run_grid(options, arms, ["rags", "dances"])
    assert trained == []
    options.steps = 2
    style_grid.run_grid(options, arms[:1], ["rags"])
    assert trained
