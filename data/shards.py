"""Prepared corpora as memory-mapped arrays. Reading needs numpy alone.

A prepared corpus is a folder:

    manifest.json     terms of the corpus, settings, totals, list of shards. Written last
    tokenizer.json    the tokenizer
    pieces.jsonl      one `PieceRecord` a line in the order of tokens
    ledger.jsonl      one input a line: kept, with its side and its repairs, or skipped, with the reason
    near_duplicates.jsonl   pairs of near-duplicates with their resemblance
    settings.json     settings that a resumed preparation must match
    shard-00000.*     .tokens.npy (N, 8) uint16; .source.npy (N,) int32; .<label>.npy (N,) int8; .sketch.npy
                      (tracks, 192) uint32 of `data.preparation.near`; .json
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symbolic.documents import (
    fields,
    listed,
    mapped,
    number,
    one_of,
    parse_json,
    read_json,
    require,
    text,
    texts,
    whole,
)
from symbolic.errors import ConfigError, CorpusError, TokenizerMismatch
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS

FORMAT = 6
"""Raised when the layout, the tokens of the same files or their order change. Equal settings make equal bytes."""
MANIFEST, PIECES, LEDGER = "manifest.json", "pieces.jsonl", "ledger.jsonl"
NEAR = "near_duplicates.jsonl"
SETTINGS, TOKENIZER = "settings.json", "tokenizer.json"
_SPLITS = ("train", "valid", "test", "excluded")
_COLUMNS = {
    "key": str, "file": str, "split": str, "group": str, "labels": dict, "fingerprint": int, "tokens": int
}  # fmt: skip
"""Kinds of the values of a `PieceRecord`."""
_AGAIN = "Delete the folder and prepare the corpus again."
_COUNT = whole(0, 2**48)
_SHARD = fields(
    {"pieces": listed(fields({"tracks": whole(0, 2**20), "skipped": text()}, more=True))}, more=True
)
_SCHEMA = fields(
    {
        "corpus": fields(
            dict.fromkeys(("name", "title", "licence", "citation", "homepage"), text()), more=True
        ),
        "settings": fields({"tokenizer": text(), "hide": listed(one_of(*FIELDS))}, more=True),
        "note_classes": mapped(text(r"\w+"), texts),
        "totals": fields(
            {
                **dict.fromkeys(
                    ("pieces", "kept", "repaired", "near_duplicates", "largest_group", "tokens"), _COUNT
                ),
                "skipped": mapped(text(), _COUNT),
                "splits": mapped(one_of(*_SPLITS), _COUNT),
            },
            {"sources": mapped(text(), mapped(text(), number(0, 2**48)))},
        ),
        "shards": listed(fields({"name": text(r"shard-\d+")}, more=True)),
    },
    more=True,
)


@dataclass(frozen=True, slots=True)
class PieceRecord:
    """One piece of a prepared corpus.

    Attributes:
        key: Name in the corpus.
        file: File relative to the corpus folder.
        split: "train", "valid", "test" or "excluded".
        group: Pieces of one group are one song. A piece alone has its key as group.
        labels: Sequence-level labels by name.
        fingerprint: Note fingerprint of the file.
        tokens: Number of tokens.
    """

    key: str
    file: str
    split: str
    group: str
    labels: dict[str, str]
    fingerprint: int
    tokens: int


class Shards:
    """A prepared corpus. Its tokens are numbered through all shards. A pickle holds the path alone.

    Args:
        path: The folder that `data.preparation.prepare.prepare` wrote.
        tokenizer: Fingerprint of the tokenizer that the tokens must have. None: any.

    Attributes:
        path: The folder.
        manifest: Terms, settings, totals.
        pieces: A record for each of the P pieces.
        offsets: (P + 1,) int64. Piece p has the tokens from offsets[p] up to offsets[p + 1].
        fingerprints: (P,) int64 note fingerprints.
        fingerprint: Hash of this prepared corpus, content included, as hexadecimal digits.
        note_classes: Class names of each note label.
        hide: Fields hidden in the tokens.

    Raises:
        CorpusError: If the folder holds no finished preparation or is damaged.
        TokenizerMismatch: If another tokenizer made the tokens.
    """

    def __init__(self, path: str | Path, tokenizer: str | None = None) -> None:
        self.path = Path(path)
        self._tokenizer = tokenizer
        self.manifest, digest = self._read_manifest()
        self.fingerprint: str = digest
        self.note_classes: dict[str, tuple[str, ...]] = {
            name: tuple(classes) for name, classes in self.manifest["note_classes"].items()
        }
        self.hide: tuple[str, ...] = tuple(self.manifest["settings"]["hide"])
        if tokenizer not in (None, self.tokenizer_fingerprint):
            raise TokenizerMismatch(
                f"{self.path} was prepared with tokenizer {self.tokenizer_fingerprint}, not {tokenizer}. "
                f"Prepare the corpus again with that tokenizer, or use {self.path / TOKENIZER}."
            )
        try:
            with (self.path / PIECES).open(encoding="utf-8", newline="\n") as lines:  # it splits at \n alone
                self.pieces = [PieceRecord(**json.loads(line)) for line in lines]
            self._check_pieces()
            self._names = [shard["name"] for shard in self.manifest["shards"]]
            # Plain arrays over the maps: slices of np.memmap cost ten times as much.
            self._rows = [np.asarray(np.load(self._file(n, "tokens"), mmap_mode="r")) for n in self._names]
            if any(rows.dtype != np.uint16 or rows.shape[1:] != (len(FIELDS),) for rows in self._rows):
                raise ValueError("other arrays than tokens")
        except (OSError, ValueError, TypeError, KeyError, EOFError, RecursionError) as error:
            raise self._damaged(error) from error
        self.offsets = np.cumsum([0, *(piece.tokens for piece in self.pieces)], dtype=np.int64)
        self.fingerprints = np.array([piece.fingerprint for piece in self.pieces], dtype=np.int64)
        self._edges = np.cumsum([0, *(len(tokens) for tokens in self._rows)], dtype=np.int64)
        if self._edges[-1] != self.offsets[-1]:
            raise self._damaged(f"{self._edges[-1]} tokens, but {self.offsets[-1]} in the list of pieces")

    def _check_pieces(self) -> None:
        """Refuse pieces with values of wrong kinds. Columns at once, for there may be a million pieces."""
        for name, kind in _COLUMNS.items():
            if {type(getattr(piece, name)) for piece in self.pieces} - {kind}:
                raise ValueError(f"{PIECES}: {name} is not always {kind.__name__}")
        if {type(text) for piece in self.pieces for item in piece.labels.items() for text in item} - {str}:
            raise ValueError(f"{PIECES}: labels are not always text")
        if unknown := {piece.split for piece in self.pieces} - {*_SPLITS}:
            raise ValueError(f"{PIECES}: there is no split {min(unknown)!r}")
        if not all(0 <= piece.tokens < 2**48 and abs(piece.fingerprint) < 2**63 for piece in self.pieces):
            raise ValueError(f"{PIECES}: numbers out of their range")

    def __reduce__(self) -> tuple[type[Shards], tuple[Path, str | None]]:
        """Pickle the path alone. Workers map the files again, for a pickled map would hold every token."""
        return type(self), (self.path, self._tokenizer)

    def __len__(self) -> int:
        """Return the number of tokens."""
        return int(self.offsets[-1])

    @property
    def tokenizer_fingerprint(self) -> str:
        """Fingerprint of the tokenizer that made the tokens."""
        return str(self.manifest["settings"]["tokenizer"])

    @property
    def tokenizer_file(self) -> Path:
        """The tokenizer that made the tokens, for `Tokenizer.load`."""
        return self.path / TOKENIZER

    @cached_property
    def max_bars(self) -> int:
        """Largest number of bars in a window of these tokens."""
        return Tokenizer.load(self.tokenizer_file).vocabulary.max_bars

    def tokens(self, start: int, stop: int) -> NDArray[np.uint16]:
        """Return (stop - start, 8) uint16 tokens, read-only and without a copy if they are in one shard.

        Raises:
            IndexError: If the corpus has no such tokens.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"tokens {start}..{stop} of {len(self)}")
        first, last = np.searchsorted(self._edges, [start, max(stop - 1, start)], side="right") - 1
        first, last = min(first, len(self._rows) - 1), min(last, len(self._rows) - 1)
        parts = [
            self._rows[i][max(start - self._edges[i], 0) : stop - self._edges[i]]
            for i in range(first, last + 1)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def source(self) -> NDArray[np.int32]:
        """Return (N,) int32: for each token the index of its note in the music of the piece."""
        return np.concatenate(self._columns("source"))

    def note_labels(self, name: str) -> NDArray[np.int8]:
        """Return (N,) int8: for each token the class of its note. -1: unlabelled.

        Raises:
            ConfigError: If the corpus has no such note label.
        """
        if name not in self.note_classes:
            raise ConfigError(
                f"{self.path} has no note label '{name}'; it has {', '.join(self.note_classes) or 'none'}."
            )
        found = np.concatenate(self._columns(name))
        if len(found) and not -1 <= found.min() <= found.max() < len(self.note_classes[name]):
            raise self._damaged(f"{name} has other classes than the manifest")
        return found

    def sizes(self) -> list[int]:
        """Return the number of tokens of each shard."""
        return [len(tokens) for tokens in self._rows]

    def sketches(self) -> tuple[list[NDArray[np.uint32]], list[int]]:
        """Return the memory-mapped sketches for `data.preparation.near` and their number for each piece.

        Raises:
            ConfigError: If the corpus was prepared without them.
        """
        try:
            arrays = [np.load(self._file(name, "sketch"), mmap_mode="r") for name in self._names]
        except FileNotFoundError as error:
            raise ConfigError(
                f"{self.path} has no sketches to find near-duplicates by. Prepare its corpus with --near_duplicates."
            ) from error
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(error) from error
        tracks = []
        for name in self._names:
            path = self.path / f"{name}.json"
            shard = read_json(path, CorpusError, _AGAIN)
            require(path, shard, _SHARD, CorpusError, _AGAIN)
            tracks += [piece["tracks"] for piece in shard["pieces"] if not piece["skipped"]]
        if sum(tracks) != sum(map(len, arrays)) or any(array.dtype != np.uint32 for array in arrays):
            raise self._damaged("other sketches than the pieces have")
        return arrays, tracks

    def select(self, *splits: str) -> NDArray[np.int64]:
        """Return the indices of the pieces of these splits. Default: all but the excluded.

        Raises:
            ConfigError: If a split is unknown.
        """
        unknown = sorted(set(splits) - set(_SPLITS))
        if unknown:
            raise ConfigError(f"No split is called {', '.join(unknown)}; there are {', '.join(_SPLITS)}.")
        wanted = splits or _SPLITS[:-1]
        return np.array([i for i, piece in enumerate(self.pieces) if piece.split in wanted], dtype=np.int64)

    def _columns(self, kind: str) -> list[NDArray[Any]]:
        try:
            found = [np.load(self._file(name, kind)) for name in self._names]
            if [column.shape for column in found] != [(size,) for size in self.sizes()]:
                raise ValueError(f"{kind} is not one number a token")
        except (OSError, ValueError, EOFError) as error:
            raise self._damaged(error) from error
        return found

    def _file(self, shard: str, kind: str) -> Path:
        return self.path / f"{shard}.{kind}.npy"

    def _read_manifest(self) -> tuple[dict[str, Any], str]:
        """Read the manifest and hash it. It holds hashes of all other files."""
        try:
            content = (self.path / MANIFEST).read_bytes()
            manifest = parse_json(content)
            found = manifest["format"]
        except FileNotFoundError as error:
            raise CorpusError(
                f"{self.path} holds no prepared corpus (no {MANIFEST}), or one that was not finished. "
                "Prepare the corpus into it; an interrupted preparation is resumed."
            ) from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise self._damaged(error) from error
        if found != FORMAT:
            raise CorpusError(
                f"{self.path} is of format {found}; this release reads format {FORMAT}. "
                "Delete the folder and prepare the corpus again."
            )
        require(self.path / MANIFEST, manifest, _SCHEMA, CorpusError, _AGAIN)
        return manifest, hashlib.sha256(content).hexdigest()[:16]

    def _damaged(self, why: object) -> CorpusError:
        return CorpusError(f"{self.path} is damaged ({why}). {_AGAIN}")
