"""The card of a task model: what it tells, how well, learnt from what, and how far to trust it, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from data.toolkit.markdown import markdown_table, origin_lines
from finetune.report.tables import Record, method_of, pretrained, score_table
from finetune.settings import FEATURES
from symbolic.checkpoint.card import front_matter


def card(name: str, record: Record, base: str, licence: str, transfers: Iterable[Record] = ()) -> str:
    """The card as Markdown.

    Args:
        name: Of the model.
        record: Of its run.
        base: The model that comes along and has its backbone; "" where it has its own.
        licence: Of the weights, in a line.
        transfers: Records of the run on other music.
    """
    task, cost = record["task"], record["seeds"][0]["cost"]
    note_level = task["level"] == "note"
    by_hand = record["method"] == FEATURES
    stands = "which comes with the installation" if base else "with a backbone of its own"
    source = f" from `{record['backbone']['path']}`" if pretrained(record) else ", from scratch"
    learnt = (
        "Learnt from hand-made features by "
        f"{'boosted trees' if note_level else 'discriminants and trees'}, without a backbone"
        if by_hand
        else f"Learnt by `{method_of(record)}`{source}, {stands}"
    )
    lines = [
        *front_matter(
            licence,
            task=task,
            datasets=[record["corpus"]["name"]],
            base_model=Path(record["backbone"]["path"]).name if pretrained(record) else "",
            scores={metric: found["mean"] for metric, found in record["test"].items() if "mean" in found},
        ),
        f"# {name}",
        "",
        f"{task['title']}: tells of every {'note' if note_level else 'piece'} whether it is "
        f"{', '.join(task['classes'][:-1])} or {task['classes'][-1]}. {learnt}; "
        f"{cost['trained_parameters']:,} of {cost['parameters']:,} parameters were trained. "
        "Written by `finetune export`.",
        "",
        *(f"    finetune predict {name} {files}" for files in _files(note_level)),
        "",
        "```python",
        "import symbolic",
        "",
        f'found = symbolic.load("{name}")("song.mid")',
        "found.labels, found.probabilities  # aligned with found.music.notes"
        if note_level
        else "found.label, found.probabilities",
        "```",
        "",
        "## Scores",
        "",
        *_scored(
            record,
            f"Test pieces that {'it has not' if by_hand else 'neither it nor its backbone has'} heard, in per cent; "
            "beside the baselines.",
        ),
    ]
    for other in transfers:
        lines += _scored(other, f"Asked of other test pieces: {other['task']['title']}.")
    seeds = len(record["seeds"])
    lines += [
        f"Scores are means over {seeds} seeds; these are the weights of the one that is best on validation."
        if seeds > 1
        else "Scores are those of these very weights: of one seed, where a table asks for five.",
        "Intervals are of 95 %, by a bootstrap over song groups.",
        "",
        "## Limits",
        "",
        f"It has learnt from {record['split']['train']:,} readings of pieces "
        f"({record['corpus']['title']}, {record['corpus']['licence']}). "
        "On music of another kind trust it as far as the tables above go, and no further.",
        "",
        *origin_lines(licence, record),
    ]
    return "\n".join(lines)


def _files(note_level: bool) -> tuple[str, ...]:
    """What follows the model's name in commands that show it."""
    return ("song.mid", "songs/ --json answers.json") if note_level else ("songs/ --csv answers.csv",)


def _scored(record: Record, words: str) -> list[str]:
    return [words, "", *markdown_table(*score_table(record), numbers=True), ""]
