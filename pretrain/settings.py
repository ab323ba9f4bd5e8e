"""Settings of a pretraining run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.preparation.settings import PrepareSettings
from data.toolkit.command import setting
from symbolic.errors import ConfigError

SELECTOR_NAMES = (
    "adversarial", "bar", "infilling", "learnability", "loss", "scheduled", "span", "uniform",
)  # fmt: skip
BACKBONE_NAMES = ("transformer", "conformer")
UNIT_NAMES = ("token", "field", "bar")
NETWORK_NAMES = ("small", "exit", "shared_exit", "full")
CORRUPTION_NAMES = ("mask", "noise")
AUXILIARY_NAMES = ("changed", "chroma")
ACCELERATORS = ("auto", "cpu", "gpu")
STRATEGIES = ("ddp", "fsdp")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true")
ADAMW = "adamw"
OPTIMIZERS = ("muon", ADAMW)
PRESET_NAMES = ("tiny", "mini", "small", "base")
LEARNING_RATES = {
    "muon": {"tiny": 4e-3, "mini": 3e-3, "small": 2e-3, "base": 1e-3},
    ADAMW: {"tiny": 2e-3, "mini": 1e-3, "small": 5e-4, "base": 1e-4},
}
"""Peak rates by optimiser and preset; those of Muon are not tuned."""
TOKENS_PER_BATCH = {"tiny": 2048, "mini": 4096, "small": 8192, "base": 8192}
"""By preset. Named here, and not asked of the registries, because those import torch."""


@dataclass
class PretrainSettings(PrepareSettings):
    """Everything a run depends on; kept with it as `settings.json`.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    folder: str | None = setting(
        None, "music files, or what `corpora prepare` made (default: the embedded corpus)", positional=True
    )

    corpus: str = setting("music21", "named corpus instead of a folder; `corpora` lists them", group="data")
    root: str | None = setting(None, "folder that holds named corpora", group="data")

    checkpoint: str | None = setting(
        None,
        "begin from a checkpoint (a path, or tiny); a larger --preset grows it",
        group="model",
        flag="from",
    )
    preset: str = setting("tiny", f"size: {', '.join(PRESET_NAMES)}", group="model")
    backbone: str = setting("transformer", f"kind: {', '.join(BACKBONE_NAMES)}", group="model")
    selector: str = setting("uniform", f"selector: {', '.join(SELECTOR_NAMES)}", group="model")
    mask_low: float = setting(
        0.3, "smallest share of unfrozen tokens to mask (the paper: 0.1)", group="model", rare=True
    )
    mask_high: float = setting(
        0.6, "largest share of unfrozen tokens to mask (the paper: 0.3)", group="model", rare=True
    )
    mask_cap: float = setting(
        0.3, "largest share of all tokens to mask (the paper: 0.15); the rate of uniform", group="model"
    )
    unit: str | None = setting(None, "hide by token, field or bar (by selector)", group="model")
    network: str = setting("small", f"of a learned selector: {', '.join(NETWORK_NAMES)}", group="model")
    network_layers: int = setting(2, "layers of that network at most", group="model", rare=True)
    exploration: float = setting(
        1.0, "noise in a learned choice, 0 for none (the paper)", group="model", rare=True
    )
    ramp: float = setting(0.0, "share of the run from random to learned choice", group="model", rare=True)
    freeze_every: float | None = setting(
        None, "epochs between freezings, 0 for never (by selector: 1 or 0; the paper: 5)", group="model"
    )
    freeze_limit: float = setting(
        0.5, "largest share of tokens that may be frozen (the paper: none)", group="model", rare=True
    )
    corruption: str = setting("mask", "of chosen cells: mask (80/10/10) or bounded noise", group="model")
    auxiliary: str | None = setting(
        None, f"further targets: {', '.join(AUXILIARY_NAMES)} (by corruption)", group="model"
    )
    identity_weight: float = setting(
        0.0, "of the loss over all tokens, masked or not", group="model", rare=True
    )
    transposition: int = setting(11, "augment by up to this many semitones", group="model")

    steps: int = setting(0, "optimiser steps; 0: as --epochs says", group="training")
    epochs: float = setting(4.0, "passes over the corpus", group="training")
    tokens_per_batch: int | None = setting(
        None, "tokens in a batch, padding included (by preset)", group="training"
    )
    lr: float | None = setting(None, "peak learning rate (by preset and optimiser)", group="training")
    optimizer: str | None = setting(
        ADAMW, "adamw, or muon, which turns the blocks' matrices", group="training", rare=True
    )
    weight_decay: float = setting(0.01, "of matrices", group="training", rare=True)
    # None and not a number: a run begun before there was this choice can then go on.
    dropout: float | None = setting(
        None, "while pretraining, and not later (default: by preset, 0.1)", group="training", rare=True
    )
    seed: int = setting(0, "of everything random", group="training")
    precision: str = setting("32-true", "as Lightning names it: 32-true, bf16-mixed", group="training")
    accelerator: str = setting("auto", "cpu, gpu or auto", group="training")
    devices: int = setting(1, "GPUs, or processes on a CPU, of one machine", group="training")
    nodes: int = setting(1, "machines", group="training", rare=True)
    strategy: str = setting(
        "ddp", "of several devices: ddp, or fsdp to share the weights", group="training", rare=True
    )
    accumulate: int = setting(1, "batches in an optimiser step", group="training")
    recompute: bool = setting(False, "save memory: compute activations twice", group="training", rare=True)
    compile: bool = setting(False, "compile the backbone (pays on long runs)", group="training", rare=True)
    workers: int = setting(0, "processes that make batches", group="training", rare=True)
    evaluations: int = setting(8, "held-out measurements at most; --resume starts at one", group="training")

    out: str | None = setting(None, "run folder (default: runs/pretrain/...)", group="output")
    resume: bool = setting(False, "go on with the run in that folder, or the latest", group="output")

    def __post_init__(self) -> None:
        # Spelled one way, so that a run begun with a trailing slash is resumed without.
        self.folder = str(Path(self.folder)) if self.folder else None
        problems = self.prepare_problems()
        if self.optimizer == ADAMW:
            self.optimizer = None  # and not its name: a run begun before there was this choice can then go on
        if self.preset not in PRESET_NAMES:
            problems.append(f"--preset {self.preset}: choose one of {', '.join(PRESET_NAMES)}.")
        choices = {
            "backbone": BACKBONE_NAMES,
            "selector": SELECTOR_NAMES,
            "unit": (None, *UNIT_NAMES),
            "optimizer": (None, *OPTIMIZERS),
            "network": NETWORK_NAMES,
            "corruption": CORRUPTION_NAMES,
            "accelerator": ACCELERATORS,
            "strategy": STRATEGIES,
            "precision": PRECISIONS,
        }
        problems += [
            f"--{name} {getattr(self, name)}: choose one of {', '.join(filter(None, known))}."
            for name, known in choices.items()
            if getattr(self, name) not in known
        ]
        problems += [
            f"--auxiliary {name}: choose among {', '.join(AUXILIARY_NAMES)}."
            for name in self.auxiliaries
            if name not in AUXILIARY_NAMES
        ]
        if not 0 < self.mask_low <= self.mask_high <= 1:
            problems.append("--mask_low and --mask_high: need 0 < low <= high <= 1.")
        if not 0 < self.mask_cap < 1:
            problems.append("--mask_cap: must lie between 0 and 1.")
        if not 0 < self.freeze_limit <= 1:
            problems.append("--freeze_limit: must lie between 0 and 1.")
        if not 0 <= self.transposition <= 24:
            problems.append("--transposition: must lie in 0..24 semitones.")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            problems.append("--dropout: must lie in [0, 1).")
        if not 0 <= self.ramp <= 1:
            problems.append("--ramp: must lie between 0 and 1.")
        positive = (
            "epochs", "lr", "tokens_per_batch", "evaluations", "network_layers", "devices", "nodes", "accumulate",
        )  # fmt: skip
        problems += [
            f"--{name}: must be positive."
            for name in positive
            if (value := getattr(self, name)) is not None and value <= 0
        ]
        natural = (
            "steps",
            "workers",
            "freeze_every",
            "exploration",
            "identity_weight",
            "seed",
            "weight_decay",
        )
        problems += [
            f"--{name}: must not be negative."
            for name in natural
            if (value := getattr(self, name)) is not None and value < 0
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that make a run what it is, as JSON values; a resumed run must have the same."""
        free = {"out", "resume", "workers", "root", *self.FREE}
        return {name: value for name, value in asdict(self).items() if name not in free}

    @property
    def auxiliaries(self) -> tuple[str, ...]:
        """The further targets in force: noise comes with the head that finds it."""
        if self.auxiliary is None:
            return ("changed",) if self.corruption == "noise" else ()
        return tuple(name for name in self.auxiliary.split(",") if name)

    @property
    def learning_rate(self) -> float:
        """The rate in force."""
        return self.lr if self.lr is not None else LEARNING_RATES[self.optimizer or ADAMW][self.preset]

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.devices * self.nodes

    @property
    def batches_per_step(self) -> int:
        """How many batches make one optimiser step."""
        return self.processes * self.accumulate

    @property
    def budget(self) -> int:
        """Tokens in a batch, in force."""
        return self.tokens_per_batch or TOKENS_PER_BATCH[self.preset]
