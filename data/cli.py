"""The command `corpora`."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from data.preparation.settings import PrepareSettings
from data.toolkit.settings import Settings, group, setting
from symbolic.errors import ConfigError, CorpusError, did_you_mean
from symbolic.siblings import require_sibling

_DESCRIPTION = (
    "List the corpora that can be read: what each offers, its terms, and whether it is on this machine."
)
_EPILOG = """\
examples:
  corpora                       all of them, those under $COUNTERPOINT_DATA marked
  corpora --root DATA           those under DATA marked
  corpora pop909                one in full: terms, citation, how to get it
  corpora --json                the same for programs
  corpora prepare my_midi/      make rows of files now, and see what became of each
  corpora mix NAME...           make one corpus of several, guarded against leaks
  corpora pack DIR FILE.pack    make prepared rows one small file"""
_PREPARE = (
    "Make rows of music files, and tell what became of them. Killed at any moment, it goes on where it was."
)
_PREPARE_EPILOG = """\
examples:
  corpora prepare my_midi/ --out shards/        then: pretrain shards/
  corpora prepare pop909 --root DATA            into the cache; then: pretrain --corpus pop909 --root DATA
  corpora prepare my_midi/ --min_notes 50 --time_signatures 3/4,6/8"""
_MIX = (
    "Make one corpus of several, to pretrain on: their training and validation pieces, less every copy or\n"
    "near-duplicate of a piece that any corpus holds out. A corpus dealt into folds is held out whole."
)
_MIX_EPILOG = """\
examples:
  corpora mix pop909 asap_performances giantmidi_sample --root DATA --out mix/    then: pretrain mix/
  corpora mix pop909 --guard emopia,pianist8 --root DATA --out mix/
  corpora mix --permissive --root DATA --out mix/      all that may be used for anything, polish_scores 40 % at most"""
_PERMISSIVE_SHARES = "polish_scores=0.4"
"""Most of the permissive music is Polish and sacred. It would drown the rest."""
_PACK = "Write prepared rows as one small file, to be carried; `pretrain FILE.pack` reads it elsewhere."
_PACK_EPILOG = """\
examples:
  corpora pack mix/ mix.pack"""
_WIDTH = 108


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status."""
    try:
        require_sibling("data")
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    from data.toolkit.command import guarded

    return guarded(_run, argv)


def _run(argv: Sequence[str]) -> None:
    commands = {"prepare": _prepare, "mix": _mix, "pack": _pack}
    if argv and argv[0] in commands:
        commands[argv[0]](argv[1:])
    else:
        _list(argv)


