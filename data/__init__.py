"""From music files to batches: corpora, splits, preparation, shards and windows.

    import data

    shards = data.prepare(data.open_corpus("folder", "my_midi/"), "shards/", symbolic.Tokenizer())
    dataset = data.ShardDataset(shards, window=512, transposition=6)

Names are imported when they are first used. Reading shards needs numpy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbolic.registry import lazy_names

if TYPE_CHECKING:
    from data.batches import Batch, StepBatches
    from data.corpora import CORPORA, open_corpus
    from data.dataset import ShardDataset, collate
    from data.fingerprint import note_fingerprint
    from data.leaks import check_leaks
    from data.mix import Part
    from data.mix import mix as mix_corpora
    from data.pack import pack as pack_shards
    from data.preparation.filters import Filters
    from data.preparation.prepare import prepare
    from data.shards import Shards
    from data.windows import make_windows

_HOMES = {
    "CORPORA": "corpora",
    "open_corpus": "corpora",
    "Filters": "preparation.filters",
    "prepare": "preparation.prepare",
    "Shards": "shards",
    "ShardDataset": "dataset",
    "collate": "dataset",
    "make_windows": "windows",
    "StepBatches": "batches",
    "Batch": "batches",
    "note_fingerprint": "fingerprint",
    "check_leaks": "leaks",
    "Part": "mix",
    "mix_corpora": "mix:mix",
    "pack_shards": "pack:pack",
}

__all__ = [  # noqa: RUF022 - by use
    "CORPORA",
    "open_corpus",
    "Filters",
    "prepare",
    "Shards",
    "ShardDataset",
    "collate",
    "make_windows",
    "StepBatches",
    "Batch",
    "note_fingerprint",
    "check_leaks",
    "Part",
    "mix_corpora",
    "pack_shards",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
