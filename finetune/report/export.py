"""Export of a fine-tuned run: a folder with its best seed and a card.

Adapters and probes of a bundled model are exported without that model, in a megabyte or two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.toolkit.records import portable_provenance
from data.toolkit.results import read_results
from data.toolkit.runs import read_record
from finetune.report.card import card
from finetune.report.tables import transfer_of
from finetune.training.record import portable
from symbolic.checkpoint.bundled import CARD, LICENCE, MODELS, shipped_models
from symbolic.checkpoint.card import read_front_matter
from symbolic.checkpoint.format import Checkpoint, load_checkpoint
from symbolic.errors import ConfigError
from symbolic.predict.network import open_task, save_model, task_model


def export(
    run: str | Path,
    out: str | Path,
    *,
    licence: str | None = None,
    terms: str | Path | None = None,
    scores: str | Path | None = None,
) -> Path:
    """Write the checkpoint of a run that validation chose, with its card. The folder is whole or absent.

    Args:
        run: Folder of the run.
        out: Folder to write. A checkpoint there is replaced. Its name becomes that of the model.
        licence: Licence of the weights in one line. Default: that of the bundled model it was trained on.
        terms: File with the text of the licence. Default: likewise.
        scores: Folder of records of `finetune transfer`. The card shows those of this run.

    Returns:
        The folder.

    Raises:
        CounterpointError: If there is no such run, or it was trained fold by fold or scored on pieces it had seen.
    """
    run, out = Path(run), Path(out)
    record = read_record(run, {"test_counts", "checkpoint"}, "finetune")
    _refuse_unfit(run, record)
    if scores and not Path(scores).is_dir():
        raise ConfigError(f"--scores {scores}: there is no such folder.")
    record["command"] = portable_provenance(record)["command"]
    checkpoint = open_task(run / record["checkpoint"])
    home = _home(record)
    line = licence or (_licence_of(home) if home else "unstated")
    base = home.path.name if home and record["method"] != "full" else ""
    text = _terms(terms, home)
    texts = {CARD: card(out.name, record, base, line, _transfers(scores, run, record))}
    return save_model(
        out,
        task_model(checkpoint),
        checkpoint.tokenizer,
        dict(checkpoint.task),
        portable_provenance(checkpoint.provenance),
        checkpoint.pretrained_on,
        texts=texts if text is None else {**texts, LICENCE: text},
        base=base,
    )


def _refuse_unfit(run: Path, record: dict[str, Any]) -> None:
    """Refuse a run whose scores are not those of one unseen test side."""
    if record["leaks"]["leaky"] is not False:
        raise ConfigError(
            f"{run} was scored on pieces that it may have seen. Train it again from a checkpoint that has not."
        )
    if "folds" in record["split"]:
        raise ConfigError(
            f"{run} was trained fold by fold, so each of its models was trained on test pieces of the others. Name "
            "a run of a protocol without folds."
        )


def _licence_of(home: Checkpoint) -> str:
    """Return the licence of a bundled model in one line."""
    known = read_front_matter(home.path).get("license", "")
    return f"That of `{home.path.name}`{f': {known}' if known else ''}, see LICENSE."


def _home(record: dict[str, Any]) -> Checkpoint | None:
    """Return the bundled backbone that a run started from, or None.

    It is recognised by its weights because another folder can have the same name.
    """
    path = Path(str(record["backbone"].get("path", "")))
    if path.name not in shipped_models():
        return None
    found = load_checkpoint(MODELS / path.name)
    if found.fingerprint != record["backbone"]["weights"]:
        return None
    return load_checkpoint(MODELS / found.base["model"]) if found.base else found


def _transfers(scores: str | Path | None, run: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return records of the run on other tasks. Runs of one name are recognised by their settings."""
    found = read_results(scores) if scores else []
    ours = (run.resolve().name, record["backbone"].get("weights"))
    settings = portable(record)["settings"]
    return [
        other
        for other in found
        if (trained_on := transfer_of(other))
        and (trained_on["run"], other["backbone"].get("weights")) == ours
        and other["settings"] == settings
    ]


def _terms(path: str | Path | None, home: Checkpoint | None) -> str | None:
    """Return the text of a licence. None if none was given and the bundled model has none."""
    try:
        if path is not None:
            return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--terms {path}: cannot be read ({error.strerror}).") from error
    return (home.path / LICENCE).read_text(encoding="utf-8") if home else None
