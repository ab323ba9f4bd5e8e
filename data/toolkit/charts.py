"""Charts as data. `Page` shows them with a script and `data.toolkit.pictures` draws them as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict

from numpy.typing import NDArray


class Series(TypedDict):
    """One line or one cloud of dots of a chart.

    Attributes:
        name: Text of the legend.
        x, y: Points by rising x. y is None where nothing was measured.
        low, high: Edges of a band around the line.
        dots: Draw dots without a line.
        bars: Draw `low` and `high` as a bar through each point instead of a band.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: NotRequired[Sequence[float]]
    high: NotRequired[Sequence[float]]
    dots: NotRequired[bool]
    bars: NotRequired[bool]


class Chart(TypedDict):
    """Lines over one pair of axes.

    Attributes:
        title: Heading of the chart.
        x, y: Names of the axes with their units.
        series: The lines.
        level: Height of a dashed line to compare with.
        level_name: Text of the legend for `level`.
        low, high: Values that the y axis must reach at least.
        small: Draw it small, as one of many.
        log: Make the x axis logarithmic. All x are then above 0.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    level: NotRequired[float]
    level_name: NotRequired[str]
    low: NotRequired[float]
    high: NotRequired[float]
    small: NotRequired[bool]
    log: NotRequired[bool]


class Estimate(NamedTuple):
    """A proportion with its interval.

    Attributes:
        name: What was measured.
        value: The proportion from 0 to 1. NaN where there is none.
        low, high: Ends of the interval.
        note: The sample it was taken from, in a few words.
    """

    name: str
    value: float
    low: float
    high: float
    note: str


class Notes(TypedDict):
    """Notes of a piano roll that are drawn alike.

    Attributes:
        onset, length: (N,) in quarter notes.
        pitch: (N,) MIDI pitches.
        fill: One colour, (N,) colours, or (N,) numbers for a colour scale. Default: no fill.
        edge: Colour of the outline. Default: none.
        line: Style of the outline, such as "--". Default: solid.
        hatch: Pattern such as "////". Default: none.
        name: Text of the legend. Default: no entry.
        measure: Text of the colour scale, where `fill` holds numbers.
    """

    onset: NDArray[Any]
    length: NDArray[Any]
    pitch: NDArray[Any]
    fill: NotRequired[str | Sequence[str] | NDArray[Any]]
    edge: NotRequired[str]
    line: NotRequired[str]
    hatch: NotRequired[str]
    name: NotRequired[str]
    measure: NotRequired[str]


class Roll(TypedDict):
    """A piano roll: layers of notes over time and pitch.

    Attributes:
        title: Heading of the roll.
        layers: Drawn in this order.
    """

    title: str
    layers: Sequence[Notes]
