"""Pretrained models for use: vectors of music, distributions of hidden fields, surprise, and passages written anew.

tiny = symbolic.load("tiny")
tiny.embed("song.mid")          # (D,), one vector for the piece
tiny.embed_notes("song.mid")    # (N, dim), one for each note
tiny.surprise("song.mid").total # (N,), bits of each note
tiny.infill("song.mid", bars=(9, 12))[0].write("song-again.mid")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symbolic.backbone import Backbone
from symbolic.checkpoint.format import Checkpoint, save_checkpoint
from symbolic.commas import PART, CommaField
from symbolic.errors import ConfigError
from symbolic.heads import FieldHeads, Head
from symbolic.masking.corruption import build_corruption
from symbolic.predict.information import EVERY, MEMORY, TEMPERATURES, bit_reader, bits_of, check_surprise
from symbolic.predict.layers import on_tensors
from symbolic.predict.model import AnyMusic, MusicModel, count_parameters
from symbolic.predict.network import Encoder
from symbolic.predict.surprise import PAST, SURPRISES, Surprise
from symbolic.predict.windows import Rows, predict_tokens
from symbolic.tokens.tokenizer import Tokens
from symbolic.tokens.vocabulary import FIELDS

if TYPE_CHECKING:
    from symbolic.generate.constraints import Constraints
    from symbolic.generate.sampling import Sampling
    from symbolic.generate.variant import Variant

_BAR = "{l_bar}{bar}| [{elapsed}<{remaining}]"


class PretrainedModel(MusicModel):
    """A pretrained backbone: vectors of pieces and notes and distributions of hidden fields. Calling it embeds.

    Args:
        name: Name of the model.
        checkpoint: Where it was loaded from.
        backbone: With its weights.
        heads: Heads by name. Those of pretraining are called "fields".
        comma_field: Embeds and predicts how far notes lie off twelve tones. Styles of microtonal music have one.
    """

    kind = "a pretrained model, such as tiny or infill"

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        backbone: Backbone,
        heads: dict[str, Head] | None = None,
        comma_field: CommaField | None = None,
    ) -> None:
        super().__init__(name, checkpoint, Encoder(backbone).eval())
        device = next(backbone.parameters()).device
        self.heads = {name: head.to(device).eval() for name, head in (heads or {}).items()}
        self.comma_field = None if comma_field is None else comma_field.to(device).eval()

    def __call__(self, music: AnyMusic | Sequence[AnyMusic]) -> NDArray[np.float32]:
        """Return one vector for a piece or for each of a list. See `embed`."""
        return self.embed(music)

    def __repr__(self) -> str:
        return f"PretrainedModel({self.name!r}: {'; '.join(self._about())})"

    def fill(self, tokens: Tokens | Rows, masked: NDArray[np.bool_]) -> dict[str, NDArray[np.float32]]:
        """Predict hidden fields of tokens from all others.

        Args:
            tokens: `Tokens` or (N, 8) ids as the tokenizer gives them.
            masked: (N,) bool hides all fields of a note. (N, 8) bool hides single fields, ordered as `FIELDS`.

        Returns:
            For each field by name, (M, size) float32 probabilities of its ids. M counts the notes in which the field
            is hidden in their order. Ids of bars count from the first bar of a window.

        Raises:
            ConfigError: If the model has no heads for fields, or shapes do not fit.
        """
        head = self._field_heads()
        ids = tokens.ids if isinstance(tokens, Tokens) else np.asarray(tokens)
        hidden = np.asarray(masked, dtype=bool)
        if ids.ndim != 2 or ids.shape[1] != len(FIELDS) or hidden.shape not in (ids.shape, ids.shape[:1]):
            raise ConfigError(
                f"tokens are of shape {ids.shape} and masked of {hidden.shape}; (N, 8) and (N,) or (N, 8) are needed."
            )
        cells = np.broadcast_to(hidden if hidden.ndim == 2 else hidden[:, None], ids.shape)
        encoder = self._encoding()
        device = encoder.device
        corruption = build_corruption("mask", self.tokenizer.vocabulary.sizes, withhold_all=True).to(device)
        generator = torch.Generator(device)

        def masked_states(inputs: Tensor, attention_mask: Tensor | None) -> Tensor:
            clean, chosen = inputs[..., : len(FIELDS)], inputs[..., len(FIELDS) :].bool()
            fate = torch.zeros_like(chosen, dtype=torch.float32)
            return encoder.forward(corruption(clean, chosen, fate, generator).tokens, attention_mask)

        # The true bars cut the windows; fields are hidden inside them.
        read = on_tensors(masked_states, device)
        states = predict_tokens(read, [np.concatenate([ids, cells], axis=1)], encoder.cut)[0]
        asked = cells.any(axis=1)
        with torch.inference_mode():
            logits = head(torch.from_numpy(states[asked]).to(device))
        return {
            name: one.softmax(-1)[torch.from_numpy(cells[asked, field])].cpu().numpy()
            for field, (name, one) in enumerate(zip(FIELDS, logits, strict=True))
        }

    def surprise(
        self,
        music: AnyMusic,
        context: str = PAST,
        *,
        memory: int = MEMORY,
        every: int = EVERY,
        temperature: Mapping[str, float] | None = None,
    ) -> Surprise:
        """Measure how surprising each note is: the information content of its fields in bits.

        A note is hidden with all its fields. The bits of a field are -log2 of the probability that the model gives to
        its value. With "past" this is the information content of IDyOM (Pearce, 2005): the notes after it are hidden
        too. With "both" they are read, so a note surprises that does not fit where it stands.

        Args:
            music: As for `embed`, one piece.
            context: "past" or "both".
            memory: With "past", the most notes before each that are read. The time rises with it.
            every: With "both", one note in so many is hidden in a pass. With a low number there are fewer passes, and
                notes are predicted from less.
            temperature: What the logits of fields are divided by: by name, else 1. By default they are calibrated for
                the context.

        Returns:
            The bits of every note, aligned with the notes of the music as it was read. Drums are included.

        Raises:
            MusicFileError: If the piece cannot be read or has no notes.
            ConfigError: If a setting is out of range, or the model has no heads for fields.
        """
        from tqdm import tqdm

        head, encoder = self._field_heads(), self._encoding()
        cut = encoder.cut
        temperatures = TEMPERATURES.get(context, {}) if temperature is None else temperature
        check_surprise(cut, context, memory, every, temperatures)
        read, tokens = self._prepared(music)
        reader = bit_reader(encoder, head, temperatures)
        found = bits_of(reader, cut, tokens.ids, context, memory, every)
        bits = np.empty((len(tokens), len(SURPRISES)), dtype=np.float32)
        with tqdm(
            total=len(tokens), desc="surprise", unit=" notes", delay=1, leave=False, disable=None
        ) as bar:
            for chosen, some in found:
                bits[tokens.note_index[chosen]] = some
                bar.update(len(some))
        return Surprise(read, bits, self.name, context)

    def infill(
        self,
        music: AnyMusic,
        bars: tuple[int, int] | None = None,
        *,
        fields: Sequence[str] | None = None,
        tracks: Sequence[str | int] | None = None,
        continue_bars: int = 0,
        number: int = 1,
        style: str | Path | PretrainedModel | None = None,
        temperature: float | Mapping[str, float] | None = None,
        seed: int = 0,
        sampling: Sampling | None = None,
        constraints: Constraints | None = None,
    ) -> list[Variant]:
        """Write a passage of a piece anew. All other notes stay as they are.

        Args:
            music: As for `embed`, one piece.
            bars: First and last bar, counted from 1. By default the whole piece.
            fields: Some of "position", "pitch", "duration", "velocity": the notes stay and these fields of them are
                drawn. By default the notes are replaced by others.
            tracks: Tracks by number from 1, by name or by kind such as "bass" and "drums". By default all.
            continue_bars: Write so many bars after the end instead.
            number: Number of variants.
            style: A model of the same backbone with an adapter: its folder, or as `load` gave it.
            temperature: Above 1 more surprising, below 1 less; one number, or one by field.
            seed: Seed. The same seed gives the same variants.
            sampling: Everything else about how values are drawn.
            constraints: Scale, range, rhythm, density and polyphony.

        Returns:
            The variants. Each has `music`, `written` (which notes are new) and `write(path)`.

        Raises:
            MusicFileError: If the piece cannot be read or has no notes.
            ConfigError: If the piece has no such bars or tracks, settings are wrong, or the model has no heads for
                fields.
        """
        from tqdm import tqdm

        from symbolic.generate.constraints import Constraints
        from symbolic.generate.infill import Writer
        from symbolic.generate.passage import find_passage
        from symbolic.generate.sampling import Sampling

        if not isinstance(number, int | np.integer) or number < 1:
            raise ConfigError(f"number {number}: give a whole number of variants, 1 or more.")
        sampling, constraints = sampling or Sampling(), constraints or Constraints()
        if temperature is not None:
            sampling = replace(sampling, temperature=temperature)
        model = self if style is None else self._styled(style)
        read, tokens = model._prepared(music)
        vocabulary = model.tokenizer.vocabulary
        chosen = constraints.kept(fields)
        passage = find_passage(read, tokens, vocabulary, bars, chosen, tracks, continue_bars)
        backbone = model._encoding().backbone
        writer = Writer(backbone, model._field_heads(), vocabulary, sampling, constraints, model.comma_field)
        with tqdm(total=1.0, desc="writing", delay=1, leave=False, disable=None, bar_format=_BAR) as bar:
            return list(writer.write(read, tokens, passage, number, seed, bar.update))

    def _styled(self, style: str | Path | PretrainedModel) -> PretrainedModel:
        """Return the model of a style if it reads the tokens that this one reads."""
        model = style if isinstance(style, PretrainedModel) else PretrainedModel.from_pretrained(style)
        if model.tokenizer.fingerprint != self.tokenizer.fingerprint:
            raise ConfigError(
                f"The style {model.name} reads other tokens than {self.name}. Name the model that it was made from "
                f"(--from, or load it yourself), or make it again: finetune style FOLDER --from {self.name}."
            )
        return model.to(next(self.backbone.parameters()).device)

    def _field_heads(self) -> FieldHeads:
        head = self.heads.get("fields")
        if not isinstance(head, FieldHeads):
            raise ConfigError(f"{self.name} has no heads for fields. Use a model as `pretrain` wrote it.")
        return head

    @property
    def parameter_count(self) -> int:
        """Number of parameters with those of its heads."""
        return sum(count_parameters(module) for module in self._modules())

    def _modules(self) -> list[torch.nn.Module]:
        commas = [] if self.comma_field is None else [self.comma_field]
        return [self._encoding(), *self.heads.values(), *commas]

    def _save(self, folder: str | Path, about: dict[str, Any]) -> Path:
        parts = {} if self.comma_field is None else {PART: self.comma_field}
        return save_checkpoint(folder, self.backbone, self.tokenizer, heads=self.heads, parts=parts, **about)
