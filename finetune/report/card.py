"""The card of a task model as Markdown: task, scores, training data and limits."""

from __future__ import annotations

from collections.abc import Iterable

from data.toolkit.page import Page
from finetune.report.tables import (
    WHOLE,
    Record,
    method_of,
    model_line,
    pretrained,
    score_table,
    verdict_line,
    warnings_of,
)
from finetune.settings import FEATURES
from symbolic.checkpoint.card import front_matter
from symbolic.checkpoint.licence import Chain


def card(name: str, record: Record, base: str, chain: Chain, transfers: Iterable[Record] = ()) -> str:
    """Return the card as Markdown.

    Args:
        name: Name of the model.
        record: Record of its run.
        base: Bundled model that holds its backbone. "" if it has its own.
        chain: Its licence chain.
        transfers: Records of the run on other music.
    """
    task, cost, corpus = record["task"], record["seeds"][0]["cost"], record["corpus"]
    notes, fitted, seeds = task["level"] == "note", record["method"] == FEATURES, len(record["seeds"])
    source = f" from `{record['backbone']['path']}`" if pretrained(record) else ", from scratch"
    place = "which is bundled" if base else "with a backbone of its own"
    trained = (
        f"by `{method_of(record)}`{source}, {place}"
        if not fitted
        else f"on hand-made features by {'boosted trees' if notes else 'discriminants and trees'}, without a backbone"
    )
    page = Page(name)
    page.text(
        f"{task['title']}: predicts for every {'note' if notes else 'piece'} whether it is "
        f"{', '.join(task['classes'][:-1])} or {task['classes'][-1]}. Trained {trained}; "
        f"{cost['trained_parameters']:,} of {cost['parameters']:,} parameters were trained. "
        "Written by `finetune export`."
    )
    calls = ("song.mid", "songs/ --json predictions.json") if notes else ("songs/ --csv predictions.csv",)
    page.code("\n".join(f"finetune predict {name} {words}" for words in calls))
    found = "found.labels, found.probabilities  # aligned with found.music.notes"
    page.code(
        f'import symbolic\n\nfound = symbolic.load("{name}")("song.mid")\n'
        + (found if notes else "found.label, found.probabilities"),
        "python",
    )
    page.heading("Scores")
    unseen = "that it was not trained on" if fitted else "that neither it nor its backbone was trained on"
    tested = "Pieces tested by folds" if record["split"].get("folds") else f"Test pieces {unseen}"
    page.text(f"{tested}, in per cent, with the baselines.")
    page.table(*score_table(record))
    if verdict := verdict_line(record):
        page.text(verdict)
    for warning in warnings_of(record):
        page.missing(warning)
    for other in transfers:
        page.text(f"On other test pieces: {other['task']['title']}.")
        page.table(*score_table(other))
        for warning in warnings_of(other):
            page.missing(warning)
    means = (
        f"Scores are means over {seeds} seeds. These are the weights of the seed that is best on validation."
    )
    one = "Scores are those of these weights: one seed, where a table asks for five."
    page.text(
        f"{model_line(record) or (means if seeds > 1 else one)} "
        "Intervals are of 95 %, by a bootstrap over song groups."
    )
    page.heading("Limits")
    pieces = record.get(WHOLE, record["split"]["train"])
    page.text(
        f"It was trained on {pieces:,} readings of pieces ({corpus['title']}, {corpus['licence']}). "
        "The tables above say nothing about music of other kinds."
    )
    licence = page.licence(chain)
    page.origin(record)
    matter = front_matter(
        licence,
        task=task,
        datasets=[corpus["name"]],
        base_model=chain[-2].model if len(chain) > 1 else "",
        scores={metric: found["mean"] for metric, found in record["test"].items() if "mean" in found},
    )
    return "\n".join([*matter, page.markdown()])
