"""The end of a preparation: settle the splits and write the ledger, the list of pieces and the manifest.

Shards are read twice, one at a time. Memory grows with the corpus by some 700 bytes for each piece that is kept, and by
the needs of `near_pairs`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from data.corpora.base import TERMS
from data.preparation.near import PAIR, near_pairs
from data.preparation.tokenise import Recipe
from data.shards import FORMAT, LEDGER, MANIFEST, NEAR, PIECES, SETTINGS, TOKENIZER, PieceRecord
from data.splits import Member, Verdict, resolve
from data.toolkit.safewrite import as_line, write, write_lines
from symbolic.documents import as_json
from symbolic.errors import CorpusError


def finish(recipe: Recipe, folder: Path, settings: dict[str, Any], names: Sequence[str], total: int) -> None:
    """Write all files but the shards, the manifest last.

    Args:
        recipe: Corpus, tokenizer and filters of the shards.
        folder: Folder of the shards.
        settings: Settings for the manifest. "near_duplicates" is the smallest resemblance or None.
        names: Names of the shards in order.
        total: Number of pieces, skipped ones included.

    Raises:
        CorpusError: If no piece is kept or if pieces are missing.
        LeakError: If a group is on two sides of the split.
    """
    reasons: Counter[str] = Counter()
    members: list[Member] = []
    tracks: list[int] = []
    classes: list[str] = []
    hashes = []
    tokens = repaired = 0
    for name in names:
        shard = _read(folder, name)
        hashes.append({"name": name, "sha256": shard["sha256"]})
        for piece in shard["pieces"]:
            if piece["skipped"]:
                reasons[piece["skipped"].partition(":")[0]] += 1
                continue
            members.append(
                Member(piece["key"], piece["split"], piece["group"], piece["fingerprint"], piece["reason"])
            )
            tracks.append(piece["tracks"])
            classes.append(piece["labels"].get(recipe.corpus.dealt_by, ""))
            tokens += piece["tokens"]
            repaired += bool(piece["repairs"])
    if len(members) + reasons.total() != total:
        raise CorpusError(
            f"{folder} accounts for {len(members)} kept and {reasons.total()} skipped of {total} pieces; its "
            "shards were changed. Delete the folder and prepare the corpus again."
        )
    if not members:
        _refuse_nothing(recipe, folder, names, reasons)
    near = _near(folder, names, members, tracks, settings["near_duplicates"])
    by_class = classes if recipe.corpus.dealt_by else None
    verdicts = resolve(members, recipe.corpus.fractions, (pair.item()[:2] for pair in near), by_class)
    recipe.tokenizer.save(folder / TOKENIZER)
    manifest = {
        "format": FORMAT,
        "corpus": {term: getattr(recipe.corpus, term) for term in TERMS},
        "settings": settings,
        "note_classes": {name: list(classes) for name, classes in recipe.corpus.note_classes.items()},
        "totals": {
            "pieces": total,
            "kept": len(members),
            "repaired": repaired,
            "skipped": dict(sorted(reasons.items())),
            "splits": dict(sorted(Counter(verdict.split for verdict in verdicts).items())),
            "near_duplicates": len(near),
            "largest_group": max(Counter(verdict.group for verdict in verdicts).values()),
            "tokens": tokens,
        },
        "lists": {
            NEAR: write_lines(folder / NEAR, _near_lines(near, members, verdicts)),
            PIECES: write_lines(folder / PIECES, _piece_lines(_pieces(folder, names), verdicts)),
            LEDGER: write_lines(folder / LEDGER, _ledger_lines(_pieces(folder, names), verdicts)),
        },
        "shards": hashes,
    }
    for partial_file in folder.glob(".*.partial"):  # of runs that were killed
        partial_file.unlink()
    write(folder / MANIFEST, as_json(manifest))


def _near(
    folder: Path,
    names: Sequence[str],
    members: Sequence[Member],
    tracks: Sequence[int],
    threshold: float | None,
) -> NDArray[np.void]:
    """Find near-duplicates as `PAIR`s, without exact copies, which share a fingerprint."""
    if threshold is None:
        return np.empty(0, PAIR)
    sketches = [np.load(folder / f"{name}.sketch.npy", mmap_mode="r") for name in names]
    owners = np.repeat(np.arange(len(tracks)), tracks)
    pairs = near_pairs(sketches, owners, threshold)
    fingerprints = np.array([member.fingerprint for member in members])
    return np.asarray(pairs[fingerprints[pairs["first"]] != fingerprints[pairs["second"]]])


def _near_lines(
    near: NDArray[np.void], members: Sequence[Member], verdicts: Sequence[Verdict]
) -> Iterator[bytes]:
    for first, second, resemblance in map(np.void.item, near):
        yield as_line(
            {
                "pieces": [members[i].key for i in (first, second)],
                "splits": [verdicts[i].split for i in (first, second)],
                "resemblance": round(resemblance, 3),
            }
        )


def _piece_lines(pieces: Iterable[dict[str, Any]], verdicts: Iterable[Verdict]) -> Iterator[bytes]:
    kept = (piece for piece in pieces if not piece["skipped"])
    for piece, verdict in zip(kept, verdicts, strict=True):
        settled = {"split": verdict.split, "group": verdict.group}
        yield as_line(
            {name: settled[name] if name in settled else piece[name] for name in PieceRecord.__slots__}
        )


def _ledger_lines(pieces: Iterable[dict[str, Any]], verdicts: Sequence[Verdict]) -> Iterator[bytes]:
    settled = iter(verdicts)
    for piece in pieces:
        line = {"key": piece["key"], "file": piece["file"]}
        if piece["skipped"]:
            yield as_line({**line, "status": "skipped", "reason": piece["skipped"]})
            continue
        verdict = next(settled)
        line |= {"status": "kept", "split": verdict.split, "reason": verdict.reason}
        yield as_line({**line, "repairs": piece["repairs"]} if piece["repairs"] else line)


def _refuse_nothing(recipe: Recipe, folder: Path, names: Sequence[str], reasons: Counter[str]) -> NoReturn:
    """Empty the folder and raise the reasons why no piece was kept."""
    first = next((f"; the first, {p['key']}: {p['skipped']}" for p in _pieces(folder, names)), "")
    for file in [*folder.glob("shard-*"), folder / SETTINGS]:
        file.unlink()
    counts = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    raise CorpusError(
        f"None of the {reasons.total()} pieces of corpus '{recipe.corpus.name}' can be used: "
        f"{counts or 'there are none'}{first}. Check the files, or loosen the filters."
    )


def _pieces(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        yield from _read(folder, name)["pieces"]


def _read(folder: Path, name: str) -> dict[str, Any]:
    shard: dict[str, Any] = json.loads((folder / f"{name}.json").read_bytes())
    return shard
