"""A study that was kept, held against the records beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from finetune.compare.markdown import markdown
from finetune.compare.results import compared
from finetune.compare.study import Arm, Claim, Study, TaskUse


def check_study(path: Path) -> None:
    """Everything in a comparison.json follows from the records beside it, and its page from it."""
    remedy = f"{path} is not what its records say: run the study again with --resume and --results"
    kept = _read(path)
    study = _study(kept["study"])
    outcomes, failures = {}, {}
    for task in kept["tasks"]:
        for row in task["rows"]:
            slug = next(arm.slug for arm in study.arms if arm.name == row["arm"])
            record = _read(path.parent / "records" / f"{task['name']}-{slug}.json")
            record["baselines"] = _read(path.parent / "baselines" / f"{task['name']}.json")
            outcomes[task["name"], row["arm"]] = {
                "record": record,
                "lr": row["lr"],
                "trials": row["trials"],
                "own_process": row["peak_memory_bytes"] is not None,
            }
            assert len(row["trials"]) == len(study.trials)
        failures |= {(task["name"], one["arm"]): one["reason"] for one in task["failures"]}
    again = json.loads(json.dumps(compared(study, outcomes, failures)))
    assert again == {name: kept[name] for name in again}, remedy
    assert path.with_name("comparison.md").read_text(encoding="utf-8") == markdown(kept), remedy


def _study(document: dict[str, Any]) -> Study:
    parts = {"tasks": TaskUse, "arms": Arm, "claims": Claim}
    made = {name: tuple(kind(**_tuples(one)) for one in document[name]) for name, kind in parts.items()}
    return Study(**{**_tuples(document), **made})


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
