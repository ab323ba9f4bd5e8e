"""The card of a model: what it is, what it was trained on, what it can and cannot do, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.corpora import CORPORA
from data.shards import Shards
from data.toolkit.markdown import markdown_table, origin_lines
from data.toolkit.results import read_results
from data.toolkit.settings import flatten
from pretrain.report.page import field_table
from symbolic.checkpoint.card import front_matter

_LEFT_OUT = {
    "held out": "on the test side of their own corpus, or excluded from it",
    "guarded": "of a corpus that is tested whole, by folds",
    "copy of a piece held out": "copies, in any key, of a piece held out",
    "resembles a piece held out": "near-duplicates of a piece held out",
    "copy of a training piece": "copies of a training piece",
}


def card(
    name: str,
    record: Mapping[str, Any],
    shards: Shards,
    licence: str,
    scores: Path | None = None,
    weights: str = "",
) -> str:
    """The card as Markdown.

    Args:
        name: Of the model.
        record: Of its run.
        shards: What it was trained on.
        licence: Of the weights, in a line.
        scores: Folder of records of `finetune`, at any depth; those that began from these weights are told.
        weights: Their fingerprint.
    """
    settings, history = flatten(record["settings"]), record["history"]
    parts, steps = record["parameters"], history[-1]["step"]
    lines = [
        *front_matter(licence, datasets=[name for name, *_ in _sources(shards)[1]]),
        f"# {name}",
        "",
        f"A {settings['backbone'].title()} over rows of notes, {parts['backbone'] / 1e6:.1f} M parameters and "
        f"{parts['heads'] / 1e6:.2f} M in its heads, pretrained by masked prediction of every field of a note "
        f"(selector `{settings['selector']}`, {steps:,} steps). Written by `pretrain export`; weights are bfloat16, "
        "and computed with as float32.",
        "",
        "```python",
        "import symbolic",
        "",
        f'model = symbolic.load("{name}")',
        'model.embed("song.mid")  # one vector for the piece, float32',
        f'model.embed_notes("song.mid")  # (notes, {_width(settings)}) float32',
        "```",
        "",
        f"    finetune sequence my_midi/ --labels labels.csv --from {name} --method probe",
        "",
        "## Music",
        "",
        *markdown_table(*_sources(shards)),
        "",
        f"{record['corpus']['training_pieces']:,} of these pieces were trained on; of the others "
        f"{record['corpus']['held_out_windows']:,} windows served to measure it.",
        "",
        *_before(record),
        *_leaks(shards),
        "",
        "## What it recovers",
        "",
        f"Accuracy on {record['corpus']['held_out_windows']:,} held-out windows, of notes masked whole, beside that of "
        "always naming the commonest value.",
        "",
        *markdown_table(("field", "accuracy", "majority"), field_table(dict(record))),
        "",
    ]
    told = _scores(scores, weights) if scores else []
    if told:
        lines += [
            "## Scores",
            "",
            "Test pieces, accuracy in per cent, mean ± deviation over seeds; the baseline is the best of those that need "
            "no pretraining. Protocols and intervals stand in RESULTS.md of the project.",
            "",
            *markdown_table(("task", "learnt by", "accuracy", "best baseline"), told),
            "",
        ]
    lines += [
        "## Limits",
        "",
        "It has heard what the table above names: mostly piano and folk music in equal temperament, little for many "
        "instruments, no words, no sound. Rows keep pitch, not spelling; positions are a 32nd of a quarter "
        "apart or coarser. Where a hand-made baseline stands above it, use the baseline.",
        "",
        *origin_lines(licence, record),
    ]
    return "\n".join(lines)


def _before(record: Mapping[str, Any]) -> list[str]:
    """What it had heard before, where it went on from a checkpoint."""
    if not record.get("from"):
        return []
    count = record["from"]["pieces"]
    known = "music that is not recorded" if count is None else f"{count:,} pieces"
    verb, size = "went on", ""
    if smaller := record["from"].get("expanded_from"):
        verb, size = "was grown", f"{smaller['layers']} layers of {smaller['dim']} dimensions; "
    return [
        f"It {verb} from `{flatten(record['settings'])['checkpoint']}` ({size}weights {record['from']['weights']}), which had "
        f"heard {known}: see there for their terms, which hold here too.",
        "",
    ]


def _width(settings: Mapping[str, Any]) -> int:
    from symbolic.backbone import preset

    return preset(settings["preset"]).dim


def _sources(shards: Shards) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Heads, and a row for every corpus: its pieces on the training and validation sides."""
    manifest = shards.manifest
    used = [piece.tokens for piece in shards.pieces if piece.split in ("train", "valid")]
    alone = {manifest["corpus"]["name"]: {"pieces": len(used), "tokens": sum(used)}}
    header = ("corpus", "pieces", "notes", "hours", "licence", "citation")
    rows: list[Sequence[str]] = []
    for name, found in manifest["totals"].get("sources", alone).items():
        terms = CORPORA.get(name, manifest["corpus"])
        about = [terms[one] if isinstance(terms, Mapping) else getattr(terms, one) for one in header[4:]]
        hours = f"{found['hours']:.1f}" if "hours" in found else "–"
        rows.append((name, f"{found['pieces']:,.0f}", f"{found['tokens']:,.0f}", hours, *about))
    return header, rows


def _leaks(shards: Shards) -> list[str]:
    """What was left out, and why that is so."""
    skipped = shards.manifest["totals"].get("skipped", {})
    told = [f"- {skipped[reason]:,} {words};" for reason, words in _LEFT_OUT.items() if skipped.get(reason)]
    kept = (
        "The fingerprints of all pieces trained on come with the weights (`pretrained_on.safetensors`), and `finetune` "
        "refuses to score on any of them, in any key."
    )
    if not told:
        return [kept]
    told[-1] = told[-1].rstrip(";") + "."
    guards = shards.manifest["settings"].get("guards", [])
    return [
        f"Nothing on a test side of {', '.join(['these corpora', *guards])} was trained on. Left out were:",
        "",
        *told,
        "",
        f"{kept} Where a task deals a corpus above into folds, each of its pieces is tested in one: that needs a model "
        "trained without the corpus.",
    ]


def _scores(folder: Path, weights: str) -> list[Sequence[str]]:
    """A row for every run that began from these weights and was scored, by the rules, on the task it was trained on."""
    rows: list[Sequence[str]] = []
    for record in read_results(folder):
        ours = record.get("backbone", {}).get("weights") == weights
        if not ours or "transfer" in record or record["leaks"]["leaky"] is not False:
            continue
        found = record["test"]["accuracy"]
        baselines = {
            baseline["title"]: baseline["test"]["scores"]["accuracy"]["mean"]
            for baseline in record["baselines"]
        }
        best = max(baselines, key=lambda title: baselines[title])
        asked = flatten(record["settings"])
        variant = [asked.get(one) for one in ("probe", "layers", "size", "share", "options")]
        variant += [one for one in ("note_features", "ensemble") if asked.get(one)]
        method = ", ".join([record["method"], *(str(one) for one in variant if one is not None)])
        score = f"{100 * found['mean']:.1f}"
        score += f" ± {100 * found['sd']:.1f}" if len(record["seeds"]) > 1 else ", one seed"
        rows.append((record["task"]["title"], method, score, f"{100 * baselines[best]:.1f} ({best})"))
    return rows
