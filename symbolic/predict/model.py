"""The base of the models for use: music in, vectors of pieces and notes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from symbolic.checkpoint.bundled import ATTRIBUTION, CARD, LICENCE
from symbolic.checkpoint.format import Checkpoint
from symbolic.checkpoint.licence import licence_of
from symbolic.errors import ConfigError, MusicFileError
from symbolic.music.conversion import as_music, is_many
from symbolic.music.notes import Music, without_notes
from symbolic.predict.windows import Rows, central_outputs, predict_tokens
from symbolic.tokens.tokenizer import Tokenizer, Tokens
from symbolic.tokens.transposition import MOST_KEYS, in_keys

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from symbolic.adapters.adapter_set import AdapterSet
    from symbolic.backbone import Backbone
    from symbolic.predict.network import Encoder

AnyMusic = Any
"""Whatever `symbolic.as_music` takes: a path, the content of a file, Music, or an object of another library."""
Piece = tuple[Music, Tokens]
_GROUP = 16
"""Pieces of a list that are read and batched together."""


class MusicModel:
    """Base of the models: a tokenizer, a backbone and what is known about them.

    Args:
        name: Name of the model. For a run, that of its task or folder.
        checkpoint: Where it was loaded from.
        encoder: The backbone and the note features that it reads. None for hand-made features.
        adapter_set: Holds its adapter under its name. None where it shares its backbone with no other model.

    Attributes:
        kind: What models of the class are in words.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        encoder: Encoder | None,
        adapter_set: AdapterSet | None = None,
    ) -> None:
        self.name, self.checkpoint, self.adapter_set = name, checkpoint, adapter_set
        self._encoder = encoder

    @classmethod
    def from_pretrained(cls, path: str | Path, device: torch.device | str = "cpu") -> Self:
        """Load a model of this class as `symbolic.load` does.

        Raises:
            CheckpointError: If the path is not a checkpoint.
            ConfigError: If the model is of another class.
        """
        from symbolic.predict.loading import load

        model = load(path, device)
        if not isinstance(model, cls):
            raise ConfigError(f"{path} is {model.kind}. This needs {cls.kind}.")
        return model

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that it was trained with."""
        return self.checkpoint.tokenizer

    @property
    def task(self) -> dict[str, Any]:
        """Name, title, level, label, classes and reading of its task. Empty for a pretrained model."""
        return dict(self.checkpoint.task)

    @property
    def backbone(self) -> Backbone:
        """The backbone with this model's adapter at work.

        Raises:
            CheckpointError: If it has none.
        """
        return self._encoding().backbone

    def embed(self, music: AnyMusic | Sequence[AnyMusic], keys: int = 1) -> NDArray[np.float32]:
        """Return one vector for a piece: mean and deviation of its notes' states in every layer.

        Each state is normed first (zero mean, unit variance), so that layers compare. The vector holds all means
        first, from the embedding to the last layer, then all deviations. Probes read the same numbers.

        Args:
            music: Whatever `symbolic.as_music` takes: a path, bytes, Music and more; or a list of it.
            keys: In how many keys, evenly spaced over the octave, a piece is read: 1 to 12. The vector is their mean.
                Six tell more of composers and emotions, and take six times as long.

        Returns:
            (D,) float32 with D = 2 * dim * (layers + 1). (P, D) for a list of P pieces.

        Raises:
            MusicFileError: If a piece cannot be read or has no notes. The message names the file.
            ConfigError: If `keys` is out of range.
            CheckpointError: If the model has no backbone.
        """
        if not isinstance(keys, int | np.integer) or not 1 <= keys <= MOST_KEYS:
            raise ConfigError(f"keys {keys}: give a whole number from 1 to {MOST_KEYS}.")
        encoder = self._encoding()
        if not is_many(music):
            return np.asarray(self._statistics(encoder, [self._prepared(music)], keys)[0])
        groups = [self._statistics(encoder, group, keys) for group in self._groups(music)]
        width = 2 * encoder.backbone.config.dim * (encoder.backbone.config.layers + 1)
        return np.concatenate([np.empty((0, width), dtype=np.float32), *groups])

    def embed_notes(self, music: AnyMusic) -> NDArray[np.float32]:
        """Return one vector for each note: its hidden state after the last layer.

        Args:
            music: As for `embed`, one piece.

        Returns:
            (N, dim) float32, aligned with the notes of the music as it was read. Drums are included.

        Raises:
            MusicFileError: If the piece cannot be read or has no notes.
            CheckpointError: If the model has no backbone.
        """
        from symbolic.predict.layers import on_tensors

        encoder = self._encoding()
        read, tokens = self._prepared(music)
        found = np.empty((len(read), encoder.backbone.config.dim), dtype=np.float32)
        network, inputs = on_tensors(encoder, encoder.device), [encoder.inputs(tokens.ids)]
        found[tokens.note_index] = predict_tokens(network, inputs, encoder.cut)[0]
        return found

    def to(self, device: torch.device | str) -> Self:
        """Move the model to a device, as `symbolic.load` names it. Returns the model.

        Raises:
            ConfigError: If it is not on this machine.
        """
        if modules := self._modules():  # models of hand-made features need no torch
            from symbolic.predict.network import device_named

            device = device_named(device)
            for module in modules:
                module.to(device)
        return self

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the model as a checkpoint folder that `symbolic.load` reads. Returns the folder.

        The licence chain, and the card and the legal texts of the folder that it was loaded from, go with it.
        """
        texts = {
            name: (self.checkpoint.path / name).read_text(encoding="utf-8")
            for name in (CARD, LICENCE, ATTRIBUTION)
            if (self.checkpoint.path / name).is_file()
        }
        about: dict[str, Any] = {
            "provenance": self.checkpoint.provenance,
            "pretrained_on": self.checkpoint.pretrained_on,
            "texts": texts,
            "base": self.checkpoint.base.get("model", ""),
            "chain": self.checkpoint.chain,
        }
        return self._save(folder, about)

    def _save(self, folder: str | Path, about: dict[str, Any]) -> Path:
        raise NotImplementedError

    def _modules(self) -> list[torch.nn.Module]:
        """Everything that a device can hold."""
        raise NotImplementedError

    def _encoding(self) -> Encoder:
        """The encoder in eval mode with this model's own adapter."""
        if self._encoder is None:
            self.checkpoint.config  # noqa: B018 - its error says that there is no backbone, and the remedy
            from symbolic.predict.network import network_model

            self._encoder = network_model(self.checkpoint).encoder
        self._use_adapter()
        return self._encoder.eval()

    def _use_adapter(self) -> None:
        if self.adapter_set is not None:
            self.adapter_set.use(self.name)

    def _read(self, music: AnyMusic) -> Music:
        read = as_music(music)
        if not len(read):
            raise MusicFileError(named(music), without_notes(read))
        return read

    def _prepared(self, music: AnyMusic) -> Piece:
        """One piece as it is read and its tokens."""
        read = self._read(music)
        try:
            return read, self._encode(read)
        except ConfigError as error:  # more bars than the tokenizer counts
            raise MusicFileError(named(music), str(error).removesuffix(".")) from error

    def _groups(self, pieces: Iterable[AnyMusic]) -> Iterator[list[Piece]]:
        """Some pieces of a list at a time with a progress bar when that takes long."""
        from tqdm import tqdm

        shown = iter(tqdm(pieces, self.name, unit=" pieces", delay=1, leave=False, disable=None))
        while group := [self._prepared(one) for one in islice(shown, _GROUP)]:
            yield group

    def _encode(self, music: Music) -> Tokens:
        """Tokens as in training."""
        return self.tokenizer.encode(music)

    def _statistics(self, encoder: Encoder, pieces: Sequence[Piece], keys: int) -> NDArray[np.float32]:
        """(P, D) mean over keys of the statistics of pieces."""
        moved = zip(*(in_keys(tokens.ids, keys) for _, tokens in pieces), strict=True)
        found: NDArray[np.float32] = np.mean([self._statistics_of(encoder, one) for one in moved], axis=0)
        return found

    def _statistics_of(self, encoder: Encoder, pieces: Sequence[Rows]) -> NDArray[np.float32]:
        """(P, D) mean and deviation over notes of the normed states of every layer."""
        from symbolic.predict.layers import note_states, on_tensors

        inputs = [encoder.inputs(tokens) for tokens in pieces]

        def states(ids: Tensor, attention_mask: Tensor | None) -> Tensor:
            return note_states(encoder.states(ids, attention_mask))

        shape = len(inputs), encoder.backbone.config.dim * (encoder.backbone.config.layers + 1)
        total, squares = np.zeros(shape), np.zeros(shape)
        for piece, _, output in central_outputs(on_tensors(states, encoder.device), inputs, encoder.cut):
            total[piece] += output.sum(axis=0, dtype=np.float64)
            squares[piece] += np.square(output, dtype=np.float64).sum(axis=0)
        count = np.array([[len(ids)] for ids in inputs])
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return np.concatenate([mean, deviation], axis=1, dtype=np.float32)

    def _about(self) -> list[str]:
        """Words for `repr`: backbone, size, licence and training music of every stage."""
        shape, chain = self.checkpoint.shape, self.checkpoint.chain
        words = ["hand-made features, no backbone"]
        if shape is not None:
            adapter = getattr(self._encoder and self._encoder.backbone.adapter, "method", None)
            words = [f"{shape.kind}, {shape.layers} layers x {shape.dim}, window {shape.window}"]
            words += [f"adapter {adapter.name}"] if adapter is not None else []
            if self._encoder is not None and self._encoder.note_features is not None:
                words.append("note features")
        words.append(f"{self.parameter_count:,} parameters")
        words.append(f"trained on {', '.join(one.name for one in chain[-1].sources) or 'unrecorded music'}")
        words += [f"made on {stage.model}" for stage in chain[-2::-1]]
        return [*words, f"licence {licence_of(chain).title}"]

    @property
    def parameter_count(self) -> int:
        """Number of parameters with those of an ensemble."""
        raise NotImplementedError


def named(music: AnyMusic) -> str:
    """Return a name of a piece for messages: its path or the kind of object that it is."""
    path = music.path if isinstance(music, Music) else music if isinstance(music, str | Path) else ""
    return str(path) or f"this {type(music).__name__}"


def count_parameters(module: torch.nn.Module) -> int:
    """Return how many parameters a module has."""
    return sum(parameter.numel() for parameter in module.parameters())
