"""The front matter of a model card: what model hubs read of it, as YAML at the top of README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symbolic.checkpoint.bundled import LICENCE
from symbolic.checkpoint.licence import Licence

_FENCE = "---"


def front_matter(
    licence: Licence,
    *,
    task: Mapping[str, Any] | None = None,
    datasets: Sequence[str] = (),
    base_model: str = "",
    scores: Mapping[str, float] | None = None,
) -> list[str]:
    """Return the front matter of a card as lines.

    Args:
        licence: The licence of the weights.
        task: The task that was learnt as `Task.describe` gives it. None for a pretrained model.
        datasets: Names of the training corpora.
        base_model: The model that it was made on if any.
        scores: Scores on test pieces by metric in 0 to 1.
    """
    import yaml

    values: dict[str, Any] = {"license": licence.hub}
    if licence.terms is None:
        values |= {"license_name": licence.title, "license_link": LICENCE}
    values |= {
        "library_name": "counterpoint-smu",
        "tags": ["music", "midi", "symbolic-music", *([str(task["label"])] if task else ["masked-modeling"])],
    }
    if datasets:
        values["datasets"] = list(datasets)
    if base_model:
        values["base_model"] = base_model
    if scores:
        values["metrics"] = list(scores)
        values["scores"] = {name: round(float(value), 4) for name, value in scores.items()}
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=10_000)
    return [_FENCE, *text.splitlines(), _FENCE, ""]
