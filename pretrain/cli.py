"""The command `pretrain`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from symbolic.siblings import exit_without_sibling

_DESCRIPTION = "Pretrain a backbone on music: a selector chooses the notes that it must predict."
_EPILOG = """\
examples:
  pretrain                                  the embedded corpus, tiny preset
  pretrain my_midi/ --preset small          a folder of your own
  pretrain --corpus pop909 --root DATA      a named corpus
  pretrain my_midi/ --resume                go on where the last run stopped"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    exit_without_sibling("data")
    from data.command import guarded

    return guarded(_run, argv)


def _run(argv: Sequence[str]) -> None:
    from data.command import parse
    from pretrain.config import PretrainSettings

    settings = parse("pretrain", _DESCRIPTION, PretrainSettings, argv, _EPILOG)
    from pretrain.run import pretrain  # torch and lightning, once the settings are known to be right

    record = pretrain(settings)
    if record is not None:
        print(summary(record))


def summary(record: dict[str, Any]) -> str:
    """What a person wants to know at the end of a run, in plain text."""
    from pretrain.report import field_table, selector_lines

    corpus, folder, files = record["corpus"], record["folder"], record["files"]
    lines = [
        "",
        f"{corpus['pieces']:,} pieces, {corpus['notes']:,} notes; trained on {corpus['training_pieces']:,} pieces "
        f"for {record['history'][-1]['step']:,} steps",
        "",
        f"{'masked field':<16}{'accuracy':>10}{'majority':>10}   (held-out pieces)",
        *(f"{name:<16}{accuracy:>10}{floor:>10}" for name, accuracy, floor in field_table(record)),
        "",
        *(f"{label:<46}{value:>8}" for label, value in selector_lines(record)),
        "",
        f"checkpoint  {folder}/{files['checkpoint']}",
        f"record      {folder}/record.json",
        f"report      {folder}/{files['report']}",
        f"pictures    {folder}/{files['pictures']}/",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
