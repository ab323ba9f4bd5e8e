"""Compare adapters for styles: bodies, places and sizes on one style, then the best two and the worst on more styles.

    python -m experiments.style_grid --from infill --root DATA --pieces 30 --out results/styles.jsonl --plot grid.png

The first round trains every arm once on the first style. The second trains the two arms with the highest gain over the
frozen model and the one with the lowest on all styles, with more seeds. Each arm is measured as in `experiments.style`
and its records are appended to the file. A stopped grid goes on by the same command. The plot sets the gain against
the share of trained numbers. Arms that differ in one thing are compared piece by piece.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from data.toolkit.charts import Chart, Series, draw_charts
from data.toolkit.command import guarded
from experiments.style import STYLES, TOKEN, study, with_flags
from finetune.style.objective import paired_interval
from symbolic.errors import ConfigError

ARMS = (
    *(
        ":".join(one)
        for one in product(("adapter", "conv", "transformer"), ("all", "mid", "last"), ("0.3%", "1%", "3%"))
    ),
    "lora:all:1%",
    "full",
    "scratch",
    TOKEN,
)


def main(argv: Sequence[str]) -> None:
    """Run what is left of the grid, and draw the plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--styles",
        default="rags,chorales,dances,makam",
        help=f"some of {', '.join(STYLES)}, that of the first round first",
    )
    parser.add_argument("--arms", default=",".join(ARMS), help="arms of the first round")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each arm in the second round")
    parser.add_argument("--plot", type=Path, help="file for the plot, .png or .svg")
    options = with_flags(parser).parse_args(argv)
    if options.out is None:
        raise ConfigError("--out is needed: the second round and a resumed grid read the records in it.")
    run_grid(options, options.arms.split(","), options.styles.split(","))


def run_grid(options: argparse.Namespace, arms: Sequence[str], styles: Sequence[str]) -> None:
    """Run what is left of both rounds.

    Args:
        options: Those of the command.
        arms: Arms of the first round.
        styles: All styles, that of the first round first.
    """
    first = study(options, arms, styles[:1], 1)
    print("\n".join(contrasts(first)))  # noqa: T201
    if options.plot and first:
        draw_charts(trade_off(first)).savefig(options.plot)
    study(options, chosen(first), styles, options.seeds)


def chosen(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the two arms with the highest gain and the one with the lowest. Controls are no candidates."""
    ranked = sorted((one for one in records if ":" in one["arm"]), key=_gain, reverse=True)
    return list(dict.fromkeys(one["arm"] for one in (*ranked[:2], *ranked[-1:])))


def contrasts(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for every two arms that differ in body, place or size alone: nats that the first one saves.

    The interval is that of the difference, paired by test piece.
    """
    found = []
    for one, other in combinations(records, 2):
        parts = [record["arm"].split(":") for record in (one, other)]
        if len(parts[0]) == len(parts[1]) == 3 and sum(a != b for a, b in zip(*parts, strict=True)) == 1:
            saved = np.subtract(other["nats_by_piece"], one["nats_by_piece"])
            mean, low, high = paired_interval(saved)
            found.append(f"{one['arm']} against {other['arm']}: {mean:+.3f} ({low:+.3f} to {high:+.3f})")
    return found


def trade_off(records: Sequence[Mapping[str, Any]]) -> Chart:
    """Return a chart of the gain over the frozen model against the trained share, a line for each body and place."""
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for record in sorted(records, key=lambda one: float(one["trained_share"])):
        lines.setdefault(", ".join(record["arm"].split(":")[:2]), []).append(record)
    series = [
        Series(
            name=name,
            x=[100 * one["trained_share"] for one in found],
            y=[_gain(one) for one in found],
            low=[one["gain_of_the_right_style"]["frozen"][1] for one in found],
            high=[one["gain_of_the_right_style"]["frozen"][2] for one in found],
            bars=True,
        )
        for name, found in lines.items()
    ]
    return Chart(
        title=f"Styles: {records[0]['style']}, {records[0]['settings']['pieces']} pieces",
        x="trained numbers, % of the backbone",
        y="gain over the frozen model, nats a hidden field",
        series=series,
        level=0.0,
        level_name="frozen",
        log=True,
    )


def _gain(record: Mapping[str, Any]) -> float:
    return float(record["gain_of_the_right_style"]["frozen"][0])


if __name__ == "__main__":
    sys.exit(guarded(main))
