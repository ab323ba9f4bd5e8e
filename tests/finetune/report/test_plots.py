"""Pictures: they hold what they were given, and every one can be drawn."""

from __future__ import annotations

import io

import numpy as np
import pytest
from benchmark_records import CLASSES, counts_of, record
from finetune_helpers import tune
from matplotlib.figure import Figure

from finetune.report.figures import recalls, task_charts
from finetune.report.plots import confusion, curves, drawn, piano_roll, recall


def painted(figure: Figure) -> Figure:
    """The figure, having been drawn once."""
    figure.savefig(io.BytesIO(), format="png", dpi=20)
    return figure


@pytest.mark.parametrize("classes", [2, 12])
def test_confusion_shows_share_and_count_of_every_cell(classes: int) -> None:
    counts = np.arange(classes * classes).reshape(classes, classes)
    axes = painted(confusion(counts, [f"c{i}" for i in range(classes)], "t")).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert len(texts) == classes**2
    assert texts[-1] == f"{counts[-1, -1] / counts[-1].sum():.0%}\n{counts[-1, -1]:,}"


def test_recall_draws_every_class_the_first_on_top() -> None:
    axes = painted(recall(recalls(counts_of(0.5), CLASSES), "t")).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{name} (240)" for name in CLASSES]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_charts_are_drawn_with_their_axes() -> None:
    runs = [record(0.7, parameters=10), record(0.6, method="lora", parameters=1000)]
    [chart] = task_charts(runs, runs[0])
    axes = painted(drawn(chart)).axes[0]
    assert axes.get_xscale() == "log"
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        *("full, scratch", "lora, scratch", "best baseline")
    }


def test_a_short_logarithmic_axis_is_labelled_in_plain_numbers_between_powers_of_ten() -> None:
    def between(*parameters: int) -> set[str]:
        runs = [record(method=f"m{number}", parameters=number) for number in parameters]
        axis = painted(drawn(task_charts(runs, runs[0])[0])).axes[0].xaxis
        return {label.get_text() for label in axis.get_ticklabels(minor=True)}

    assert {"2,000", "3,000", "4,000", "6,000"} <= between(2_000, 6_000)
    assert not any("10^" in label for label in between(2_000, 6_000))
    assert between(2_000, 2_000_000) == {""}


def test_many_series_are_told_apart() -> None:
    runs = [record(0.6, method=f"m{number:02}", parameters=10 + number) for number in range(25)]
    [chart] = task_charts(runs, runs[0])
    lines = [container.lines[0] for container in painted(drawn(chart)).axes[0].containers]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len({(line.get_color(), line.get_linestyle()) for line in lines}) == 25


def test_curves_and_rolls_are_drawn() -> None:
    one, music = record(), tune(1, bars=2)
    assert len(painted(curves(one["seeds"], one["baselines"])).axes) == 2
    seeds = [{**seed, "folds": [seed, seed, seed]} for seed in one["seeds"]]
    assert len(painted(curves(seeds, one["baselines"])).axes[1].get_lines()) == 6 + len(one["baselines"])
    truth = music.notes["track"].astype(int)
    _, below = painted(piano_roll(music, truth, 1 - truth, ("MELODY", "PIANO"), "t")).axes
    assert len(below.collections[1].get_paths()) == len(music)
