"""Melody of a piece: trees rate each note beside a network, then lines and the texture of the piece decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.arrays import Arrays
from symbolic.features import under_another
from symbolic.features.note_table import NoteTable
from symbolic.features.stats import Floats, softmax
from symbolic.predict.classifiers.boosting import BoostedTrees
from symbolic.predict.lines.decoding import LineSettings, decoded, is_one_voice
from symbolic.predict.lines.features import line_features, line_names
from symbolic.predict.lines.gate import REGIONS, Gate
from symbolic.predict.lines.texture import TEXTURE, texture
from symbolic.predict.lines.tracks import NAMED, has_tracks, named_notes
from symbolic.tokens.vocabulary import DRUM_PITCH, PITCH, RESERVED, Vocabulary

CLASSES = 2
"""Melody and the rest, in this order."""
SURE = 4.0
"""Log-odds of melody in a piece of one voice."""
AGREED = 0.8
"""Least F1 of line and skyline, each as the other's truth, at which an answer needs no warning."""
_UNLIKE = (
    "The music is unlike what the model was trained on ({far:.1f} times the usual distance): trust it less."
)


class MelodyLines(Arrays):
    """Decides what a network says of the notes of a piece.

    Trees read hand-made features and the network's probabilities of the notes around. Then tracks vote if there are
    several, and `line_log_odds` sums over the lines that the melody could take. The texture of the piece tells how far
    its highest line is the better melody. A piece of one voice is melody.

    Args:
        size: Bytes of the trees that will be loaded.
    """

    def __init__(self, size: int = 0) -> None:
        self.trees, self.gate = BoostedTrees(CLASSES, size), Gate()
        self.values = np.array(LineSettings(), dtype=np.float64)

    @property
    def settings(self) -> LineSettings:
        """The fitted numbers of the lines."""
        return LineSettings(*self.values.tolist())

    def set(self, settings: LineSettings) -> None:
        """Take other numbers of the lines."""
        self.values[:] = settings

    def describe(self) -> dict[str, Any]:
        """Return what `described` needs as JSON values."""
        return {
            "features": list(line_names()),
            "settings": list(LineSettings._fields),
            "texture": list(TEXTURE),
            "regions": list(REGIONS),
            "trees": self.trees.size,
        }

    @classmethod
    def described(cls, classes: int, about: Mapping[str, Any]) -> MelodyLines | None:
        """Return one whose weights can be loaded. None if it was fitted in another way than this release fits."""
        model = cls(int(about.get("trees", 0)))
        return model if classes == CLASSES and model.describe() == {**about} else None

    def check(self) -> None:
        """Refuse damaged trees in which a walk might run for ever.

        Raises:
            CheckpointError: If there are any.
        """
        self.trees.check(len(line_names()))

    @property
    def numbers(self) -> int:
        """Count the fitted numbers."""
        return (
            self.trees.numbers + self.values.size + sum(one.size for one in self.gate.state_dict().values())
        )

    def needs_network(self, tokens: NDArray[np.integer]) -> bool:
        """Return whether `decided` reads the logits of a piece. A piece of one voice is melody whatever they are.

        Args:
            tokens: (N, 8) ids of the piece in canonical order.
        """
        pitched = tokens[:, PITCH] < DRUM_PITCH + RESERVED
        return bool(pitched.any()) and not is_one_voice(NoteTable.of(tokens, Vocabulary()).where(pitched))

    def decided(
        self,
        logits: NDArray[np.floating],
        tokens: NDArray[np.integer],
        tracks: NDArray[np.integer] | None = None,
        names: Sequence[str] = (),
        sung: Sequence[int] = (),
    ) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """Return (N, 2) log-probabilities of melody and the rest, and reasons to trust them less, as sentences.

        Args:
            logits: (N, 2) logits of the network.
            tokens: (N, 8) ids of the piece in canonical order. Drums are never melody.
            tracks: (N,) track of each note. None where they shall not vote.
            names: Names of the tracks. The track of a singer is likelier the melody.
            sung: Tracks that have lyrics, and are likelier the melody too.
        """
        pitched, odds = tokens[:, PITCH] < DRUM_PITCH + RESERVED, np.full(len(tokens), -SURE)
        warnings: tuple[str, ...] = ()
        if pitched.any():
            table = NoteTable.of(tokens, Vocabulary()).where(pitched)
            if is_one_voice(table):
                odds[pitched] = SURE
            else:
                own, voting = self.rated(logits, tokens)[pitched], None
                if tracks is not None and has_tracks(tracks[pitched]):
                    voting = tracks[pitched]
                    own = own + NAMED * named_notes(voting, names, sung)
                odds[pitched], warnings = self._of_voices(own, table, ~under_another(tokens)[pitched], voting)
        return np.stack([-np.logaddexp(0, -odds), -np.logaddexp(0, odds)], axis=1).astype(
            np.float32
        ), warnings

    def rated(self, logits: NDArray[np.floating], tokens: NDArray[np.integer]) -> Floats:
        """Return (N,) log-odds of melody of each note by the trees. Arguments as for `decided`."""
        melody = softmax(logits.astype(np.float64))[:, 0]
        found = self.trees.logits(line_features(tokens, melody))
        return np.asarray(found[:, 0] - found[:, 1])

    def _of_voices(
        self,
        own: Floats,
        table: NoteTable,
        above: NDArray[np.bool_],
        tracks: NDArray[np.integer] | None,
    ) -> tuple[Floats, tuple[str, ...]]:
        """Return (N,) log-odds of melody, and a warning where music is unlike the training music.

        There line and skyline can fail, but hardly in the same way: none is needed where they agree.
        """
        numbers = texture(table, above, 1 / (1 + np.exp(-own)), tracks)
        line = decoded(own, table, tracks, self.settings)
        far = self.gate.distance(numbers)
        found = self.gate.calibrated(line, above, numbers, tracks is not None) >= 0.5
        agreed = 2 * int((found & above).sum()) >= AGREED * int(found.sum() + above.sum())
        warnings = (_UNLIKE.format(far=far),) if far > 1 and not agreed else ()
        return self.gate.decided(line, above, numbers, tracks is not None), warnings
