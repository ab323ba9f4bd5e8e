"""Prepare corpora as shards in parallel processes, resumable at any moment.

Pieces are cut into chunks by their order alone and a chunk becomes a shard in one step. So the number of processes and
interruptions do not change the bytes of the result.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from data.corpora.archives import cache_folder
from data.corpora.base import Corpus, Piece
from data.preparation.cluster import run_on_ray
from data.preparation.contents import content_hash
from data.preparation.filters import Filters
from data.preparation.manifest import finish
from data.preparation.near import SIZE, THRESHOLD
from data.preparation.pool import Died, refuse_import_time, run_tasks, usable_cores
from data.preparation.tokenise import PreparedPiece, Recipe, tokenise, too_slow
from data.shards import FORMAT, MANIFEST, SETTINGS, Shards
from data.toolkit.locks import sole_writer
from data.toolkit.safewrite import write, write_array
from symbolic.documents import as_json
from symbolic.errors import ConfigError, CorpusError
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import FIELDS

__all__ = ["Filters", "prepare"]

Engine = Literal["local", "ray"]
Task = TypeVar("Task")
Result = TypeVar("Result")

_CHUNKS, _SMALLEST, _LARGEST = 64, 16, 1024
"""Approximate number of chunks, and limits of their size in pieces. They are enough to share among processes, few
enough to map, and small enough for the memory of a process."""
_KILLED = "killed: the process that read it died, by a crash or for want of memory"


def prepare(
    corpus: Corpus,
    out: str | Path | None,
    tokenizer: Tokenizer,
    hide: Collection[str] = (),
    jobs: int | None = None,
    filters: Filters | None = None,
    progress: bool = True,
    near_duplicates: float | None = THRESHOLD,
    engine: Engine = "local",
) -> Shards:
    """Make shards of a corpus or open those of an earlier call with the same settings.

    Files that cannot be read or that a filter refuses are skipped. The ledger names each with its reason. A process
    that dies loses no other file. If several calls use one folder at once, one works and the others wait.

    Args:
        corpus: The corpus.
        out: A folder that is new, empty or from an earlier call with the same settings. None: a folder in the cache.
        tokenizer: The tokenizer.
        hide: Fields to hide in the tokens.
        jobs: Number of processes. None: all cores. 0: work in this process without protection against crashes and
            endless reading.
        filters: Pieces to keep. Default: `Filters()` with drums alone for a corpus of drums.
        progress: Show a progress bar.
        near_duplicates: Smallest resemblance of near-duplicates, above 0 and up to 1. They are reported and kept on one
            side of the split. None: do not search for them.
        engine: "local" for processes on this machine, "ray" for Ray. With Ray `jobs` is unused, and all machines must
            see `out` and the corpus. The bytes are the same.

    Raises:
        ConfigError: If the settings are wrong or `out` holds other files.
        CorpusError: If no piece is kept.
        LabelError: If labels and files do not fit together.
        LeakError: If a group is on two sides of the split.
    """
    refuse_import_time()  # before the lock, which the parent holds
    problems = [
        f"No field is called {name}; the fields are {', '.join(FIELDS)}." for name in {*hide} - {*FIELDS}
    ]
    if jobs is not None and jobs < 0:
        problems.append(f"jobs is {jobs}; it must be 0 or more.")
    if near_duplicates is not None and not 0 < near_duplicates <= 1:
        problems.append(f"near_duplicates is {near_duplicates}; it must be above 0 and at most 1, or None.")
    if engine not in get_args(Engine):
        problems.append(f"No engine is called '{engine}'; there are {' and '.join(get_args(Engine))}.")
    if problems:
        raise ConfigError(sorted(problems))
    near = near_duplicates is not None
    recipe = Recipe(
        corpus, tokenizer, tuple(sorted(hide)), filters or Filters(drum_only=corpus.drums_alone), near
    )
    pieces = corpus.pieces()
    _refuse_equal_keys(corpus, pieces)
    settings = _settings(recipe, pieces, near_duplicates)
    key = hashlib.sha256(as_json(settings)).hexdigest()[:16]
    folder = Path(out) if out else cache_folder() / "shards" / f"{corpus.name}-{key}"
    chunks, total = _chunks(pieces), len(pieces)
    del pieces  # a million of them take a gigabyte
    _refuse_other(folder, settings)
    if not _is_finished(folder, chunks):
        with sole_writer(folder, wait=True):
            _refuse_other(folder, settings)
            if not _is_finished(folder, chunks):
                write(folder / SETTINGS, as_json(settings))
                _make(recipe, folder, chunks, usable_cores() if jobs is None else jobs, engine, progress)
                names = list(chunks)
                chunks.clear()
                finish(recipe, folder, settings, names, total)
    return Shards(folder, tokenizer.fingerprint)


def _refuse_equal_keys(corpus: Corpus, pieces: Sequence[Piece]) -> None:
    repeated = [key for key, count in Counter(piece.key for piece in pieces).items() if count > 1]
    if repeated:
        raise CorpusError(
            f"Corpus '{corpus.name}' gives the same key to several pieces ({', '.join(repeated[:5])}). "
            "Its reader must tell them apart."
        )


def _settings(recipe: Recipe, pieces: Sequence[Piece], near_duplicates: float | None) -> dict[str, Any]:
    """Return all that determines the result as JSON values. Equal settings make equal bytes."""
    corpus = recipe.corpus
    listing = hashlib.sha256()
    encode = json.JSONEncoder(sort_keys=True).encode
    for piece in pieces:
        listing.update(encode(_columns(piece)).encode())
    settings: dict[str, Any] = {
        "format": FORMAT,
        "corpus": {"name": corpus.name, "version": corpus.version, "options": corpus.options()},
        "pieces": listing.hexdigest()[:16],
        "files": content_hash(corpus, pieces),
        "tokenizer": recipe.tokenizer.fingerprint,
        "hide": list(recipe.hide),
        "filters": asdict(recipe.filters),
        "near_duplicates": near_duplicates,
    }
    return dict(json.loads(as_json(settings)))  # as it will be read back, without tuples


def _columns(piece: Piece) -> dict[str, Any]:
    """Return what a piece holds by name. `asdict` copies deeply, at many times the cost."""
    return {name: getattr(piece, name) for name in Piece.__slots__}


def _refuse_other(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse a folder that is not empty and has other settings."""
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


