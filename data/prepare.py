"""Corpora to shards, in parallel processes, to be cut off and resumed at any moment.

Pieces are cut into chunks by their order alone, and a chunk becomes a shard in one stroke. So neither the
number of processes nor an interruption leaves a trace in the result: the bytes are the same.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from data.corpora.archives import cache_folder
from data.corpora.base import TERMS, Corpus, Piece
from data.pool import Died, refuse_import_time, run_tasks, usable_cores
from data.shards import FORMAT, LEDGER, MANIFEST, PIECES, SETTINGS, TOKENIZER, PieceRecord, Shards
from data.splits import Member, resolve
from data.tokenise import Filters, Outcome, Recipe, tokenise
from symbolic.errors import ConfigError, CorpusError
from symbolic.tokenizer import Tokenizer
from symbolic.vocabulary import FIELDS

if os.name == "posix":
    import fcntl

__all__ = ["Filters", "prepare"]

_CHUNKS, _SMALLEST, _LARGEST = 64, 16, 4096
"""A corpus makes about this many chunks, each of so many pieces: enough to spread, few enough to map."""
_KILLED = "killed: the process that read it died, by a crash or for want of memory"


def prepare(
    corpus: Corpus,
    out: str | Path | None,
    tokenizer: Tokenizer,
    hide: Collection[str] = (),
    jobs: int | None = None,
    filters: Filters | None = None,
    progress: bool = True,
) -> Shards:
    """Make shards of a corpus, or open those that an earlier call with the same settings made.

    Files that cannot be read, or that a filter refuses, are skipped; the ledger names each with its reason.
    A process that dies takes no other file with it. Of several calls for one folder at once, one works and the
    others wait for it.

    Args:
        corpus: What to prepare.
        out: A folder: new, empty, or left by an earlier call with the same settings. None takes one in the
            cache, named by the settings.
        tokenizer: Makes the rows.
        hide: Fields to withhold from the rows.
        jobs: How many processes; None takes all cores, 0 works in this process, without protection against
            crashes and endless reading.
        filters: What to keep; by default `Filters()`.
        progress: Show a progress bar.

    Raises:
        ConfigError: If the settings are wrong, or `out` holds something else.
        CorpusError: If no piece is kept.
        LabelError: If labels and files do not fit together.
        LeakError: If a group stands on two sides of a split.
    """
    refuse_import_time()  # before the lock, which the parent holds
    problems = [
        f"No field is called {name}; the fields are {', '.join(FIELDS)}." for name in {*hide} - {*FIELDS}
    ]
    if jobs is not None and jobs < 0:
        problems.append(f"jobs is {jobs}; it must be 0 or more.")
    if problems:
        raise ConfigError(sorted(problems))
    recipe = Recipe(corpus, tokenizer, tuple(sorted(hide)), filters or Filters())
    pieces = corpus.pieces()
    _refuse_twins(corpus, pieces)
    settings = _settings(recipe, pieces)
    key = hashlib.sha256(_json(settings)).hexdigest()[:16]
    folder = Path(out) if out else cache_folder() / "shards" / f"{corpus.name}-{key}"
    chunks = _chunks(pieces)
    _refuse_other(folder, settings)
    if not _is_finished(folder, chunks):
        with _sole_writer(folder):
            _refuse_other(folder, settings)
            if not _is_finished(folder, chunks):
                _write(folder / SETTINGS, _json(settings))
                _make(recipe, folder, chunks, usable_cores() if jobs is None else jobs, progress)
                _finish(recipe, folder, settings, list(chunks), len(pieces))
    return Shards(folder, tokenizer.fingerprint)


def _refuse_twins(corpus: Corpus, pieces: Sequence[Piece]) -> None:
    twins = [key for key, count in Counter(piece.key for piece in pieces).items() if count > 1]
    if twins:
        raise CorpusError(
            f"Corpus '{corpus.name}' gives the same key to several pieces ({', '.join(twins[:5])}). "
            "Its reader must tell them apart."
        )


def _settings(recipe: Recipe, pieces: Sequence[Piece]) -> dict[str, Any]:
    """All that shapes the result, as JSON values; equal settings make equal bytes."""
    corpus = recipe.corpus
    listing = json.dumps([asdict(piece) for piece in pieces], sort_keys=True)
    return {
        "format": FORMAT,
        "corpus": {"name": corpus.name, "version": corpus.version, "options": corpus.options()},
        "pieces": hashlib.sha256(listing.encode()).hexdigest()[:16],
        "files": corpus.content(pieces),
        "tokenizer": recipe.tokenizer.fingerprint,
        "hide": list(recipe.hide),
        "filters": asdict(recipe.filters),
    }


def _refuse_other(folder: Path, settings: dict[str, Any]) -> None:
    """Make sure that the folder is ours: empty, or begun with the same settings."""
    try:
        if all(file.name.startswith(".") for file in folder.iterdir()):
            return
        found = json.loads((folder / SETTINGS).read_bytes())
    except FileNotFoundError as error:
        if not folder.exists():
            return
        raise ConfigError(f"{folder} holds other files. Choose a new folder.") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} cannot hold shards ({error}). Choose a new folder.") from error
    differing = [key for key in settings if found.get(key) != settings[key]]
    if differing:
        raise ConfigError(
            f"{folder} holds shards made otherwise (other {', '.join(differing)}). Choose another folder, or "
            "delete this one."
        )


def _chunks(pieces: Sequence[Piece]) -> dict[str, list[Piece]]:
    size = min(max(-(-len(pieces) // _CHUNKS), _SMALLEST), _LARGEST)
    starts = range(0, len(pieces), size)
    return {f"shard-{i:05d}": list(pieces[start : start + size]) for i, start in enumerate(starts)}


def _is_finished(folder: Path, chunks: Mapping[str, Sequence[Piece]]) -> bool:
    return (folder / MANIFEST).is_file() and all((folder / f"{name}.json").is_file() for name in chunks)


@contextmanager
def _sole_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system frees it however the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written ({error}). Choose another folder.") from error
    with lock:
        if os.name == "posix":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(recipe: Recipe, folder: Path, chunks: Mapping[str, list[Piece]], jobs: int, progress: bool) -> None:
    """Make the shards that are not there yet."""
    missing = [(name, chunk) for name, chunk in chunks.items() if not (folder / f"{name}.json").is_file()]
    total, left = (sum(len(chunk) for _, chunk in some) for some in (chunks.items(), missing))
    with tqdm(
        total=total,
        initial=total - left,
        desc=f"Preparing {recipe.corpus.name}",
        unit="piece",
        mininterval=0.2 if sys.stderr.isatty() else 10.0,  # a log gets a line now and then
        dynamic_ncols=True,
        disable=not progress,
    ) as bar:
        for (name, chunk), result in run_tasks(partial(_make_shard, recipe, folder), missing, jobs):
            if isinstance(result, Died):
                _save_shard(recipe, folder, name, _one_by_one(recipe, chunk))
            bar.update(len(chunk))


def _make_shard(recipe: Recipe, folder: Path, task: tuple[str, list[Piece]]) -> None:
    name, chunk = task
    _save_shard(recipe, folder, name, [tokenise(recipe, piece) for piece in chunk])


def _one_by_one(recipe: Recipe, chunk: Sequence[Piece]) -> list[Outcome]:
    """The pieces of a chunk whose process died, so that the guilty one shows itself."""
    work, outcomes = partial(tokenise, recipe), []
    for piece, result in run_tasks(work, chunk, 1):
        if isinstance(result, Died):
            # The memory may have been filled by those before: once more, in a process of its own.
            ((_, result),) = run_tasks(work, [piece], 1)
        outcomes.append(Outcome(piece, _KILLED) if isinstance(result, Died) else result)
    return outcomes


def _save_shard(recipe: Recipe, folder: Path, name: str, outcomes: Sequence[Outcome]) -> None:
    """Write the arrays, and last the JSON that says they are whole."""
    kept = [outcome for outcome in outcomes if not outcome.skipped]
    arrays: dict[str, NDArray[Any]] = {
        "rows": np.concatenate([np.empty((0, len(FIELDS)), np.uint16), *(o.rows for o in kept)]),
        "source": np.concatenate([np.empty(0, np.int32), *(o.source for o in kept)]),
    }
    for label in recipe.corpus.note_classes:
        arrays[label] = np.concatenate([np.empty(0, np.int8), *(o.note_labels[label] for o in kept)])
    hashes = {}
    for kind, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        hashes[kind] = _write(folder / f"{name}.{kind}.npy", buffer.getvalue())
    pieces = [
        {**asdict(o.piece), "skipped": o.skipped, "fingerprint": o.fingerprint, "rows": len(o.rows)}
        for o in outcomes
    ]
    _write(folder / f"{name}.json", _json({"sha256": hashes, "pieces": pieces}))


def _finish(recipe: Recipe, folder: Path, settings: dict[str, Any], names: list[str], total: int) -> None:
    """Settle the splits, and write the ledger, the list of pieces and the manifest."""
    shards = [json.loads((folder / f"{name}.json").read_bytes()) for name in names]
    inputs = [piece for shard in shards for piece in shard["pieces"]]
    kept = [piece for piece in inputs if not piece["skipped"]]
    reasons = Counter(piece["skipped"].partition(":")[0] for piece in inputs if piece["skipped"])
    if len(inputs) != total or len(kept) + reasons.total() != total:
        raise CorpusError(
            f"{folder} accounts for {len(kept)} kept and {reasons.total()} skipped of {total} pieces; its "
            "shards were changed. Delete the folder and prepare the corpus again."
        )
    if not kept:
        _refuse_nothing(recipe, folder, inputs, reasons)
    members = [Member(p["key"], p["split"], p["group"], p["fingerprint"], p["reason"]) for p in kept]
    verdicts = dict(zip((m.key for m in members), resolve(members, recipe.corpus.fractions), strict=True))
    ledger, records = [], []
    for piece in inputs:
        key, file = piece["key"], piece["file"]
        if piece["skipped"]:
            ledger.append({"key": key, "file": file, "status": "skipped", "reason": piece["skipped"]})
            continue
        split, group, reason = verdicts[key]
        ledger.append({"key": key, "file": file, "status": "kept", "split": split, "reason": reason})
        records.append(
            asdict(PieceRecord(key, file, split, group, piece["labels"], piece["fingerprint"], piece["rows"]))
        )
    recipe.tokenizer.save(folder / TOKENIZER)
    manifest = {
        "format": FORMAT,
        "corpus": {term: getattr(recipe.corpus, term) for term in TERMS},
        "settings": settings,
        "note_classes": {name: list(classes) for name, classes in recipe.corpus.note_classes.items()},
        "totals": {
            "pieces": total,
            "kept": len(kept),
            "skipped": dict(sorted(reasons.items())),
            "splits": dict(sorted(Counter(record["split"] for record in records).items())),
            "rows": sum(record["rows"] for record in records),
        },
        "lists": {
            name: _write(folder / name, _lines(lines))
            for name, lines in ((PIECES, records), (LEDGER, ledger))
        },
        "shards": [
            {"name": name, "sha256": shard["sha256"]} for name, shard in zip(names, shards, strict=True)
        ],
    }
    for partial_file in folder.glob(".*.partial"):  # of runs that were killed
        partial_file.unlink()
    _write(folder / MANIFEST, _json(manifest))


def _refuse_nothing(
    recipe: Recipe, folder: Path, inputs: Sequence[dict[str, Any]], reasons: Counter[str]
) -> NoReturn:
    """Nothing was kept: leave the folder as new, and say why."""
    for file in [*folder.glob("shard-*"), folder / SETTINGS]:
        file.unlink()
    counts = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    first = next((f"; the first, {p['key']}: {p['skipped']}" for p in inputs), "")
    raise CorpusError(
        f"None of the {len(inputs)} pieces of corpus '{recipe.corpus.name}' can be used: {counts or 'there are none'}"
        f"{first}. Check the files, or loosen the filters."
    )


def _write(path: Path, content: bytes) -> str:
    """Write a file so that it is whole or absent, even after a power cut; returns its sha256."""
    unfinished = path.with_name(f".{path.name}.partial")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return hashlib.sha256(content).hexdigest()


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _lines(documents: Sequence[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents).encode()
