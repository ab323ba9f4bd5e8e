"""Mix prepared corpora into one for pretraining without any piece that one of them holds out.

A piece that is tested in one corpus must not be trained on in another, under any name. Note fingerprints find copies in
any key and sketches find near-duplicates. A corpus with folds is held out whole: each piece is tested in a fold.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.corpora import CORPORA
from data.preparation.lengths import piece_seconds
from data.preparation.near import first_resembled
from data.shards import FORMAT, LEDGER, MANIFEST, NEAR, PIECES, PieceRecord, Shards
from data.shares import beyond_shares
from data.toolkit.safewrite import as_line, write, write_array, write_lines
from symbolic.checkpoint.licence import is_permissive
from symbolic.documents import as_json
from symbolic.errors import ConfigError, CorpusError

_SHARD = 1 << 20
"""Approximate number of tokens in a shard."""
_USED = ("train", "valid")
_RANKS = {"train": 0, "valid": 1, "excluded": 1, "test": 2, "guard": 2}
"""A piece that is used must not copy one of a higher rank."""


@dataclass(frozen=True, eq=False)
class Part:
    """One corpus of a mix.

    Attributes:
        shards: The prepared corpus.
        guard: Hold out all of its pieces and use none.
    """

    shards: Shards
    guard: bool = False

    @property
    def name(self) -> str:
        """Name of the corpus."""
        return str(self.shards.manifest["corpus"]["name"])


def usual_guards(names: Sequence[str], root: str | Path | None = None) -> list[str]:
    """List the corpora to hold out by default: all under root that have labels for tasks.

    Args:
        names: Corpora to pretrain on.
        root: The folder that holds corpora. None: $COUNTERPOINT_DATA.
    """
    used = {part for name in names if name in CORPORA for part in (name, *CORPORA[name].joins)}
    return [
        name
        for name, one in CORPORA.items()
        # One that joins others would hold out the very pieces that those are used for.
        if (one.labels or one.note_classes) and not one.joins and name not in used and one.presence(root)
    ]


def new_folder(folder: str | Path) -> Path:
    """Make a folder before hours are spent on its content.

    Raises:
        ConfigError: If it holds files or cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = any(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made ({error.strerror}). Choose another folder.") from error
    if held:
        raise ConfigError(f"{folder} holds files. Choose a new folder.")
    return folder


def permissive_corpora(root: str | Path | None = None) -> list[str]:
    """List the corpora under root whose terms allow any use of what is made from them."""
    return [
        name
        for name, one in CORPORA.items()
        if is_permissive(one.spdx) and one.presence(root) and not one.joins
    ]


def mix(
    parts: Sequence[Part],
    folder: str | Path,
    threshold: float,
    shares: Mapping[str, float] = MappingProxyType({}),
) -> Shards:
    """Write the training and validation pieces of several corpora as one prepared corpus.

    A training piece is left out if it copies or resembles a piece that any corpus holds out, or copies an earlier
    training piece. A validation piece keeps its side unless a corpus tests it under another name. Pretraining is then
    measured on pieces that no task tests.

    Args:
        parts: Corpora to use and corpora to hold out.
        folder: A new or empty folder.
        threshold: Smallest resemblance of near-duplicates.
        shares: Largest share of the tokens by name of a corpus, on each side. Of a larger corpus some pieces are left
            out, the same in every mix of these parts.

    Returns:
        The mix. Its ledger names every piece with its side or the reason why it was left out.

    Raises:
        ConfigError: If the folder holds files or cannot be made, if the tokenizers of the corpora differ or if a share
            is that of a corpus that is not used.
        CorpusError: If nothing is left to train on.
    """
    folder = new_folder(folder)
    if len({part.shards.tokenizer_fingerprint for part in parts}) > 1 or any(p.shards.hide for p in parts):
        raise ConfigError(
            "The corpora were prepared with different tokenizers or hidden fields; prepare them alike."
        )
    if unknown := sorted(set(shares) - {part.name for part in parts if not part.guard}):
        raise ConfigError(f"--shares names {', '.join(unknown)}, which the mix does not use.")
    if shares and not any(part.name not in shares for part in parts if not part.guard):
        raise ConfigError("--shares names every corpus of the mix; leave out at least one to fill the rest.")
    reasons = _reasons(parts, threshold)
    _keep_shares(parts, reasons, shares)
    if not any(not r and p.split == "train" for (_, p), r in zip(_pieces(parts), reasons, strict=True)):
        raise CorpusError(
            "No training piece is left: name corpora with pieces that none of the others holds out."
        )
    names = _write_tokens(parts, reasons, folder)
    used = [
        PieceRecord(
            f"{part.name}/{piece.key}",
            piece.file,
            piece.split,
            f"{part.name}/{piece.group or piece.key}",
            piece.labels,
            piece.fingerprint,
            piece.tokens,
        )
        for (part, piece), reason in zip(_pieces(parts), reasons, strict=True)
        if not reason
    ]
    lists = {
        PIECES: write_lines(folder / PIECES, (as_line(asdict(piece)) for piece in used)),
        LEDGER: write_lines(folder / LEDGER, _ledger(parts, reasons)),
        NEAR: write_lines(folder / NEAR, []),
    }
    tokenizer = parts[0].shards.tokenizer_file.read_bytes()
    write(folder / parts[0].shards.tokenizer_file.name, tokenizer)
    skipped = Counter(reason.partition(":")[0] for reason in reasons if reason)
    manifest = {
        "format": FORMAT,
        "corpus": _terms(parts),
        "settings": {
            "tokenizer": parts[0].shards.tokenizer_fingerprint,
            "hide": [],
            "near_duplicates": threshold,
            "parts": {part.name: part.shards.fingerprint for part in parts},
            "guards": sorted(part.name for part in parts if part.guard),
            "shares": dict(sorted(shares.items())),
        },
        "note_classes": {},
        "totals": {
            "pieces": len(reasons),
            "kept": len(used),
            "repaired": 0,
            "skipped": dict(sorted(skipped.items())),
            "splits": dict(sorted(Counter(piece.split for piece in used).items())),
            "near_duplicates": sum(count for reason, count in skipped.items() if "resembles" in reason),
            "largest_group": max(Counter(piece.group for piece in used).values()),
            "tokens": sum(piece.tokens for piece in used),
            "sources": _sources(parts, reasons),
        },
        "lists": lists,
        "shards": names,
    }
    write(folder / MANIFEST, as_json(manifest))
    return Shards(folder)


def _pieces(parts: Sequence[Part]) -> Iterator[tuple[Part, PieceRecord]]:
    for part in parts:
        for piece in part.shards.pieces:
            yield part, piece


def _reasons(parts: Sequence[Part], threshold: float) -> list[str]:
    """Return for every piece of every part the reason why it is left out or ""."""
    found = list(_pieces(parts))
    sides = np.array(["guard" if part.guard else piece.split for part, piece in found])
    reasons = [
        "guarded: every piece of its corpus is tested somewhere" if side == "guard"
        else "" if side in _USED
        else f"held out: its corpus has it on side '{side}'"
        for side in sides
    ]  # fmt: skip
    names, ranks = (
        [f"{part.name}/{piece.key}" for part, piece in found],
        np.array([_RANKS[side] for side in sides]),
    )
    copies = {
        side: {found[i][1].fingerprint: names[i] for i in np.flatnonzero(ranks > _RANKS[side])}
        for side in _USED
    }
    seen: dict[int, str] = {}
    for i, (_, piece) in enumerate(found):
        if reasons[i]:
            continue
        if piece.fingerprint in copies[sides[i]]:
            reasons[i] = f"copy of a piece held out: {copies[sides[i]][piece.fingerprint]}"
        elif sides[i] == "train" and piece.fingerprint in seen:
            reasons[i] = f"copy of a training piece: {seen[piece.fingerprint]}"
        elif sides[i] == "train":
            seen[piece.fingerprint] = names[i]
    if threshold:
        _add_near(parts, names, ranks, reasons, threshold)
    return reasons


def _add_near(
    parts: Sequence[Part],
    names: Sequence[str],
    ranks: NDArray[np.int64],
    reasons: list[str],
    threshold: float,
) -> None:
    """Leave out pieces that resemble a held-out piece."""
    sketches, tracks = [], []
    for part in parts:
        arrays, counts = part.shards.sketches()
        sketches += arrays
        tracks.append(counts)
    owners = np.repeat(np.arange(len(names)), np.concatenate(tracks))
    first, resemblance = first_resembled(sketches, owners, threshold, ranks)
    for mine in np.flatnonzero(first < len(names)):
        if not reasons[mine]:
            reasons[mine] = f"resembles a piece held out: {names[first[mine]]}, by {resemblance[mine]:.2f}"


def _keep_shares(parts: Sequence[Part], reasons: list[str], shares: Mapping[str, float]) -> None:
    """Leave out pieces of corpora that would have more than their share of the tokens of a side."""
    found = list(_pieces(parts))
    for side in _USED:
        used = [i for i, (_, piece) in enumerate(found) if not reasons[i] and piece.split == side]
        sizes = [(found[i][0].name, found[i][1].key, found[i][1].tokens) for i in used]
        for place in beyond_shares(sizes, shares):
            name = sizes[place][0]
            reasons[used[place]] = f"left out: {name} has its share of the mix, {shares[name]:g}"


def _write_tokens(parts: Sequence[Part], reasons: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """Write the tokens of used pieces as shards. Return their list for the manifest."""
    names: list[dict[str, Any]] = []
    waiting: list[NDArray[np.uint16]] = []

    def flush() -> None:
        name = f"shard-{len(names):05d}"
        sha256 = write_array(folder / f"{name}.tokens.npy", np.concatenate(waiting))
        names.append({"name": name, "sha256": {"tokens": sha256}})
        waiting.clear()

    number = iter(reasons)
    for part in parts:
        for start, stop in zip(part.shards.offsets[:-1], part.shards.offsets[1:], strict=True):
            if not next(number):
                waiting.append(part.shards.tokens(int(start), int(stop)))
            if sum(map(len, waiting)) >= _SHARD:
                flush()
    if waiting:
        flush()
    return names


def _sources(parts: Sequence[Part], reasons: Sequence[str]) -> dict[str, dict[str, float]]:
    """Count the used pieces, tokens and hours of each corpus."""
    found, first = {}, 0
    for part in parts:
        pieces = part.shards.pieces
        used = [i for i in range(len(pieces)) if not reasons[first + i]]
        first += len(pieces)
        if not part.guard:
            hours = float(piece_seconds(part.shards, used).sum()) / 3600
            tokens = sum(pieces[i].tokens for i in used)
            found[part.name] = {"pieces": len(used), "tokens": tokens, "hours": round(hours, 4)}
    return found


def _ledger(parts: Sequence[Part], reasons: Sequence[str]) -> Iterator[bytes]:
    for (part, piece), reason in zip(_pieces(parts), reasons, strict=True):
        line = {"key": f"{part.name}/{piece.key}", "file": piece.file}
        if reason:
            yield as_line({**line, "status": "skipped", "reason": reason})
        else:
            yield as_line({**line, "status": "kept", "split": piece.split, "reason": ""})


def _terms(parts: Sequence[Part]) -> dict[str, str]:
    """Join the terms of all parts."""
    used = [part.shards.manifest["corpus"] for part in parts if not part.guard]
    digest = hashlib.sha256(json.dumps([part["name"] for part in used]).encode()).hexdigest()[:8]
    return {
        "name": f"mix-{digest}",
        "title": "Mix of " + ", ".join(part["name"] for part in used),
        "licence": "; ".join(f"{part['name']}: {part['licence']}" for part in used),
        "citation": "; ".join(part["citation"] for part in used),
        "homepage": "; ".join(part["homepage"] for part in used),
    }
