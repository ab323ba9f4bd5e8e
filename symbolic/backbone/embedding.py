"""Embed tokens as vectors: their fields and what each note is to its neighbours."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from symbolic.errors import ConfigError
from symbolic.relations import relation_ids, relations_named
from symbolic.tokens.vocabulary import DRUM_PITCH, PAD, PITCH, RESERVED, Vocabulary


class RelationEmbedding(nn.Module):
    """Embed relations as the sum of one vector for each from one table. It begins with zeros.

    So a trained backbone that is given relations goes on unchanged.

    Args:
        names: Relations by name.
        dim: Width of the vectors.
        vocabulary: Meaning of the ids of tokens.

    Attributes:
        names: The relations in the order of their rows in the table.
        sizes: Number of rows of each.
    """

    offsets: Tensor

    def __init__(self, names: Sequence[str], dim: int, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.names, self.vocabulary = tuple(names), vocabulary
        self.sizes = [one.size for one in relations_named(names)]
        self.weight = nn.Parameter(torch.zeros(sum(self.sizes), dim))
        first = [sum(self.sizes[:column]) for column in range(len(self.sizes))]
        self.register_buffer("offsets", torch.tensor(first), persistent=False)

    def vectors(self) -> dict[str, Tensor]:
        """Return the rows of each relation by name, (size, dim), as views of the table."""
        return dict(zip(self.names, torch.split(self.weight, self.sizes), strict=True))

    def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Turn int64 ids (B, L, 8) of tokens as the model reads them into vectors (B, L, dim)."""
        rows = self._rows(tokens, attention_mask)
        return F.embedding_bag(rows.flatten(0, 1), self.weight, mode="sum").view(*tokens.shape[:2], -1)

    def _rows(self, tokens: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Return (B, L, R) rows of the table. Padding counts as hidden, whatever its ids."""
        if attention_mask is not None:
            tokens = tokens.masked_fill(~attention_mask[..., None], PAD)
        if torch.compiler.is_compiling():
            from symbolic.backbone.uncompiled import relation_ids as found
        else:
            found = relation_ids
        rows: Tensor = found(tokens, self.names, self.vocabulary) + self.offsets
        return rows


class TokenEmbedding(nn.Module):
    """Embed a token as the sum of one vector for each of its eight fields and one for each relation.

    Each field has its own table. So an id beyond its field is an error and not another field's value. This detects
    windows whose bars do not count from their own start.

    Args:
        sizes: Number of ids of each field, reserved ones included (`Vocabulary.sizes`).
        dim: Width of the vectors.
        relations: Relations to embed beside the fields by name.
        absolute_pitch: Embed which pitch a note has. Otherwise all pitches share one vector. Drum keys keep theirs.

    Raises:
        ConfigError: If there are relations, and the sizes are not those of the usual vocabulary.
    """

    def __init__(
        self, sizes: Sequence[int], dim: int, relations: Sequence[str] = (), absolute_pitch: bool = True
    ) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in sizes)
        self.absolute_pitch = absolute_pitch
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.02)
        if relations and tuple(sizes) != Vocabulary().sizes:
            raise ConfigError(
                "backbone relations need the usual vocabulary, to know the lengths of bars and notes; build it "
                "without relations, or with `Vocabulary().sizes`."
            )
        self.relations = RelationEmbedding(relations, dim, Vocabulary()) if relations else None

    def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Turn int64 ids (B, L, 8) into vectors (B, L, dim). `attention_mask` is (B, L) bool or None."""
        columns = list(tokens.unbind(-1))
        if not self.absolute_pitch:
            pitch = columns[PITCH]
            pitched = (pitch >= RESERVED) & (pitch < RESERVED + DRUM_PITCH)
            columns[PITCH] = pitch.masked_fill(pitched, RESERVED)
        fields = zip(self.tables, columns, strict=True)
        # Added one by one, since stacking first would take eight times the memory.
        x: Tensor = functools.reduce(torch.add, (table(ids) for table, ids in fields))
        return x if self.relations is None else x + self.relations(tokens, attention_mask)
