"""Pictures drawn from charts and matrices."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from data.toolkit.charts import Chart, Series, draw_charts, draw_matrix


def drawn(figure: Figure) -> Figure:
    """Return the figure after it was drawn once."""
    figure.savefig(io.BytesIO(), format="png", dpi=20)
    return figure


def chart_of(*series: Series, log: bool = True) -> Chart:
    return {"title": "t", "x": "parameters", "y": "%", "series": series, "log": log}


def bars(name: str, *x: float) -> Series:
    y = [50.0] * len(x)
    return {"name": name, "x": x, "y": y, "low": [40.0] * len(x), "high": [60.0] * len(x), "bars": True}


@pytest.mark.parametrize("classes", [2, 12])
def test_matrix_shows_share_and_count_of_every_cell(classes: int) -> None:
    counts = np.arange(classes * classes).reshape(classes, classes)
    axes = drawn(draw_matrix([f"c{i}" for i in range(classes)], counts, "t")).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert len(texts) == classes**2
    assert texts[-1] == f"{counts[-1, -1] / counts[-1].sum():.0%}\n{counts[-1, -1]:,}"


def test_chart_has_its_axes_level_and_legend() -> None:
    axes = drawn(
        draw_charts({**chart_of(bars("a", 10), bars("b", 1000)), "level": 45.0, "level_name": "best"})
    ).axes[0]
    assert axes.get_xscale() == "log"
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"a", "b", "best"}


def test_chart_breaks_at_gaps_and_has_bands() -> None:
    line: Series = {
        "name": "a",
        "x": [0, 1, 2],
        "y": [0.4, None, 0.6],
        "low": [0.3, 0.3, 0.5],
        "high": [0.5, 0.5, 0.7],
    }
    cloud: Series = {"name": "b", "x": [0, 2], "y": [0.2, 0.8], "dots": True}
    axes = drawn(draw_charts(chart_of(line, cloud, log=False))).axes[0]
    assert np.isnan(axes.get_lines()[0].get_ydata()[1])
    assert len(axes.collections) == 2


def test_short_log_axis_has_plain_numbers_between_powers_of_ten() -> None:
    def between(*x: float) -> set[str]:
        axis = drawn(draw_charts(chart_of(*(bars(str(one), one) for one in x)))).axes[0].xaxis
        return {label.get_text() for label in axis.get_ticklabels(minor=True)}

    assert {"2,000", "3,000", "4,000", "6,000"} <= between(2_000, 6_000)
    assert not any("10^" in label for label in between(2_000, 6_000))
    assert between(2_000, 2_000_000) == {""}


def test_many_series_look_different() -> None:
    series = [bars(str(number), 10 + number) for number in range(25)]
    lines = [container.lines[0] for container in drawn(draw_charts(chart_of(*series))).axes[0].containers]
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len({(line.get_color(), line.get_linestyle()) for line in lines}) == 25


def test_charts_form_a_grid() -> None:
    figure = drawn(draw_charts(*[chart_of(bars("a", 1, 10))] * 3))
    assert [axes.axison for axes in figure.axes] == [True, True, True, False]
