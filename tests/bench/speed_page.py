"""Make the table of docs/speed.md from results/speed.jsonl: `python tests/bench/speed_page.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data.toolkit.page import markdown_table
from data.toolkit.results import read_lines

HOME = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- measured -->", "<!-- end -->"
MEANINGS = {
    "encode_vs_miditok": "MIDI file to tokens: files a second, against MidiTok's Octuple with the collector off",
    "encode_vs_parse": "the same against symusic's parser alone, the limit",
    "encode_short_vs_miditok": "MIDI file of 100 notes to tokens, against MidiTok's Octuple with the collector off",
    "encode_short_vs_parse": "the same against symusic's parser alone",
    "transpose_vs_miditok": "transposition of tokens in memory, against MidiTok's of a score in memory",
    "prepare_ms_a_file": "milliseconds of CPU to prepare a file of 1,300 notes",
    "prepare_parent_share": "share of it that the parent process takes, which no further core makes faster",
    "read_vs_tiny": "tokens a second from shards to batches, against those that `tiny` trains on",
    "copies_seconds": "seconds of CPU to find 10,000 copies in a mix, half of them held out",
    "copies_growth": "the same, times those of 1,000 copies",
    "recipe_ratio_fp32": "training step, against the published recipe's, both in fp32",
    "recipe_ratio_bf16": "training step in bf16, against the published recipe's in fp32",
    "bert_ratio_fp32": "training step, against BERT of equal size from `transformers`, both in fp32",
    "bert_ratio_bf16": "the same, both in bf16",
    "product_share_fp32": "its matrix products in fp32, share of the rate of a square product",
    "product_share_bf16": "the same in bf16",
    "selector_share": "share of a step that the adversarial selector takes, 12 layers",
    "fill20_vs_fill80": "notes a second in windows 20 % full, against windows 80 % full",
    "relations_step": "training step of `tiny` with all relations, time against a step with none",
    "cold key": "`finetune predict key` of one song in a new process, time against `import torch` alone",
    "cold melody": "the same with `melody`",
    "cold melody onnx": "the same with `melody` exported as ONNX",
    "melody": "time of a song by `melody`, from its file to its file, against products as large at full rate",
    "onnx": "the same exported as ONNX",
    "network": "share of it that the network takes",
    "features and lines": "share that features, trees and lines take",
    "files": "share that reading and writing take",
    "serving_memory": "memory of eight LoRA adapters on one `base`, share of eight copies'",
    "switch_vs_forward": "time to activate one of them, share of a forward pass of 1,024 tokens",
}
"""What the ratios say. Others have their name."""


ADAPTED = ("trained", "memory", "step")
"""Columns of the table of adapters: numbers trained, and shares of full fine-tuning's memory and time of a step."""


def table(records: Iterable[Mapping[str, Any]]) -> str:
    """Return all ratios as a table of Markdown, with the machine and the command of each benchmark below it.

    Methods of adaptation have a table of their own.
    """
    rows, notes = [], []
    adapted: dict[str, dict[str, float]] = defaultdict(dict)
    for record in records:
        for name, value in record["ratios"].items():
            method, _, column = name.rpartition("_")
            if record["bench"] == "adapters" and column in ADAPTED and method != "serving":
                adapted[method][column] = value
                continue
            rows.append((record["bench"], MEANINGS.get(name, name.replace("_", " ")), f"{value:.3g}"))
        machine = record["machine"]
        bf16 = "" if machine.get("bf16") else ", which has no bf16"
        notes.append(
            f"- `{record['bench']}`: `{record['command']}`, {record['time'][:10]}, {machine['cores']} cores of "
            f"{machine.get('model', machine['processor'])}{bf16}, PyTorch {record['versions'].get('torch', '–')}"
        )
    lines = [*markdown_table(("benchmark", "measured", ""), rows), "", *notes]
    if adapted:
        head = (
            "adapter",
            "numbers trained",
            "peak memory, share of full fine-tuning's",
            "time of a step, share",
        )
        cells = [
            (
                f"`{method}`",
                f"{found['trained']:,.0f}",
                f"{100 * found['memory']:.0f} %",
                f"{100 * found['step']:.0f} %",
            )
            for method, found in adapted.items()
        ]
        lines += ["", *markdown_table(head, cells)]
    return "\n".join(lines)


def fill_page(text: str, results: Path) -> str:
    """Return a page with the table of a file of results between its marks."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{table(read_lines(results))}\n{END}{after}"


if __name__ == "__main__":
    page = HOME / "docs" / "speed.md"
    page.write_text(
        fill_page(page.read_text(encoding="utf-8"), HOME / "results" / "speed.jsonl"), encoding="utf-8"
    )
