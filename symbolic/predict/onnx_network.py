"""Run the network of an exported task model by ONNX Runtime. Torch is not imported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.checkpoint.files import NETWORK, WEIGHTS
from symbolic.checkpoint.format import Checkpoint
from symbolic.documents import RECOPY
from symbolic.errors import CheckpointError, ConfigError
from symbolic.features.notes import note_matrix
from symbolic.predict.logits import Codes, NoteFeatures, piece_logits
from symbolic.predict.note_codes import ranks
from symbolic.predict.parts import NOTE_FEATURES, PROBE, reads_note_features, saved_ensemble, saved_lines
from symbolic.predict.windows import Cut, Rows
from symbolic.relations import relation_ids, relations_named
from symbolic.storage import read_arrays
from symbolic.tokens.vocabulary import FIELDS

INPUTS, OUTPUT = ("inputs", "relations", "attention_mask"), "logits"
WINDOW, PARAMETERS, FINGERPRINT = "window", "parameters", "weights"
"""Entries of the file's metadata: notes of a window, number of fitted numbers, fingerprint of the folder's weights."""
_RUNTIME = "onnxruntime"


def runs_by_onnx(checkpoint: Checkpoint) -> bool:
    """Return whether a checkpoint holds its network as ONNX and ONNX Runtime is installed."""
    return (checkpoint.path / NETWORK).is_file() and find_spec(_RUNTIME) is not None


def remedy(package: str) -> str:
    """Return a sentence that says how a missing package is installed."""
    return f"The package {package} is missing. Install it: pip install 'counterpoint-smu[onnx]'."


class OnnxNetwork:
    """The network of a task model, called as `TaskModel` is.

    Args:
        checkpoint: The exported folder.

    Attributes:
        ensemble: Trees that share in the predictions, if any.
        lines: Decides which notes are melody, if any.
        numbers: Count of the parameters, with the fitted numbers of an ensemble and of lines.

    Raises:
        CheckpointError: If a part is damaged, does not fit, or reads other features than this release computes.
        ConfigError: If ONNX Runtime is not installed.
    """

    encoder = None

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.ensemble, self.lines = saved_ensemble(checkpoint), saved_lines(checkpoint)
        self._session, about = _opened(checkpoint)
        self._pooled = checkpoint.task["level"] != "note"
        self._vocabulary = checkpoint.tokenizer.vocabulary
        self._relations = checkpoint.config.relations
        sizes = [one.size for one in relations_named(self._relations)]
        self._offsets = np.cumsum([0, *sizes[:-1]])[: len(sizes)]
        self._cut = Cut.by_half(int(about[WINDOW]), self._vocabulary.sizes)
        self.numbers = int(about[PARAMETERS])
        self._codes: Codes | None = None
        self._keys = checkpoint.describe(PROBE).get("keys", 1) if PROBE in checkpoint.parts else 1
        if reads_note_features(checkpoint):
            edges = read_arrays(checkpoint.path / WEIGHTS, f"{NOTE_FEATURES}.")["edges"]
            self._codes = partial(ranks, edges=edges)

    def batch_logits(
        self, pieces: Sequence[Rows], note_features: NoteFeatures = note_matrix
    ) -> list[NDArray[np.float32]]:
        """Return the logits of pieces. Arguments and results as for `TaskModel.batch_logits`."""
        return piece_logits(
            self._run,
            pieces,
            self._cut,
            pooled=self._pooled,
            codes=self._codes,
            ensemble=self.ensemble,
            note_features=note_features,
            keys=self._keys,
        )

    def logits(self, tokens: Rows, note_features: NoteFeatures = note_matrix) -> NDArray[np.float32]:
        """Return the logits of one piece as `batch_logits` does of several."""
        return self.batch_logits([tokens], note_features)[0]

    def _run(self, ids: NDArray[np.int64], attention_mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        tokens, relations = ids[..., : len(FIELDS)], np.zeros((*ids.shape[:2], 0), dtype=np.int64)
        if self._relations:
            relations = relation_ids(tokens, self._relations, self._vocabulary) + self._offsets
        mask = np.ones(ids.shape[:2], dtype=bool) if attention_mask is None else attention_mask
        given = dict(zip(INPUTS, (ids, relations, mask), strict=True))
        used = {one.name: given[one.name] for one in self._session.get_inputs()}
        [found] = self._session.run([OUTPUT], used)
        return np.asarray(found)


def _opened(checkpoint: Checkpoint) -> tuple[Any, dict[str, str]]:
    """Open the network of a checkpoint with as many threads as other libraries take. Returns its metadata too."""
    try:
        import onnxruntime as runtime
    except ImportError as error:
        raise ConfigError(remedy(_RUNTIME)) from error
    path, options = checkpoint.path / NETWORK, runtime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # more numbers are for nested regions
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    # Rewriting the graph takes 35 ms of a start and saves 4 ms a batch. ONNX is for starts.
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:  # from bytes, so that it cannot name other files
        session = runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        about = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # the library's errors have no common base
        raise CheckpointError(f"{path} cannot be run by ONNX Runtime ({error}). {RECOPY}") from error
    if about.get(FINGERPRINT) != checkpoint.fingerprint or not {WINDOW, PARAMETERS} <= set(about):
        raise CheckpointError(f"{path} was not made of the weights beside it. Export the model again.")
    return session, about
