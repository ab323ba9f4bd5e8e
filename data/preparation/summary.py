"""The ledger of a preparation as a few lines of text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Any

from data.shards import LEDGER, NEAR, Shards
from data.splits import EXCLUDED, SPLITS
from symbolic.documents import fields, one_of, parse_json, require, text, texts
from symbolic.errors import CorpusError

_AGAIN = "Prepare the corpus again."
_LINE = fields(
    {"key": text(), "status": one_of("kept", "skipped")}, {"reason": text(), "repairs": texts}, more=True
)
_NUMBER, _DETAILS = re.compile(r"^[\d,]+ "), re.compile(r" ?[(:,].*$")


def summary(shards: Shards) -> str:
    """Count kept, repaired and skipped pieces by reason, and copies, as plain text.

    Args:
        shards: The prepared corpus. Its ledger is read line by line, because it may be long.
    """
    totals = shards.manifest["totals"]
    skipped, examples, repairs = Counter(totals["skipped"]), dict[str, str](), Counter[str]()
    for line in read_ledger(shards):
        if line["status"] == "skipped":
            examples.setdefault(kind_of(line["reason"]), line["key"])
        else:
            repairs.update({kind_of(repair) for repair in line.get("repairs", ())})
    sides = totals["splits"]
    splits = ", ".join(f"{side} {sides[side]:,}" for side in (*SPLITS, EXCLUDED) if side in sides)
    rows = [("kept", totals["kept"], splits)]
    rows += [("repaired", totals["repaired"], "")] if totals["repaired"] else []
    rows += [(f"  {kind}", count, "") for kind, count in repairs.most_common()]
    rows += [("skipped", skipped.total(), "")] if skipped else []
    rows += [
        (f"  {kind}", count, f"such as {examples[kind]}" if kind in examples else "")
        for kind, count in skipped.most_common()
    ]
    if totals["near_duplicates"]:
        rows.append(("near-duplicates", totals["near_duplicates"], f"pairs, in {NEAR}"))
    rows.append(("largest group", totals["largest_group"], "pieces that the split keeps together"))
    width = max(len(label) for label, _, _ in rows)
    lines = [f"{label:<{width}}  {count:>9,}  {more}".rstrip() for label, count, more in rows]
    heading = f"{shards.manifest['corpus']['title']}: {totals['pieces']:,} pieces, {len(shards):,} notes kept"
    return "\n".join([heading, "", *lines, *_sources(totals.get("sources", {}))])


def skipped_lines(shards: Shards, shown: int = 10) -> list[str]:
    """List the skipped files with their reasons, and the path of the ledger.

    Args:
        shards: The prepared corpus.
        shown: Largest number of files to name.

    Returns:
        Lines of text. Empty where nothing was skipped, and for a mix, which reads no files.
    """
    totals = shards.manifest["totals"]
    count, ledger = sum(totals["skipped"].values()), shards.path / LEDGER
    if not count or "sources" in totals:
        return []
    skipped = (line for line in read_ledger(shards) if line["status"] == "skipped")
    named = [f"  {line['key']}: {shorten(line['reason'], 100)}" for line in islice(skipped, shown)]
    end = f"  ... and {count - shown:,} more: {ledger}" if count > shown else f"  ledger: {ledger}"
    return [f"{count:,} file{'s were' if count > 1 else ' was'} skipped:", *named, end]


def _sources(sources: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a table of what each corpus gives to a mix, with the sum."""
    if not sources:
        return []
    names = ("pieces", "tokens", "hours")
    together = {name: sum(source[name] for source in sources.values()) for name in names}
    width = max(map(len, [*sources, "together"]))
    rows = [
        f"{title:<{width}}  {source['pieces']:>7,}  {source['tokens']:>10,}  {source['hours']:>7,.1f}"
        for title, source in [*sources.items(), ("together", together)]
    ]
    return ["", f"{'source':<{width}}   pieces       notes    hours", *rows]


def read_ledger(shards: Shards) -> Iterator[dict[str, Any]]:
    """Yield the lines of the ledger: one for each input, with "key", "status" and, if there is one, "reason"."""
    with (shards.path / LEDGER).open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                found = parse_json(line)
            except ValueError as error:
                raise CorpusError(f"{file.name}, line {number}, is no JSON ({error}). {_AGAIN}") from error
            require(Path(f"{file.name}, line {number}"), found, _LINE, CorpusError, _AGAIN)
            yield found


def kind_of(text: str) -> str:
    """Return a reason or repair without counts and details: 'too short: 3 notes' gives 'too short'."""
    return _DETAILS.sub("", _NUMBER.sub("", text))
