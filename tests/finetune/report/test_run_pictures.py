"""Pictures of runs: charts of records and piano rolls can be drawn."""

from __future__ import annotations

import io

from benchmark_records import record
from finetune_helpers import tune
from matplotlib.figure import Figure

from data.toolkit.charts import draw_charts
from finetune.report.charts import draw_classes, run_charts


def painted(figure: Figure) -> Figure:
    """The figure, having been drawn once."""
    figure.savefig(io.BytesIO(), format="png", dpi=20)
    return figure


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
