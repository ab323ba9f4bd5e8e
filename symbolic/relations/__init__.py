"""Compute what a note is to its neighbours: pitch class, intervals, steps, degree, inter-onset time.

    from symbolic.relations import relation_ids
    ids = relation_ids(tokens.ids)  # (N, R) small integers, one column a relation

Absolute ids do not say that 60 and 72 are one pitch class. Relations do. They are computed from visible fields alone:
nothing that is hidden can be read from them. One code serves numpy arrays and torch tensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbolic.errors import ConfigError
from symbolic.relations.above_bass import above_bass, above_bass_class
from symbolic.relations.arrays import Array
from symbolic.relations.base import UNKNOWN, Relation
from symbolic.relations.below_top import below_top
from symbolic.relations.degree import degree
from symbolic.relations.group_size import group_size
from symbolic.relations.inter_onset import inter_onset
from symbolic.relations.notes import Notes
from symbolic.relations.octave import octave
from symbolic.relations.pitch_class import pitch_class
from symbolic.relations.steps import bass_step, top_step
from symbolic.tokens.vocabulary import Vocabulary

__all__ = ["RELATIONS", "UNKNOWN", "Relation", "relation_ids", "relation_problems", "relations_named"]


RELATIONS: Mapping[str, Relation] = {
    one.name: one
    for one in (
        *(pitch_class, octave, above_bass, above_bass_class, bass_step, top_step),
        *(inter_onset, degree, group_size, below_top),
    )
}
"""All relations by name, in the order of their columns."""


def relation_problems(names: Sequence[str]) -> list[str]:
    """Return one sentence for each name that is unknown or given twice."""
    distinct = dict.fromkeys(names)
    unknown = [name for name in distinct if name not in RELATIONS]
    return [
        *(f"There is no relation {name!r}; choose among {', '.join(RELATIONS)}." for name in unknown),
        *(f"Relation {name!r} is named twice." for name in distinct if list(names).count(name) > 1),
    ]


def relations_named(names: Sequence[str] | None = None) -> list[Relation]:
    """Return relations by name in the order given. All of them by default.

    Raises:
        ConfigError: If a name is unknown or given twice.
    """
    names = list(RELATIONS) if names is None else list(names)
    if problems := relation_problems(names):
        raise ConfigError(problems)
    return [RELATIONS[name] for name in names]


def relation_ids(
    tokens: Array, names: Sequence[str] | None = None, vocabulary: Vocabulary | None = None
) -> Array:
    """Return the relations of every note, computed from visible fields alone.

    Args:
        tokens: (N, 8) or (B, L, 8) integer ids of windows, numpy or torch. Reserved ids count as hidden.
        names: Relations in the order of the columns. By default all.
        vocabulary: Meaning of the ids. By default the usual one.

    Returns:
        (N, R) or (B, L, R) int64 of the same library, each column in 0..size-1; `UNKNOWN` for padding, drums and
        notes of which a needed field is hidden.

    Raises:
        ConfigError: If a name is unknown.
    """
    chosen = relations_named(names)
    batch = tokens if tokens.ndim == 3 else tokens[None]
    notes = Notes(batch, vocabulary or Vocabulary())
    found = notes.ops.stack([one.ids(notes) for one in chosen])
    return found if tokens.ndim == 3 else found[0]
