"""The card of a task model as Markdown: task, scores, training data and limits."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from data.toolkit.markdown import markdown_table, origin_lines
from finetune.report.tables import Record, method_of, pretrained, score_table
from finetune.settings import FEATURES
from symbolic.checkpoint.card import front_matter


def card(name: str, record: Record, base: str, licence: str, transfers: Iterable[Record] = ()) -> str:
    """Return the card as Markdown.

    Args:
        name: Name of the model.
        record: Record of its run.
        base: Bundled model that holds its backbone; "" if it has its own.
        licence: Licence of the weights, in one line.
        transfers: Records of the run on other music.
    """
    task, cost = record["task"], record["seeds"][0]["cost"]
    note_level = task["level"] == "note"
    by_hand = record["method"] == FEATURES
    place = "which is bundled" if base else "with a backbone of its own"
    source = f" from `{record['backbone']['path']}`" if pretrained(record) else ", from scratch"
    trained = (
        "Trained on hand-made features by "
        f"{'boosted trees' if note_level else 'discriminants and trees'}, without a backbone"
        if by_hand
        else f"Trained by `{method_of(record)}`{source}, {place}"
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
        f"{task['title']}: predicts for every {'note' if note_level else 'piece'} whether it is "
        f"{', '.join(task['classes'][:-1])} or {task['classes'][-1]}. {trained}; "
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
            f"Test pieces that {'it was' if by_hand else 'neither it nor its backbone was'} "
            f"{'not ' if by_hand else ''}trained on, in per cent, with the baselines.",
        ),
    ]
    for other in transfers:
        lines += _scored(other, f"On other test pieces: {other['task']['title']}.")
    seeds = len(record["seeds"])
    lines += [
        f"Scores are means over {seeds} seeds. These are the weights of the seed that is best on validation."
        if seeds > 1
        else "Scores are those of these weights: one seed, where a table asks for five.",
        "Intervals are of 95 %, by a bootstrap over song groups.",
        "",
        "## Limits",
        "",
        f"It was trained on {record['split']['train']:,} readings of pieces "
        f"({record['corpus']['title']}, {record['corpus']['licence']}). "
        "The tables above say nothing about music of other kinds.",
        "",
        *origin_lines(licence, record),
    ]
    return "\n".join(lines)


def _files(note_level: bool) -> tuple[str, ...]:
    """Return the words after the model's name in example commands."""
    return ("song.mid", "songs/ --json answers.json") if note_level else ("songs/ --csv answers.csv",)


def _scored(record: Record, words: str) -> list[str]:
    return [words, "", *markdown_table(*score_table(record), numbers=True), ""]