def _prepare(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse

    @dataclass(kw_only=True)
    class SourceSettings(Settings):
        """Settings of `corpora prepare`."""

        source: str = setting(..., "folder of music files, or the name of a corpus", positional=True)
        root: str | None = setting(None, "folder that holds named corpora")
        out: str | None = setting(None, "folder for the rows (default: in the cache)")
        data: PrepareSettings = group(PrepareSettings)

    settings = parse("corpora prepare", _PREPARE, SourceSettings, argv, _PREPARE_EPILOG, show_rare=True)
    from data.corpora import CORPORA, open_corpus
    from data.preparation.summary import skipped_lines, summary
    from data.shards import LEDGER
    from symbolic.tokens.tokenizer import Tokenizer

    named = settings.source in CORPORA
    corpus = open_corpus(settings.source if named else "folder", settings.root if named else settings.source)
    begun = time.perf_counter()
    shards = settings.data.prepare(corpus, Tokenizer(), settings.out)
    print("\n".join([summary(shards), "", *skipped_lines(shards)]))
    print(f"shards  {shards.path}   ({time.perf_counter() - begun:,.1f} s)")
    print(f"ledger  {shards.path / LEDGER}   a line for each piece")


def _mix(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse

    @dataclass(kw_only=True)
    class MixSettings(Settings):
        """Settings of `corpora mix`."""

        names: list[str] = setting([], "corpora to pretrain on, as `corpora` lists them", positional=True)
        permissive: bool = setting(False, "add every corpus here whose terms allow any use")
        shares: str | None = setting(
            None,
            f"largest share of a corpus, as in {_PERMISSIVE_SHARES} (default: that with --permissive)",
        )
        root: str | None = setting(None, "folder that holds named corpora")
        guard: str | None = setting(
            None,
            "corpora that are only held out, with commas (default: all others here that are split)",
        )
        out: str = setting(..., "folder for the rows")
        data: PrepareSettings = group(PrepareSettings)

    settings = parse("corpora mix", _MIX, MixSettings, argv, _MIX_EPILOG)
    from data.corpora import CORPORA, open_corpus
    from data.mix import Part, mix, new_folder, permissive_corpora, usual_guards
    from data.preparation.summary import summary
    from data.shares import parsed_shares
    from symbolic.tokens.tokenizer import Tokenizer

    free = permissive_corpora(settings.root) if settings.permissive else []
    names = list(dict.fromkeys([*settings.names, *free]))
    if not names:
        raise ConfigError("Name corpora to pretrain on, or use --permissive with a --root that holds some.")
    usual = _PERMISSIVE_SHARES if settings.permissive and "polish_scores" in names else ""
    shares = parsed_shares(usual if settings.shares is None else settings.shares)
    guards = [name for name in (settings.guard or "").split(",") if name]
    if settings.guard is None:
        guards = usual_guards(names, settings.root)
    if unknown := sorted({*names, *guards} - set(CORPORA)):
        raise CorpusError(f"No corpus is called {', '.join(unknown)}. Choose from {', '.join(CORPORA)}.")
    new_folder(settings.out)
    tokenizer = Tokenizer()
    parts = []
    for name in (*names, *guards):
        corpus = open_corpus(name, settings.root)
        parts.append(
            Part(settings.data.prepare(corpus, tokenizer), name in guards or "fold" in corpus.options())
        )
    shards = mix(parts, settings.out, settings.data.near_duplicates, shares)
    print(f"{summary(shards)}\n")
    print(f"shards  {shards.path}   then: pretrain {shards.path}")


def _pack(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse

    @dataclass(kw_only=True)
    class PackSettings(Settings):
        """Settings of `corpora pack`."""

        shards: str = setting(..., "folder that `corpora prepare` or `corpora mix` made", positional=True)
        out: str = setting(..., "file to write, ending in .pack", positional=True)

    settings = parse("corpora pack", _PACK, PackSettings, argv, _PACK_EPILOG)
    from data.pack import pack
    from data.shards import Shards

    path = pack(Shards(settings.shards), settings.out)
    print(f"{path}   {path.stat().st_size / 2**20:,.1f} MiB   then: pretrain {path}")


def _list(argv: Sequence[str]) -> None:
    from data.corpora import CORPORA
    from data.toolkit.command import parse

    @dataclass(kw_only=True)
    class ListSettings(Settings):
        """Settings of `corpora`."""

        name: str | None = setting(None, "show this one in full", positional=True)
        root: str | None = setting(None, "folder that holds corpora; by default $COUNTERPOINT_DATA")
        json: bool = setting(False, "print JSON")

    settings = parse("corpora", _DESCRIPTION, ListSettings, argv, _EPILOG)
    if settings.name is not None and settings.name not in CORPORA:
        raise CorpusError(
            f"No corpus is called '{settings.name}'; {did_you_mean(settings.name, CORPORA)}choose from "
            f"{', '.join(CORPORA)}."
        )
    names = CORPORA if settings.name is None else [settings.name]
    found = [about(name, settings.root) for name in names]
    if settings.json:
        print(json.dumps(found if settings.name is None else found[0], indent=2, ensure_ascii=False))
    else:
        print(table(found) if settings.name is None else in_full(found[0]))


def about(name: str, root: str | None = None) -> dict[str, Any]:
    """Describe the corpus as JSON values without opening it.

    Args:
        name: A key of `data.corpora.CORPORA`.
        root: The folder that holds corpora. None means $COUNTERPOINT_DATA.
    """
    from data.corpora import CORPORA

    reader = CORPORA[name]
    return {
        "name": name,
        "title": reader.title,
        "about": " ".join((reader.__doc__ or "").partition("\n\n    Args:")[0].split()),
        "pieces": reader.size or None,
        "labels": dict(reader.labels),
        "note_labels": {label: list(classes) for label, classes in reader.note_classes.items()},
        "split": reader.split,
        "drums_alone": reader.drums_alone,
        "licence": reader.licence,
        "citation": reader.citation,
        "homepage": reader.homepage,
        "archives": dict(getattr(reader, "archives", {})),
        "present": reader.presence(root),
        "directions": reader.directions(),
    }


def table(found: Sequence[dict[str, Any]]) -> str:
    """One line a corpus. A label's number is how many classes it has, a note label is marked by an asterisk."""
    rows = [("name", "pieces", "labels", "split", "licence", "here")]
    for one in found:
        labels = [f"{label} {classes}" for label, classes in one["labels"].items()]
        labels += [f"{label}* {len(classes)}" for label, classes in one["note_labels"].items()]
        licence = textwrap.shorten(one["licence"], 20, placeholder="…")
        pieces = f"{one['pieces']:,}" if one["pieces"] else ""
        offered = textwrap.shorten(", ".join(labels), 29, placeholder=" …")
        rows.append((one["name"], pieces, offered, one["split"], licence, one["present"] or "-"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place == 1 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(
        [*lines, "", "* label of each note. `corpora NAME` shows terms, citation and how to get one."]
    )


def in_full(one: dict[str, Any]) -> str:
    """All about one corpus, a paragraph a field."""
    labels = [f"{label} ({classes} classes)" for label, classes in one["labels"].items()]
    labels += [f"{label} of each note ({', '.join(c)})" for label, c in one["note_labels"].items()]
    fields = {
        "about": one["about"],
        "pieces": f"{one['pieces']:,}" if one["pieces"] else "as many as you have",
        "labels": "; ".join(labels) or "none of its own",
        "split": one["split"],
        "licence": one["licence"],
        "citation": one["citation"],
        "homepage": one["homepage"],
        "sha256": "\n".join(f"{sha256}  {name}" for name, sha256 in one["archives"].items()),
        "to get it": one["directions"],
        "here": one["present"] or "no; name the folder that holds it by --root or $COUNTERPOINT_DATA",
    }
    lines = [f"{one['name']}: {one['title']}", ""]
    for field, text in fields.items():
        # Addresses and paths stay whole, to be copied.
        wrap = partial(textwrap.wrap, width=_WIDTH - 12, break_long_words=False, break_on_hyphens=False)
        wrapped = [line for part in text.splitlines() for line in wrap(part)]
        lines += [f"{field if i == 0 else '':<12}{line}" for i, line in enumerate(wrapped)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
