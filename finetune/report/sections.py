"""Records below a folder, grouped into those that one table may compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.toolkit.results import read_results, task_key
from finetune.report.tables import Record, best_baseline, pretrained, transfer_of
from finetune.tasks import baselines_command


@dataclass(frozen=True, eq=False)
class Section:
    """Everything about one task, protocol, label budget and corpus.

    Attributes:
        baselines: Records of baselines.
        measured: The record that holds the baselines.
        runs: From random initialisation first, then from checkpoints.
        transfers: Runs that were trained on another task.
    """

    baselines: list[Record]
    measured: Record
    runs: list[Record]
    transfers: list[Record] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Return task, protocol and label budget."""
        return str(self.measured["task"]["title"])

    @property
    def best_baseline(self) -> Record:
        """Return the baseline with the highest accuracy on the test pieces."""
        return best_baseline(self.baselines)

    @property
    def baselines_command(self) -> str:
        """Return the command that measures the baselines again. Empty if they come with each run."""
        return baselines_command(self.measured) if "test" in self.measured else str(self.measured["command"])

    def scratch_for(self, run: Record) -> Record | None:
        """Return the best run from random initialisation with the backbone shape of a pretrained run."""
        if not pretrained(run):
            return None
        fresh = [
            one
            for one in self.runs
            if not pretrained(one) and one["backbone"].get("config") == run["backbone"]["config"]
        ]
        return max(fresh, key=_accuracy, default=None)


def read_sections(folder: str | Path) -> list[Section]:
    """Read all records below a folder, but those of studies, and group them by task, protocol, budget and corpus."""
    grouped: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in read_results(folder):
        grouped[task_key(record)].append(record)
    return [_section(records) for _, records in sorted(grouped.items(), key=lambda item: item[0])]


def headings(sections: Sequence[Section]) -> list[str]:
    """Return a heading for each section: its title with the mark of the prepared music if several have that title."""
    titles = [section.title for section in sections]
    marks = [str(section.measured["corpus"]["shards"]) for section in sections]
    return [
        f"{title}, prepared as {mark}" if titles.count(title) > 1 else title
        for title, mark in zip(titles, marks, strict=True)
    ]


def _section(records: Sequence[Record]) -> Section:
    # Records of baselines alone come first, because they name the command that made them.
    measured = max(
        records, key=lambda one: ("test_counts" in one["baselines"][0], "test" not in one, one["time"])
    )
    scored = sorted(
        (one for one in records if "test" in one),
        key=lambda one: (pretrained(one), one["backbone"].get("path", ""), one["method"], one["time"]),
    )
    return Section(
        list(measured["baselines"]),
        measured,
        runs=[one for one in scored if not transfer_of(one)],
        transfers=[one for one in scored if transfer_of(one)],
    )


def _accuracy(record: Record) -> float:
    return float(record["test"]["accuracy"]["mean"])
