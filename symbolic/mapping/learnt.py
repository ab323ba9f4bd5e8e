"""The bundled map that was learnt from (n)ASAP: trees that find beats and quantise, and weights that play."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from symbolic.checkpoint.bundled import MODELS
from symbolic.errors import CheckpointError
from symbolic.features.stats import Floats
from symbolic.mapping.beat_trees import PLACES as CHORD_PLACES
from symbolic.mapping.beat_trees import TreeTracker
from symbolic.mapping.expression import ASPECTS
from symbolic.mapping.features import TICKS
from symbolic.mapping.metre import IN_BAR
from symbolic.mapping.quantisation import PLACES, STAVES, VALUES, Trees
from symbolic.mapping.rhythm import STEPS
from symbolic.mapping.written import NAMES
from symbolic.predict.classifiers.boosting import BoostedTrees
from symbolic.storage import read_arrays, write_tensors

FOLDER = MODELS / "asap-map"
_FILE = "map.safetensors"
_LICENCE = "CC BY-NC-SA 4.0"
_CLASSES = {
    **{"places": len(PLACES), "staff": STAVES, "value": len(VALUES)},
    **{"chord": CHORD_PLACES, "pair": 2, "metre": len(IN_BAR)},
}


class LearntMap:
    """A map between scores and performances, learnt from (n)ASAP under CC BY-NC-SA 4.0: not for commercial use.

    Args:
        trees: Trees by name: "places", "staff" and "value" of `Trees`; "chord", "pair" and "metre" of `TreeTracker`.
        rhythm: Table of steps between chords.
        weights: (F, 4) weights of playing.
    """

    licence = _LICENCE
    origin = "weights learnt from (n)ASAP, CC BY-NC-SA 4.0"

    def __init__(self, trees: dict[str, BoostedTrees], rhythm: Floats, weights: Floats) -> None:
        self.trees, self.rhythm, self.weights = trees, rhythm, weights
        self.quantiser = Trees(trees["places"], trees["staff"], trees["value"], rhythm)
        self.tracker = TreeTracker(trees["chord"], trees["pair"], trees["metre"])

    def __repr__(self) -> str:
        numbers = sum(one.numbers for one in self.trees.values()) + self.weights.size + self.rhythm.size
        return f"LearntMap({numbers:,} numbers, learnt from (n)ASAP, {_LICENCE})"

    def save(self, folder: Path) -> None:
        """Write the weights into a folder."""
        tensors = {
            f"{name}.{part}": one
            for name, tree in self.trees.items()
            for part, one in tree.state_dict().items()
        }
        folder.mkdir(parents=True, exist_ok=True)
        tensors |= {"rhythm": self.rhythm.astype(np.float32), "weights": self.weights.astype(np.float32)}
        write_tensors(folder / _FILE, tensors)


def load_map(folder: Path = FOLDER) -> LearntMap | None:
    """Load the map. None where it is not installed.

    Raises:
        CheckpointError: If its files are damaged or do not fit this release.
    """
    if not (folder / _FILE).is_file():
        return None
    tensors = read_arrays(folder / _FILE)
    try:
        rhythm, weights = (tensors[name].astype(np.float64) for name in ("rhythm", "weights"))
        trees = {}
        for name, classes in _CLASSES.items():
            trees[name] = BoostedTrees(classes, len(tensors[f"{name}.text"]))
            trees[name].load_state_dict({part: tensors[f"{name}.{part}"] for part in ("text", "known")})
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{folder / _FILE} is damaged ({error}). Install Counterpoint again."
        ) from error
    if weights.shape != (len(NAMES), len(ASPECTS)) or rhythm.shape != (TICKS, STEPS, STEPS):
        raise CheckpointError(f"{folder / _FILE} is of another release. Install Counterpoint again.")
    return LearntMap(trees, rhythm, weights)
