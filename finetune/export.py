"""A fine-tuned run as a folder to hand on: its best seed, and a card.

What was trained on a frozen model that comes with the installation is handed on without that model: an adapter, or a
probe, of a megabyte or two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.records import portable_provenance
from data.runs import RECORD, read_record
from finetune.card import card
from finetune.model import open_task, save_model, task_model
from finetune.tables import transfer_of
from symbolic.checkpoint import CARD, LICENCE
from symbolic.errors import ConfigError
from symbolic.shipped import MODELS, shipped_models
from symbolic.storage import read_json


def export(
    run: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    licence: str = "unstated",
    terms: str | Path | None = None,
    scores: str | Path | None = None,
) -> Path:
    """Write the checkpoint of a run that validation chose, as it was scored, with its card; whole or not at all.

    Args:
        run: Folder of the run.
        out: Where to; must not exist, or be a checkpoint, which is replaced.
        name: Of the model; by default that of the folder.
        licence: Of the weights, in a line.
        terms: A file with the licence's text; by default that of the model it was trained on, if that comes along.
        scores: Folder of records of `finetune transfer`; those of this run are told.

    Returns:
        The folder.

    Raises:
        CounterpointError: If the run is none, or was scored on what it had seen.
    """
    run, out = Path(run), Path(out)
    record = read_record(run, {"test_counts", "checkpoint"}, "finetune")
    if record["leaks"]["leaky"] is not False:
        raise ConfigError(
            f"{run} was scored on pieces that it may have seen; its card would promise too much."
        )
    if scores and not Path(scores).is_dir():
        raise ConfigError(f"--scores {scores}: there is no such folder.")
    record["command"] = portable_provenance(record)["command"]
    checkpoint = open_task(run / record["checkpoint"])
    model = task_model(checkpoint, checkpoint.build_backbone())
    began = str(record["backbone"].get("path", ""))
    base = began if began in shipped_models() and record["method"] != "full" else ""
    about = name or out.name
    texts = {CARD: card(about, record, base, licence, _transfers(scores, run.name))}
    text = _terms(terms, began)
    return save_model(
        out,
        model,
        checkpoint.tokenizer,
        dict(checkpoint.task),
        portable_provenance(checkpoint.provenance),
        checkpoint.pretrained_on,
        texts=texts if text is None else {**texts, LICENCE: text},
        base=base,
    )


def _transfers(scores: str | Path | None, run: str) -> list[dict[str, Any]]:
    """Records of the run on other tasks, in the order of their folders."""
    found = [read_json(path) for path in sorted(Path(scores).rglob(RECORD))] if scores else []
    return [record for record in found if (learnt := transfer_of(record)) and learnt["run"] == run]


def _terms(path: str | Path | None, began: str) -> str | None:
    """The text of a licence; None where none was given and the model it began from brings none."""
    try:
        if path is not None:
            return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--terms {path}: cannot be read ({error.strerror}).") from error
    if began not in shipped_models():
        return None
    return (MODELS / began / LICENCE).read_text(encoding="utf-8")