def _make(
    recipe: Recipe,
    folder: Path,
    chunks: Mapping[str, list[Piece]],
    jobs: int,
    engine: Engine,
    progress: bool,
) -> None:
    """Make the missing shards."""
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
        for (name, chunk), result in _run(partial(_make_shard, recipe, folder), missing, jobs, engine):
            if isinstance(result, Died):
                _save_shard(recipe, folder, name, _one_by_one(recipe, chunk, max(jobs, 1)))
            bar.update(len(chunk))


def _run(
    function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int, engine: Engine
) -> Iterator[tuple[Task, Result | Died]]:
    return run_on_ray(function, tasks) if engine == "ray" else run_tasks(function, tasks, jobs)


def _make_shard(recipe: Recipe, folder: Path, task: tuple[str, list[Piece]]) -> None:
    name, chunk = task
    _save_shard(recipe, folder, name, tokenise(recipe, chunk))


def _tokenise_one(recipe: Recipe, piece: Piece) -> PreparedPiece:
    (result,) = tokenise(recipe, [piece])
    return result


def _one_by_one(recipe: Recipe, chunk: Sequence[Piece], jobs: int) -> list[PreparedPiece]:
    """Prepare the pieces of a chunk one by one after its process died, to find the cause."""
    work, results = partial(_tokenise_one, recipe), {}
    for piece, result in run_tasks(work, chunk, jobs):
        if isinstance(result, Died):
            # Another piece may be the cause, or the memory of earlier ones. Try again in a new process.
            ((_, result),) = run_tasks(work, [piece], 1)
        if isinstance(result, Died):
            result = PreparedPiece(piece, too_slow(recipe) if result.late else _KILLED)
        results[piece.key] = result
    return [results[piece.key] for piece in chunk]


def _save_shard(recipe: Recipe, folder: Path, name: str, results: Sequence[PreparedPiece]) -> None:
    """Write the arrays and the JSON last. It marks them as complete."""
    kept = [one for one in results if not one.skipped]
    arrays: dict[str, NDArray[Any]] = {
        "tokens": np.concatenate([np.empty((0, len(FIELDS)), np.uint16), *(o.tokens for o in kept)]),
        "source": np.concatenate([np.empty(0, np.int32), *(o.source for o in kept)]),
    }
    for label in recipe.corpus.note_classes:
        arrays[label] = np.concatenate([np.empty(0, np.int8), *(o.note_labels[label] for o in kept)])
    if recipe.near:
        arrays["sketch"] = np.concatenate([np.empty((0, SIZE), np.uint32), *(o.sketches for o in kept)])
    hashes = {kind: write_array(folder / f"{name}.{kind}.npy", array) for kind, array in arrays.items()}
    pieces = [
        {
            **_columns(o.piece),
            "skipped": o.skipped,
            "fingerprint": o.fingerprint,
            "repairs": o.repairs,
            "tokens": len(o.tokens),
            "tracks": len(o.sketches),
        }
        for o in results
    ]
    write(folder / f"{name}.json", as_json({"sha256": hashes, "pieces": pieces}, indent=None))
