"""The commands `finetune embed` and `finetune similar`: pieces as vectors, and their nearest neighbours."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from data.toolkit.command import parse
from data.toolkit.settings import POSITIVE, Settings, setting
from symbolic.checkpoint.bundled import require_model
from symbolic.documents import as_csv
from symbolic.errors import ConfigError, did_you_mean
from symbolic.replacing import replacing

if TYPE_CHECKING:
    from symbolic.features.stats import Floats
    from symbolic.predict.vectors import Vectors

FORMS = (".parquet", ".csv", ".npz")
_INPUTS = ("states", "relations", "features")
_FILE = "midi_file"
"""First column of tables: SyMuRBench's `PersistentFeatureExtractor` looks pieces up by it."""


@dataclass(kw_only=True)
class _VectorSettings(Settings):
    """Files, and the inputs that describe them."""

    files: list[str] = setting(..., "music files, and folders to walk", positional=True)
    checkpoint: str = setting("tiny", "model whose states describe pieces", flag="from")
    inputs: str = setting(",".join(_INPUTS), "some of states, relations, features, with commas")
    keys: int = setting(
        1, "keys in which the model reads a piece; 6 tells more in six times the time", within="[1, 12]"
    )

    def problems(self) -> list[str]:
        """Return one sentence for each input that does not exist."""
        return [
            f"--inputs {one}: {did_you_mean(one, _INPUTS)}choose among {', '.join(_INPUTS)}."
            for one in self.named_inputs or [""]
            if one not in _INPUTS
        ]

    @property
    def named_inputs(self) -> list[str]:
        """The inputs by name."""
        return list(dict.fromkeys(filter(None, self.inputs.split(","))))

    def read(self) -> Vectors:
        """Describe the files; those that cannot be read are named on stderr.

        Raises:
            CounterpointError: If there is no such model, or no file could be read.
        """
        if "states" in self.named_inputs:
            require_model(self.checkpoint)
        from tqdm import tqdm

        from symbolic.predict.sources import find_sources

        sources = [source.file for source in find_sources(self.files, "")]
        from symbolic.predict.loading import load
        from symbolic.predict.vectors import vectors_of

        model = load(self.checkpoint) if "states" in self.named_inputs else None
        show = partial(tqdm, unit=" files", disable=None, leave=False)
        found = vectors_of(sources, self.named_inputs, model, show, self.keys)
        for reason in found.skipped.values():
            sys.stderr.write(f"skipped {reason}\n")
        if not found.pieces:
            raise ConfigError("None of the files could be read; the reasons stand above.")
        return found


def embed(argv: Sequence[str]) -> list[str]:
    """Write one row of named numbers for each file; return what to print."""

    @dataclass(kw_only=True)
    class EmbedSettings(_VectorSettings):
        """Settings of `finetune embed`."""

        out: str = setting("vectors.csv", "table to write: .parquet, .csv or .npz")

        def problems(self) -> list[str]:
            """Return one sentence for each setting that does not fit."""
            wrong = Path(self.out).suffix not in FORMS
            return [
                *super().problems(),
                *([f"--out {self.out}: must end in {', '.join(FORMS)}."] if wrong else []),
            ]

    settings = parse(
        "finetune embed", "Describe pieces by vectors, one row a file.", EmbedSettings, argv, _EMBED
    )
    found = settings.read()
    write_vectors(found, Path(settings.out))
    return [f"{settings.out}  {len(found.pieces):,} files, {len(found.table[0]):,} numbers each"]


def similar(argv: Sequence[str]) -> list[str]:
    """Write the nearest neighbours of each file as a page; return them to print."""

    @dataclass(kw_only=True)
    class SimilarSettings(_VectorSettings):
        """Settings of `finetune similar`."""

        # Neighbours of pieces of Pianist8 and EMOPIA are no better with the states of `tiny` (docs/relations.md).
        inputs: str = setting("relations,features", "some of states, relations, features, with commas")
        most: int = setting(5, "neighbours of each file", within=POSITIVE)
        out: str = setting("similar.html", "page to write")

    settings = parse(
        "finetune similar", "Find the most similar pieces of each piece.", SimilarSettings, argv, _SIMILAR
    )
    found = settings.read()
    if len(found.pieces) < 2:
        raise ConfigError("A neighbour needs two files or more; only one could be read.")
    from data.toolkit.page import Page

    rows = [
        (name, *(f"{found.pieces[other]} ({cosine:.2f})" for other, cosine in others))
        for name, others in zip(found.pieces, found.nearest(settings.most), strict=True)
    ]
    header = ("file", *(f"neighbour {rank}" for rank in range(1, len(rows[0]))))
    page = Page("Similar pieces")
    page.text(
        f"{len(rows):,} files by {', '.join(settings.named_inputs)}. Numbers are standardised over these files. Each "
        "kind of number has the same weight. In brackets is the cosine: 1 is equal, 0 is unrelated."
    )
    page.table(header, rows, numbers=False)
    page.write(settings.out)
    return [*("\n  ".join(row) for row in rows), "", f"page  {settings.out}"]


def write_vectors(found: Vectors, path: Path) -> None:
    """Write a table of vectors, by the suffix of its name.

    Args:
        found: The vectors.
        path: The file. Its first column is `midi_file`, the name of a file without folders.

    Raises:
        ConfigError: If the file cannot be written, or pyarrow is needed and not installed.
    """
    names, values = found.table
    files = [Path(piece).name for piece in found.pieces]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            if path.suffix == ".npz":
                import numpy as np

                np.savez_compressed(file, midi_file=np.array(files), columns=np.array(names), values=values)
            elif path.suffix == ".csv":
                rows = ([name, *row] for name, row in zip(files, values.tolist(), strict=True))
                file.write(as_csv([_FILE, *names], rows))
            else:
                _write_parquet(path, file, files, names, values)
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}).") from error


def _write_parquet(path: Path, file: BinaryIO, files: list[str], names: list[str], values: Floats) -> None:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigError(
            f"--out {path}: parquet needs pyarrow. Install it with: pip install pyarrow"
        ) from error
    columns = [arrow.array(files), *(arrow.array(column) for column in values.T)]
    parquet.write_table(arrow.table(columns, names=[_FILE, *names]), file)


_EMBED = """\
examples:
  finetune embed my_midi/ --out vectors.parquet            states of tiny, relations and features
  finetune embed my_midi/ --inputs states --from runs/pretrain/X --out vectors.npz"""
_SIMILAR = """\
examples:
  finetune similar my_midi/
  finetune similar my_midi/ --inputs relations --most 3"""
