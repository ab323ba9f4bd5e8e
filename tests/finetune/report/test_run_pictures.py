"""Pictures of runs: charts of records and piano rolls can be drawn."""

from __future__ import annotations

import io

from benchmark_records import record
from finetune_helpers import tune
from matplotlib.figure import Figure

from data.toolkit.charts import draw_charts
from finetune.report.charts import draw_classes, run_charts, task_charts


def painted(figure: Figure) -> Figure:
    """The figure, having been drawn once."""
    figure.savefig(io.BytesIO(), format="png", dpi=20)
    return figure


def test_charts_are_drawn_with_their_axes() -> None:
    runs = [record(0.7, parameters=10), record(0.6, method="lora", parameters=1000)]
    [chart] = task_charts(runs, runs[0])
    axes = painted(draw_charts(chart)).axes[0]
    assert axes.get_xscale() == "log"
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        *("full, scratch", "lora, scratch", "best baseline")
    }


def test_a_short_logarithmic_axis_has_plain_numbers() -> None:
    def between(*parameters: int) -> set[str]:
        runs = [record(method=f"m{number}", parameters=number) for number in parameters]
        axis = painted(draw_charts(task_charts(runs, runs[0])[0])).axes[0].xaxis
        return {label.get_text() for label in axis.get_ticklabels(minor=True)}

    assert {"2,000", "3,000", "4,000", "6,000"} <= between(2_000, 6_000)
    assert not any("10^" in label for label in between(2_000, 6_000))
    assert between(2_000, 2_000_000) == {""}


def test_many_series_look_different() -> None:
    runs = [record(0.6, method=f"m{number:02}", parameters=10 + number) for number in range(25)]
    [chart] = task_charts(runs, runs[0])
    lines = [container.lines[0] for container in painted(draw_charts(chart)).axes[0].containers]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len({(line.get_color(), line.get_linestyle()) for line in lines}) == 25


def test_curves_of_seeds_and_of_folds_are_drawn() -> None:
    one = record()
    assert len(painted(draw_charts(*run_charts(one))).axes) == 2
    folded = {**one, "seeds": [{**seed, "folds": [seed, seed, seed]} for seed in one["seeds"]]}
    bands = painted(draw_charts(*run_charts(folded))).axes[1].collections
    assert len(bands) == len(one["seeds"])


def test_wrong_notes_are_outlined_in_the_piano_roll() -> None:
    music = tune(1, bars=2)
    truth = music.notes["track"].astype(int)
    truth[0] = -1
    panels = painted(draw_classes(music, truth, 1 - truth.clip(0), ("MELODY", "PIANO"))).axes
    above, below = ([box.get_edgecolor()[3] > 0 for box in axes.patches] for axes in panels)
    assert above == [False] * len(music)
    assert below == [False, *[True] * (len(music) - 1)]
    assert [text.get_text() for text in panels[0].get_legend().get_texts()] == ["MELODY", "PIANO"]
