"""Model card of a pretrained backbone as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.shards import Shards
from data.toolkit.page import Page
from data.toolkit.results import read_results
from data.toolkit.settings import flatten
from pretrain.report.summary import field_table
from symbolic.backbone import preset
from symbolic.checkpoint.card import front_matter
from symbolic.checkpoint.licence import Chain, Stage

_LEFT_OUT = {
    "held out": "on the test side of their own corpus, or excluded from it",
    "guarded": "of a corpus that is tested whole, by folds",
    "copy of a piece held out": "copies, in any key, of a piece held out",
    "resembles a piece held out": "near-duplicates of a piece held out",
    "copy of a training piece": "copies of a training piece",
}
_VARIANT = ("probe", "layers", "size", "share", "options")
_USE = """\
import symbolic

model = symbolic.load("{name}")
model.embed("song.mid")  # one vector for the piece, float32
model.embed_notes("song.mid")  # (notes, {dim}) float32"""


def card(
    name: str,
    record: Mapping[str, Any],
    shards: Shards,
    chain: Chain,
    scores: Path | None = None,
    weights: str = "",
) -> str:
    """Return the card: use, training music, accuracies, scores, limits, licence and origin.

    Args:
        name: Name of the model.
        record: Record of its run.
        shards: The shards it was trained on.
        chain: Its licence chain. The last stage is the run.
        scores: Folder with records of `finetune`, at any depth. Those that start from these weights are listed.
        weights: Fingerprint of the weights.
    """
    settings, parts, corpus = flatten(record["settings"]), record["parameters"], record["corpus"]
    page = Page(name)
    page.text(
        f"A {settings['backbone'].title()} that reads one token for each note. It has {parts['backbone'] / 1e6:.1f} M "
        f"parameters, and {parts['heads'] / 1e6:.2f} M in its heads. It was pretrained by masked prediction of every "
        f"field of a note (selector `{settings['selector']}`, {record['history'][-1]['step']:,} steps). `pretrain "
        "export` wrote it. The weights are saved as bfloat16, and computed with as float32."
    )
    if related := record.get("relations"):
        page.text(
            f"Beside the fields it embeds {len(related)} relations of a note to its neighbours: {', '.join(related)}."
        )
    page.code(_USE.format(name=name, dim=preset(settings["preset"]).dim), "python")
    page.code(f"finetune sequence my_midi/ --labels labels.csv --from {name} --method probe")
    page.heading("Music")
    page.table(
        ("corpus", "pieces", "notes", "hours", "licence", "citation"),
        _music(chain[-1], shards),
        numbers=False,
    )
    page.text(f"{corpus['training_pieces']:,} of these pieces were trained on.")
    if record.get("from"):
        page.text(_before(record["from"], settings["checkpoint"]))
    _leaks(page, shards)
    page.heading("Accuracy on masked notes")
    page.text(
        f"Accuracy on {corpus['held_out_windows']:,} held-out windows, where notes are masked whole. The baseline "
        "always predicts the most common value."
    )
    page.table(("field", "accuracy", "majority"), field_table(dict(record)))
    if rows := _scores(scores, weights) if scores else []:
        page.heading("Scores")
        page.text(
            "Accuracy on test pieces in per cent, mean ± deviation over seeds. The baseline is the best one without "
            "pretraining. RESULTS.md of the project has protocols and intervals."
        )
        page.table(("task", "method", "accuracy", "best baseline"), rows)
    page.heading("Limits")
    page.text(
        "It was trained on the music of the table above, in equal temperament, without lyrics and sound. A token "
        "keeps pitch, not spelling. Positions are a 32nd of a quarter apart or coarser. Where a hand-made baseline is "
        "better, use the baseline."
    )
    licence = page.licence(chain)
    page.origin(record)
    matter = front_matter(
        licence,
        datasets=[source.name for source in chain[-1].sources],
        base_model=chain[-2].model if len(chain) > 1 else "",
    )
    return "\n".join([*matter, page.markdown()])


def _music(stage: Stage, shards: Shards) -> list[Sequence[str]]:
    """Return a row for every corpus with its training and validation pieces."""
    totals = shards.manifest["totals"].get("sources", {})
    rows: list[Sequence[str]] = []
    for one in stage.sources:
        hours = totals.get(one.name, {}).get("hours")
        about = f"{one.pieces:,}", f"{one.notes:,}", "–" if hours is None else f"{hours:.1f}"
        rows.append((one.name, *about, one.licence, one.citation))
    return rows


def _before(origin: Mapping[str, Any], checkpoint: str) -> str:
    """Describe the checkpoint that the run started from."""
    count, smaller = origin["pieces"], origin.get("expanded_from")
    known = "music that is not recorded" if count is None else f"{count:,} pieces"
    size = f"{smaller['layers']} layers of {smaller['dim']} dimensions; " if smaller else ""
    return (
        f"It {'was expanded' if smaller else 'started'} from `{checkpoint}` ({size}weights {origin['weights']}), which "
        f"was trained on {known}. The terms of that music hold here too."
    )


def _leaks(page: Page, shards: Shards) -> None:
    """Add what was left out of training and why."""
    skipped, guards = (
        shards.manifest["totals"].get("skipped", {}),
        shards.manifest["settings"].get("guards", []),
    )
    if reasons := [f"{skipped[one]:,} {words}" for one, words in _LEFT_OUT.items() if skipped.get(one)]:
        corpora = ", ".join(["these corpora", *guards])
        page.text(f"Nothing on a test side of {corpora} was trained on. Left out were {'; '.join(reasons)}.")
    page.text(
        "The fingerprints of all pieces trained on are saved with the weights (`pretrained_on.safetensors`). "
        "`finetune` refuses to score on any of them, in any key. A task that splits one of these corpora into folds "
        "tests each of its pieces. It needs a model trained without that corpus."
    )


def _scores(folder: Path, weights: str) -> list[Sequence[str]]:
    """Return a row for every record without leaks that starts from these weights and is scored on its own task."""
    rows: list[Sequence[str]] = []
    for record in read_results(folder):
        ours = record.get("backbone", {}).get("weights") == weights
        if not ours or "transfer" in record or record["leaks"]["leaky"] is not False:
            continue
        found, settings = record["test"]["accuracy"], flatten(record["settings"])
        baselines = {one["title"]: one["test"]["scores"]["accuracy"]["mean"] for one in record["baselines"]}
        best = max(baselines, key=lambda title: baselines[title])
        variant = [str(settings[one]) for one in _VARIANT if settings.get(one) is not None]
        variant += [one.replace("_", " ") for one in ("note_features", "ensemble") if settings.get(one)]
        spread = f"± {100 * found['sd']:.1f}" if len(record["seeds"]) > 1 else "of one seed"
        score, method = f"{100 * found['mean']:.1f} {spread}", ", ".join([record["method"], *variant])
        rows.append((record["task"]["title"], method, score, f"{100 * baselines[best]:.1f} ({best})"))
    return rows
