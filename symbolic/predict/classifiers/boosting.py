"""Gradient-boosted trees of hand-made features, kept as the text of a LightGBM model file."""

from __future__ import annotations

import re
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.errors import CheckpointError
from symbolic.features.stats import Floats
from symbolic.predict.classifiers.lightgbm_library import Booster

TREE_FIELDS = (
    *("num_leaves", "num_cat", "split_feature", "threshold", "decision_type"),
    *("left_child", "right_child", "leaf_value", "is_linear", "shrinkage"),
)
"""Lines of a tree that a prediction needs. LightGBM writes more."""
_MOST_LEAVES = 4096
_LONGEST_TEXT = 2**28
_NUMERICAL = 2
"""`decision_type` of a split of a number that is never missing."""


class BoostedTrees(Arrays):
    """Logits of classes from features (Ke et al., "LightGBM", 2017).

    The text of the model file is compressed into an array of bytes, so that it is saved like any other weight.
    LightGBM trusts such files. So the text is checked first: every line, every index and that no branch leads back.

    Args:
        classes: Number of classes.
        size: Compressed bytes that will be loaded.
    """

    def __init__(self, classes: int, size: int = 0) -> None:
        self.text = np.zeros(size, dtype=np.uint8)
        self.known = np.zeros(classes, dtype=np.bool_)
        self._booster: Booster | None = None
        self._sound_for = -1

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is in the memory of LightGBM."""
        return {**vars(self), "_booster": None}

    @property
    def size(self) -> int:
        """Compressed bytes of the text for `__init__`."""
        return len(self.text)

    @property
    def numbers(self) -> int:
        """Count the fitted numbers: thresholds and values of leaves."""
        counts = re.findall(r"^num_leaves=(\d+)$", self._text(), re.MULTILINE)
        return sum(2 * int(leaves) - 1 for leaves in counts)

    def take(self, text: str, known: NDArray[np.integer]) -> BoostedTrees:
        """Hold these trees.

        Args:
            text: From `canonical`. Empty where there is a single class and nothing to decide.
            known: Classes that the trees tell apart in their order. The others are never predicted.
        """
        packed = zlib.compress(text.encode("ascii"), 9) if text else b""
        self.text = np.frombuffer(bytearray(packed), dtype=np.uint8)
        self.known[:] = False
        self.known[known] = True
        self._booster, self._sound_for = None, -1
        return self

    def check(self, features: int) -> None:
        """Refuse a text that `canonical` cannot have written. See `check_trees`.

        Args:
            features: Number of features.

        Raises:
            CheckpointError: If the trees are malformed or were fitted to other features.
        """
        if self.size and self._sound_for != features:
            check_trees(self._text(), int(self.known.sum()), features)
            self._sound_for = features

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Return (P, C) logits of (P, F) features. Minus infinity for classes without training examples.

        Raises:
            CheckpointError: If the trees are damaged or were fitted to other features.
            ImportError: If LightGBM is absent or cannot be loaded.
        """
        known = self.known
        found = np.where(known, 0.0, np.full((len(features), len(known)), -np.inf))
        if self.size and len(features):
            if self._booster is None:
                self.check(features.shape[1])
                self._booster = Booster(self._text(), int(known.sum()))
            found[:, known] = self._booster.predict(features)
        return found

    def _text(self) -> str:
        if not self.size:
            return ""
        try:  # bounded, for a few bytes can unpack to gigabytes
            text = zlib.decompressobj().decompress(self.text.tobytes(), _LONGEST_TEXT)
        except zlib.error as error:
            raise CheckpointError(f"The trees are damaged: {error}. Copy the checkpoint again.") from error
        return text.decode("ascii", "replace")


def canonical(text: str, classes: int, features: int) -> str:
    """Return a LightGBM model text reduced to what predictions need.

    Args:
        text: From `Booster.model_to_string`.
        classes: Number of classes that were fitted.
        features: Number of features.
    """
    trees = text.partition("\nend of trees")[0].split("\nTree=")[1:]
    parts = []
    for number, tree in enumerate(trees):
        lines = dict(line.split("=", 1) for line in tree.splitlines()[1:] if line)
        parts.append(
            "\n".join([f"Tree={number}", *(f"{name}={lines.get(name, '')}" for name in TREE_FIELDS)])
        )
    return "\n\n\n".join([_header(classes, features), *parts, "end of trees\n"])


def check_trees(text: str, classes: int, features: int) -> None:
    """Refuse a text that `canonical` cannot have written.

    Args:
        text: Of a model file.
        classes: Number of classes that the trees tell apart.
        features: Number of features.

    Raises:
        CheckpointError: If it differs in any line, or a tree is malformed.
    """
    header, *parts = text.split("\n\n\n")
    *trees, end = parts or [""]
    sound = (
        classes > 0
        and header == _header(classes, features)
        and end == "end of trees\n"
        and len(trees) % classes == 0
    )
    if not (sound and all(_is_tree(tree, number, features) for number, tree in enumerate(trees))):
        raise CheckpointError(
            "The boosted trees are damaged, or were fitted to other features. Copy the checkpoint again, or refit it."
        )


def _header(classes: int, features: int) -> str:
    names, ranges = " ".join(f"f{i}" for i in range(features)), " ".join(["[-inf:inf]"] * features)
    return "\n".join(
        [
            *(
                "tree",
                "version=v4",
                f"num_class={classes}",
                f"num_tree_per_iteration={classes}",
                "label_index=0",
            ),
            *(f"max_feature_idx={features - 1}", f"objective=multiclass num_class:{classes}"),
            *(f"feature_names={names}", f"feature_infos={ranges}"),
        ]
    )


def _is_tree(text: str, number: int, features: int) -> bool:
    """Whether the lines are those of a tree: every index in its range, every child after its parent."""
    first, *lines = text.split("\n")
    pairs = [re.fullmatch(r"([a-z_]+)=([-+.e0-9 ]*)", line) for line in lines]
    if first != f"Tree={number}" or [pair and pair[1] for pair in pairs] != list(TREE_FIELDS):
        return False
    values = {pair[1]: pair[2].split() for pair in pairs if pair}
    try:
        leaves, categories, linear = (
            int("".join(values[name])) for name in ("num_leaves", "num_cat", "is_linear")
        )
        splits, kinds, left, right = (
            np.array(values[name], dtype=np.int64)
            for name in ("split_feature", "decision_type", "left_child", "right_child")
        )
        numbers = [
            np.array(values[name], dtype=np.float64) for name in ("threshold", "leaf_value", "shrinkage")
        ]
    except (ValueError, OverflowError):
        return False
    nodes = np.arange(leaves - 1)
    return (
        1 <= leaves <= _MOST_LEAVES
        and (categories, linear) == (0, 0)
        and [len(one) for one in (splits, kinds, left, right)] == [len(nodes)] * 4
        and [len(one) for one in numbers] == [len(nodes), leaves, 1]
        and all(np.isfinite(one).all() for one in numbers)
        and bool(((splits >= 0) & (splits < features) & (kinds == _NUMERICAL)).all())
        and all(
            bool((((child > nodes) & (child < leaves - 1)) | ((child < 0) & (child >= -leaves))).all())
            for child in (left, right)
        )
    )
