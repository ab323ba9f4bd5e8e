"""Check the records of runs before anything is made of them: one schema for each kind.

A record is a file that people copy, edit and merge. All that the commands use of one is checked here.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from symbolic.documents import (
    PLAIN_NAME,
    Check,
    anything,
    fields,
    listed,
    mapped,
    nullable,
    number,
    text,
    truth,
    whole,
)
from symbolic.tokens.vocabulary import FIELDS

RESTORE = "Restore it from a copy, or run it again."
MOST_COUNTS = 2**26
"""Largest number of counts in a record."""
_LEVELS = 6
"""How deeply settings may be nested."""
_COUNT = whole(0, 2**62)
_SCORE = number(-1e9, 1e9)
_BELOW = text(rf"{PLAIN_NAME}(/{PLAIN_NAME})*")
"""A path below the folder of the run."""


class Kind(NamedTuple):
    """A kind of record.

    Attributes:
        command: The command whose runs have such records.
        marks: Entries that no other record has.
        check: The schema.
    """

    command: str
    marks: frozenset[str]
    check: Check


def plain(place: str, value: Any, levels: int = _LEVELS) -> list[str]:
    """Check that a value is not nested deeply: such values are copied from record to record."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    if inner and not levels:
        return [f"{place} is nested too deeply"]
    return next((found for one in inner if (found := plain(place, one, levels - 1))), [])


def _command(place: str, value: Any) -> list[str]:
    if problems := text()(place, value):
        return problems
    try:
        shlex.split(value)
    except ValueError:
        return [f"{place} is no command"]
    return []


def _counts(place: str, value: Any) -> list[str]:
    """Check the shape of packed counts, so that unpacking them takes no more memory than real ones do."""
    form = fields({"packed": text(longest=2**26), "shape": listed(whole(1, 2**20), least=3)})
    if problems := form(place, value):
        return problems
    shape = value["shape"]
    fits = len(shape) <= 4 and shape[-1] == shape[-2] and math.prod(shape) <= MOST_COUNTS
    return [] if fits else [f"{place}.shape is no shape of counts"]


_MACHINE = fields(
    {"cores": nullable(_COUNT), "processor": text()},
    {name: text() for name in ("system", "processor_name", "accelerator")},
)
ORIGIN: dict[str, Check] = {
    "command": _command,
    "time": text(),
    "versions": mapped(text(), text()),
    "machine": _MACHINE,
}
"""What every record says of where it was made."""
_SETTINGS = mapped(text(), plain)
_SIDES = {"train": _COUNT, "valid": _COUNT, "test": _COUNT}
_INTERVAL = listed(_SCORE, least=2)
_METRIC = fields({"mean": _SCORE}, {"sd": _SCORE, "interval": _INTERVAL, "fold_sd": _SCORE})
_SCORES = mapped(text(), _METRIC)
_BASELINE = fields(
    {"title": text(), "test": fields({"scores": _SCORES}, more=True)}, {"test_counts": _counts}, more=True
)
_TASK = {
    "task": fields(
        {
            **{name: text() for name in ("name", "title", "label", "level")},
            "classes": listed(text(), least=2),
            "metrics": mapped(text(), text()),
        },
        more=True,
    ),
    "budget": number(0, 1e9),
    "protocol": text(),
    "published": listed(
        fields({"system": text(), "scores": mapped(text(), _SCORE), "protocol": text(), "leaky": truth})
    ),
    "corpus": fields(
        {name: text() for name in ("name", "title", "licence", "citation", "homepage", "shards")},
        {"tokenizer": text()},
        more=True,
    ),
    "split": fields(
        {"source": text(), **_SIDES},
        {"folds": listed(fields({"test": _COUNT}, more=True), least=1), "left_out": mapped(text(), _COUNT)},
    ),
    "baselines": listed(_BASELINE, least=1),
}
_COST = fields(
    {"trained_parameters": _COUNT, "parameters": whole(1, 2**62), "seconds": number(0, 1e12)},
    {
        "kept_parameters": nullable(_COUNT),
        "saved_bytes": nullable(_COUNT),
        "seconds_per_epoch": nullable(number(0, 1e12)),
        "peak_memory_bytes": nullable(_COUNT),
    },
    more=True,
)
_LEARNT = {"learnt_from": listed(text())}
_SEED = fields(
    {"seed": whole(0, 2**64), "cost": _COST},
    {**_LEARNT, "folds": listed(fields({}, _LEARNT, more=True), least=1)},
    more=True,
)
_RUN = {
    "method": text(),
    "backbone": fields(
        {"source": text()}, {"path": text(), "weights": text(), "config": _SETTINGS}, more=True
    ),
    "settings": _SETTINGS,
    "leaks": fields({"leaky": nullable(truth)}, more=True),
    "test": _SCORES,
    "seeds": listed(_SEED, least=1),
}
_RUN_MAY = {
    **{name: text() for name in ("name", "commit")},
    "checkpoint": _BELOW,
    "whole": _COUNT,
    "valid": _SCORES,
    "test_counts": _counts,
    "valid_counts": _counts,
    "warnings": listed(text()),
    "transfer": fields(
        {
            **{name: text() for name in ("from", "title", "run")},
            "budget": number(0, 1e9),
            "command": _command,
            "machine": _MACHINE,
        },
        {"shards": text()},
    ),
}
_BASELINES = fields({**ORIGIN, **_TASK}, {"settings": _SETTINGS}, more=True)
_SCORED = fields({**ORIGIN, **_TASK, **_RUN}, _RUN_MAY, more=True)
_WITH_COUNTS = fields(
    {
        "test_counts": anything,
        "valid": anything,
        "checkpoint": anything,
        "baselines": listed(fields({"test_counts": anything}, more=True)),
        "seeds": listed(fields({"cost": fields({"saved_bytes": _COUNT}, more=True)}, more=True)),
    },
    more=True,
)


