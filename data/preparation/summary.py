"""What became of a corpus, for people: the ledger in a few lines."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from data.shards import LEDGER, NEAR, Shards
from data.splits import EXCLUDED, SPLITS

_NUMBER, _DETAILS = re.compile(r"^[\d,]+ "), re.compile(r" ?[(:,].*$")


def summary(shards: Shards) -> str:
    """Kept, repaired and skipped pieces by reason, and what copies there are, in plain text.

    Args:
        shards: Whose ledger is read; a line at a time, for it may be long.
    """
    totals = shards.manifest["totals"]
    skipped, examples, repairs = Counter(totals["skipped"]), dict[str, str](), Counter[str]()
    for line in _ledger(shards):
        if line["status"] == "skipped":
            examples.setdefault(_kind(line["reason"]), line["key"])
        else:
            repairs.update({_kind(repair) for repair in line.get("repairs", ())})
    sides = totals["splits"]
    splits = ", ".join(f"{side} {sides[side]:,}" for side in (*SPLITS, EXCLUDED) if side in sides)
    tokens = [("kept", totals["kept"], splits)]
    tokens += [("repaired", totals["repaired"], "")] if totals["repaired"] else []
    tokens += [(f"  {kind}", count, "") for kind, count in repairs.most_common()]
    tokens += [("skipped", skipped.total(), "")] if skipped else []
    tokens += [(f"  {kind}", count, f"such as {examples[kind]}") for kind, count in skipped.most_common()]
    if totals["near_duplicates"]:
        tokens.append(("near-duplicates", totals["near_duplicates"], f"pairs, in {NEAR}"))
    tokens.append(("largest group", totals["largest_group"], "pieces that the split keeps together"))
    width = max(len(label) for label, _, _ in tokens)
    lines = [f"{label:<{width}}  {count:>9,}  {more}".rstrip() for label, count, more in tokens]
    heading = f"{shards.manifest['corpus']['title']}: {totals['pieces']:,} pieces, {len(shards):,} notes kept"
    return "\n".join([heading, "", *lines, *_sources(totals.get("sources", {}))])


def _sources(sources: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Of a mix, what each corpus gives to it, and all together."""
    if not sources:
        return []
    names = ("pieces", "tokens", "hours")
    together = {name: sum(source[name] for source in sources.values()) for name in names}
    width = max(map(len, [*sources, "together"]))
    tokens = [
        f"{title:<{width}}  {source['pieces']:>7,}  {source['tokens']:>10,}  {source['hours']:>7,.1f}"
        for title, source in [*sources.items(), ("together", together)]
    ]
    return ["", f"{'source':<{width}}   pieces       notes    hours", *tokens]


def _ledger(shards: Shards) -> Iterator[dict[str, Any]]:
    with (shards.path / LEDGER).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _kind(text: str) -> str:
    """A reason or repair without its counts and details: 'too short: 3 notes' is 'too short'."""
    return _DETAILS.sub("", _NUMBER.sub("", text))
