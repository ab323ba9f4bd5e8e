"""Export of a fine-tuned run: a folder with its best seed, a card and the legal texts.

Adapters and probes of a bundled model are exported without that model, in a megabyte or two.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data.sources import task_source, with_terms
from data.toolkit.record_schema import TRAINED
from data.toolkit.records import portable_provenance
from data.toolkit.results import read_results
from data.toolkit.runs import read_record
from finetune.report.card import card
from finetune.report.tables import pretrained, transfer_of
from finetune.training.record import portable
from symbolic.checkpoint.attribution import legal_texts
from symbolic.checkpoint.bundled import CARD, MODELS, RECORD, model_name, shipped_models
from symbolic.checkpoint.format import Checkpoint, load_checkpoint
from symbolic.checkpoint.licence import FINE_TUNING, UNRECORDED, Stage
from symbolic.errors import ConfigError
from symbolic.predict.loading import load
from symbolic.predict.network import save_model, task_model
from symbolic.predict.parts import open_task


def export(
    run: str | Path,
    out: str | Path,
    *,
    licence: str | None = None,
    terms: str | Path | None = None,
    scores: str | Path | None = None,
    onnx: bool = False,
) -> Path:
    """Write the checkpoint of a run that validation chose, with its card. The folder is whole or absent.

    Args:
        run: Folder of the run, or with `onnx` alone a bundled model or a checkpoint.
        out: Folder to write. A checkpoint there is replaced. Its name becomes that of the model.
        licence: Terms of your own music in one line, where it states none. The licence of the weights follows from the
            terms of all music in the chain.
        terms: File with the text of these terms, if they are no well-known licence.
        scores: Folder of records of `finetune transfer`. The card shows those of this run.
        onnx: Write the network for ONNX Runtime too. `symbolic.load` then runs it without torch. A bundled model or a
            checkpoint can be copied so as well.

    Returns:
        The folder.

    Raises:
        CounterpointError: If there is no such run, or it was scored on pieces it had seen.
    """
    run, out = Path(run), Path(out)
    if onnx and not (run / RECORD).is_file():
        load(run).save_pretrained(out)
        return _with_onnx(out)
    record = read_record(run, TRAINED)
    _refuse_unfit(run, record)
    if scores and not Path(scores).is_dir():
        raise ConfigError(f"--scores {scores}: there is no such folder.")
    record["command"] = portable_provenance(record)["command"]
    checkpoint = open_task(run / record["checkpoint"])
    base = _home(record)
    *before, stage = _chain(record, checkpoint)
    chain = (*before, with_terms(replace(stage, model=out.name), licence))
    about = card(out.name, record, base, chain, _transfers(scores, run, record))
    save_model(
        out,
        task_model(checkpoint),
        checkpoint.tokenizer,
        dict(checkpoint.task),
        portable_provenance(checkpoint.provenance),
        checkpoint.pretrained_on,
        texts={CARD: about, **legal_texts(out.name, chain, terms)},
        base=base,
        chain=chain,
    )
    return _with_onnx(out) if onnx else out


def _with_onnx(folder: Path) -> Path:
    from symbolic.predict.onnx_export import write_onnx

    write_onnx(load_checkpoint(folder))
    return folder


def _refuse_unfit(run: Path, record: dict[str, Any]) -> None:
    """Refuse a run that was scored on pieces it had seen."""
    if record["leaks"]["leaky"] is not False:
        raise ConfigError(
            f"{run} was scored on pieces that it may have seen. Train it again from a checkpoint that has not."
        )


def _chain(record: dict[str, Any], checkpoint: Checkpoint) -> tuple[Stage, ...]:
    """Return the licence chain. The record has that of a run that began before chains were saved."""
    if checkpoint.chain[-1].kind != UNRECORDED:
        return checkpoint.chain
    source = task_source(record["corpus"], record["task"]["label"], record["split"]["train"])
    start, before = _bundled(record), tuple[Stage, ...]()
    if pretrained(record):
        before = start.chain if start else (Stage(model_name(record["backbone"]["path"]), UNRECORDED),)
    return (*before, Stage(record["task"]["name"], FINE_TUNING, (source,)))


def _home(record: dict[str, Any]) -> str:
    """Return the bundled model that has the backbone of a run. "" if the run has its own."""
    found = _bundled(record)
    if found is None or record["method"] == "full":
        return ""
    return found.base.get("model", found.path.name)


def _bundled(record: dict[str, Any]) -> Checkpoint | None:
    """Return the bundled model that a run started from, or None.

    It is recognised by its weights because another folder can have the same name.
    """
    path = Path(str(record["backbone"].get("path", "")))
    if path.name not in shipped_models():
        return None
    found = load_checkpoint(MODELS / path.name)
    return found if found.fingerprint == record["backbone"].get("weights") else None


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
