"""The command `pretrain`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from symbolic.siblings import exit_without_sibling

_DESCRIPTION = "Pretrain a backbone on music: a selector chooses the notes that it must predict."
_EPILOG = """\
examples:
  pretrain                                  the embedded corpus, tiny preset
  pretrain my_midi/ --from tiny             a folder of yours, from a bundled model
  pretrain --corpus pop909 --root DATA      a named corpus
  pretrain --resume runs/pretrain/X         go on with a run
  pretrain export runs/pretrain/X model/    write a finished run as a model
  pretrain scaling runs/pretrain/X ...      compare finished runs"""
_EXPORT = "Write a finished run as a model: weights in half the bytes, fingerprints of its music, and a card."
_EXPORT_EPILOG = """\
examples:
  pretrain export runs/pretrain/X model/            then: finetune ... --from model/
  pretrain export runs/pretrain/X model/ --licence "CC0 1.0"    music of your own, on these terms"""

_SCALING = "Compare finished runs: held-out loss by training notes and by compute, as a table and a picture."
_SCALING_EPILOG = """\
examples:
  pretrain scaling runs/pretrain/A runs/pretrain/B --out scaling.png
  pretrain scaling results/pretrain.jsonl"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Return the exit status."""
    exit_without_sibling("data")
    from data.toolkit.command import guarded

    return guarded(_run, argv)


def _run(argv: Sequence[str]) -> None:
    if argv and argv[0] in _FURTHER:
        _FURTHER[argv[0]](argv[1:])
        return
    from data.toolkit.command import parse
    from pretrain.settings import PretrainSettings

    settings = parse("pretrain", _DESCRIPTION, PretrainSettings, argv, _EPILOG, runs="runs/pretrain")
    settings.check_sources()
    from pretrain.training.run import run  # imports torch and lightning

    record = run(settings)
    if record is not None:
        print(summary(record))


def _export(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse
    from data.toolkit.settings import Settings, setting

    @dataclass(kw_only=True)
    class ExportSettings(Settings):
        """Settings of `pretrain export`."""

        run: str = setting(..., "folder of a finished run", positional=True)
        out: str = setting(..., "folder to write", positional=True)
        name: str | None = setting(None, "name of the model (default: that of the folder)")
        licence: str | None = setting(
            None, "terms of your own music, in a line (default: unstated); the model's licence follows"
        )
        terms: str | None = setting(None, "file with the text of these terms")
        scores: str | None = setting(None, "folder of records of `finetune`, for the card")
        shards: str | None = setting(
            None, "the music it was trained on (default: that of the run's settings)"
        )
        root: str | None = setting(None, "folder that holds named corpora")

    settings = parse("pretrain export", _EXPORT, ExportSettings, argv, _EXPORT_EPILOG)
    from pretrain.report.export import export

    print(export(**settings.flat()))


def _scaling(argv: Sequence[str]) -> None:
    from data.toolkit.command import parse
    from data.toolkit.settings import Settings, setting

    @dataclass(kw_only=True)
    class ScalingSettings(Settings):
        """Settings of `pretrain scaling`."""

        runs: list[str] = setting(..., "folders of finished runs on the same music", positional=True)
        out: str = setting("scaling.png", "picture to draw: .png, .svg or .pdf")

    settings = parse("pretrain scaling", _SCALING, ScalingSettings, argv, _SCALING_EPILOG)
    from pathlib import Path

    from data.toolkit.charts import draw_charts
    from data.toolkit.page import markdown_table
    from pretrain.report.scaling import curve_rows, read_curves, scaling_charts
    from symbolic.errors import ConfigError

    curves = read_curves(settings.runs)
    print("\n".join(markdown_table(*curve_rows(curves))))
    try:
        Path(settings.out).parent.mkdir(parents=True, exist_ok=True)
        draw_charts(*scaling_charts(curves)).savefig(settings.out, dpi=110)
    except (OSError, ValueError) as error:  # matplotlib lists the kinds of picture
        raise ConfigError(f"--out {settings.out}: cannot be drawn ({error}).") from error
    print(f"\npicture  {settings.out}")


_FURTHER: dict[str, Callable[[Sequence[str]], None]] = {"export": _export, "scaling": _scaling}


def summary(record: dict[str, Any]) -> str:
    """Return the summary of a run in plain text."""
    from pretrain.report.summary import field_table, selector_lines

    corpus, folder, files = record["corpus"], record["folder"], record["files"]
    origin = record["from"] or {}
    seen, expanded = origin.get("held_out_trained_on"), []
    if smaller := origin.get("expanded_from"):
        size = f"{smaller['layers']} layers of {smaller['dim']} dimensions"
        expanded.append(f"expanded from {record['settings']['model']['checkpoint']}, {size}")
    lines = [
        "",
        f"{corpus['pieces']:,} pieces, {corpus['notes']:,} notes; trained on {corpus['training_pieces']:,} pieces "
        f"for {record['history'][-1]['step']:,} steps",
        *expanded,
        "",
        f"{'masked field':<16}{'accuracy':>10}{'majority':>10}   (held-out pieces)",
        *(f"{name:<16}{accuracy:>10}{baseline:>10}" for name, accuracy, baseline in field_table(record)),
        "",
        *(
            [
                f"{seen} of the {origin['held_out']} held-out pieces were in the training data of --from: they "
                "prove less",
                "",
            ]
            if seen
            else []
        ),
        *(f"{label:<46}{value:>8}" for label, value in selector_lines(record)),
        "",
        f"checkpoint  {folder}/{files['checkpoint']}",
        f"record      {folder}/record.json",
        f"report      {folder}/{files['report']}",
        f"pictures    {folder}/{files['pictures']}/",
        *record["skipped"],
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