def _finetuned(place: str, record: Any) -> list[str]:
    """Check a record of `finetune`: of a run, of a transfer, or of baselines alone."""
    scored = isinstance(record, Mapping) and "test" in record
    if problems := (_SCORED if scored else _BASELINES)(place, record):
        return problems
    sides = {
        f"baselines[{index}].test": one["test"]["scores"] for index, one in enumerate(record["baselines"])
    }
    if scored:
        sides |= {side: record[side] for side in ("test", "valid") if side in record}
        if "transfer" not in record and "valid" not in record:
            problems.append("valid is missing")
        backbone = record["backbone"]
        if backbone["source"] == "checkpoint":
            problems += [f"backbone.{one} is missing" for one in ("path", "config") if one not in backbone]
    for side, scores in sides.items():
        needed = ("mean", "sd", "interval") if side == "test" else ("mean", "interval")
        for metric in {"accuracy", *record["task"]["metrics"]}:
            lacking = [one for one in needed if one not in scores.get(metric, ())]
            problems += [f"{side}.{metric}.{one} is missing" for one in lacking]
    return problems + _unlike_counts(record)


def _trained(place: str, record: Any) -> list[str]:
    """Check a record of `finetune` of a run with its models, which can be compared with others."""
    if problems := _finetuned(place, record) or _WITH_COUNTS(place, record):
        return problems
    return [] if "macro_f1" in record["task"]["metrics"] else ["task.metrics.macro_f1 is missing"]


def _unlike_counts(record: Mapping[str, Any]) -> list[str]:
    """Return a problem if counts of a record cannot be compared with each other."""
    own = [one["test_counts"]["shape"][-3:] for one in (record, *record["baselines"]) if "test_counts" in one]
    classes = len(record["task"]["classes"])
    alike = all(shape == own[0] and shape[-1] == classes for shape in own)
    return [] if alike else ["test_counts are of other classes or pieces than those of the baselines"]


_BY_FIELD = fields(dict.fromkeys(FIELDS, _SCORE))
_MEASURED = fields({"loss": _BY_FIELD, "accuracy": _BY_FIELD}, more=True)
_ORIGINS = fields(
    {"pieces": nullable(_COUNT), "weights": text()},
    {
        "held_out_trained_on": nullable(_COUNT),
        "expanded_from": nullable(fields({"layers": _COUNT, "dim": _COUNT}, more=True)),
    },
    more=True,
)
_PRETRAINED = fields(
    {
        **ORIGIN,
        "history": listed(fields({"step": _COUNT, "held_out": _MEASURED}, more=True), least=1),
        "corpus": fields(
            {"name": text(), "shards": text(), "training_pieces": _COUNT, "held_out_windows": _COUNT},
            more=True,
        ),
        "parameters": fields({"backbone": _COUNT, "heads": _COUNT}, more=True),
        "settings": _SETTINGS,
        "baselines": _BY_FIELD,
        "files": fields({"checkpoint": _BELOW}, more=True),
    },
    {"name": text(), "from": nullable(_ORIGINS), "relations": listed(text())},
    more=True,
)
RESULT = Kind("finetune", frozenset({"task", "baselines"}), _finetuned)
"""A run, a transfer or baselines."""
TRAINED = Kind("finetune", frozenset({"test_counts", "checkpoint"}), _trained)
"""A run with its models. A transfer has counts too, and names no checkpoint."""
PRETRAINED = Kind("pretrain", frozenset({"history", "files", "settings"}), _PRETRAINED)
"""A pretraining run."""
