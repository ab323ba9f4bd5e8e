"""Settings of a pretraining run, nested by what they speak of."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data.preparation.settings import PrepareSettings
from data.toolkit.settings import (
    ACCELERATORS,
    LOGGERS,
    NATURAL,
    POSITIVE,
    SEEDS,
    Group,
    Settings,
    group,
    setting,
)
from pretrain.objective import AUXILIARY_NAMES, TARGET_NAMES
from pretrain.selectors import NETWORK_NAMES, SELECTORS
from symbolic.backbone.config import KINDS, PRESETS
from symbolic.checkpoint.bundled import require_model
from symbolic.checkpoint.format import load_checkpoint
from symbolic.errors import CounterpointError, did_you_mean
from symbolic.masking import CORRUPTION_NAMES, UNIT_NAMES
from symbolic.relations import RELATIONS, relation_problems

STRATEGIES = ("ddp", "fsdp")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true")
LEARNING_RATES = {"tiny": 2e-3, "mini": 1e-3, "small": 5e-4, "base": 1e-4}
"""Peak learning rates by preset."""
TOKENS_PER_BATCH = {"tiny": 2048, "mini": 4096, "small": 8192, "base": 8192}
"""Tokens in a batch by preset."""
PAIRED = 8
"""With pairs of windows a batch has this many times as many tokens: other pairs are what a pair is told from."""


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


@dataclass(kw_only=True)
class CorpusSettings(PrepareSettings):
    """The music to pretrain on."""

    folder: str | None = setting(
        None, "music files, or prepared shards (default: the embedded corpus)", positional=True
    )
    corpus: str = setting("music21", "named corpus instead of a folder; `corpora` lists them")
    root: str | None = setting(None, "folder that holds named corpora", free=True)

    def normalise(self) -> None:
        """Write a folder in one way, so that a trailing slash makes no other run."""
        self.folder = str(Path(self.folder)) if self.folder else None

    @property
    def source(self) -> tuple[str, str | None]:
        """Name and root of the corpus as `find` and `shards` take them."""
        return ("folder", self.folder) if self.folder else (self.corpus, self.root)


@dataclass(kw_only=True)
class ModelSettings(Group):
    """The backbone."""

    checkpoint: str | None = setting(
        None, "start from a checkpoint: a path, or tiny; a larger --preset expands it", flag="from"
    )
    preset: str = setting("tiny", f"size: {_listed(tuple(PRESETS))}", choices=tuple(PRESETS))
    backbone: str | None = setting(
        None, f"kind: {_listed(KINDS)} (default: that of --from, else transformer)", choices=KINDS
    )
    relations: str | None = setting(
        None, "relations of notes to embed: all, none, or names (default: of --from, else all)"
    )
    relative_pitch: bool = setting(
        False, "embed no absolute pitch: relations alone tell pitches apart", rare=True
    )

    def normalise(self) -> None:
        """Name the kind of the backbone."""
        if self.backbone is None:
            self.backbone = KINDS[0]
            # A path that is no checkpoint is refused later, with its reason.
            with suppress(CounterpointError):
                self.backbone = load_checkpoint(self.checkpoint).config.kind if self.checkpoint else KINDS[0]

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit the others."""
        return [
            f"--relations {self.relations}: {problem}" for problem in relation_problems(self.related or ())
        ]

    @property
    def related(self) -> tuple[str, ...] | None:
        """The relations by name. None for those of the checkpoint, else all."""
        if self.relations in (None, "all"):
            return None if self.relations is None else tuple(RELATIONS)
        return () if self.relations == "none" else tuple(filter(None, self.relations.split(",")))


@dataclass(kw_only=True)
class MaskingSettings(Group):
    """Settings of the choice of notes to hide."""

    selector: str = setting("uniform", f"{_listed(tuple(SELECTORS))}", choices=tuple(SELECTORS))
    mask_low: float = setting(
        0.3, "smallest share of unfrozen tokens to mask (the paper: 0.1)", within="(0, 1]", rare=True
    )
    mask_high: float = setting(
        0.6, "largest share of unfrozen tokens to mask (the paper: 0.3)", within="(0, 1]", rare=True
    )
    mask_cap: float = setting(
        0.3, "largest share of tokens to mask; the mask rate of uniform (the paper: 0.15)", within="(0, 1)"
    )
    unit: str | None = setting(
        None, f"hide by {_listed(UNIT_NAMES)} (default: by selector)", choices=UNIT_NAMES, rare=True
    )
    network: str = setting(
        "small", f"network of a learned selector: {_listed(NETWORK_NAMES)}", choices=NETWORK_NAMES, rare=True
    )
    network_layers: int = setting(2, "most layers of that network", within=POSITIVE, rare=True)
    exploration: float = setting(
        1.0, "noise in the choice of a learned selector; 0 for none (the paper)", within=NATURAL, rare=True
    )
    ramp: float = setting(
        0.0,
        "part of the run from random to learned choice, from all to fewer targets",
        within="[0, 1]",
        rare=True,
    )
    freeze_every: float | None = setting(
        None,
        "epochs between freezings; 0 for never (by selector: 1 or 0; the paper: 5)",
        within=NATURAL,
        rare=True,
    )
    freeze_limit: float = setting(
        0.5, "largest share of tokens that may be frozen (the paper: none)", within="(0, 1]", rare=True
    )
    corruption: str = setting(
        "mask", "of chosen cells: mask (80/10/10) or bounded noise", choices=CORRUPTION_NAMES, rare=True
    )
    auxiliary: str | None = setting(
        None, f"further targets: {_listed(AUXILIARY_NAMES)} (default: by corruption)", rare=True
    )
    contrastive: bool = setting(False, "also find the other of two windows of a piece, in batches of pairs")
    targets: str = setting(
        "all", f"hidden fields to learn from: {_listed(TARGET_NAMES)}", choices=TARGET_NAMES, rare=True
    )
    target_share: float = setting(
        0.5, "share of them to learn from, unless that is all", within="(0, 1]", rare=True
    )
    target_tokens: bool = setting(False, "choose whole tokens as targets, not single fields", rare=True)
    reference: str = setting("tiny", "model that --targets excess compares with", rare=True)
    identity_weight: float = setting(
        0.0, "weight of the loss over all tokens, masked or not", within=NATURAL, rare=True
    )

    def problems(self) -> list[str]:
        """Return one sentence for each setting that does not fit the others."""
        problems = [
            f"--auxiliary {name}: {did_you_mean(name, AUXILIARY_NAMES)}choose among {_listed(AUXILIARY_NAMES)}."
            for name in self.auxiliaries
            if name not in AUXILIARY_NAMES
        ]
        if self.mask_low > self.mask_high:
            problems.append(f"--mask_low {self.mask_low}: must not exceed --mask_high {self.mask_high}.")
        return problems

    @property
    def auxiliaries(self) -> tuple[str, ...]:
        """The further targets in force. Noise has the target that finds it."""
        if self.auxiliary is None:
            return ("changed",) if self.corruption == "noise" else ()
        return tuple(name for name in self.auxiliary.split(",") if name)


@dataclass(kw_only=True)
class TrainingSettings(Group):
    """Settings of training."""

    steps: int = setting(0, "optimiser steps; 0: as --epochs says", within=NATURAL)
    epochs: float = setting(4.0, "passes over the corpus", within=POSITIVE)
    tokens_per_batch: int | None = setting(
        None, "tokens in a batch, padding included (default: by preset)", within=POSITIVE
    )
    lr: float | None = setting(None, "peak learning rate (default: by preset)", within=POSITIVE)
    weight_decay: float = setting(0.01, "weight decay of matrices", within=NATURAL, rare=True)
    dropout: float = setting(
        0.1, "dropout while pretraining; the checkpoint keeps the preset's", within="[0, 1)", rare=True
    )
    transposition: int = setting(11, "augment by up to this many semitones", within="[0, 24]")
    seed: int = setting(0, "seed of everything random", within=SEEDS)
    precision: str | None = setting(
        None, "32-true, bf16-mixed, ... (default: bf16 where the processor has it)", choices=PRECISIONS
    )
    accelerator: str = setting("auto", "cpu, gpu or auto", choices=ACCELERATORS)
    devices: int = setting(1, "GPUs, or processes on a CPU, of one machine", within=POSITIVE)
    nodes: int = setting(1, "machines", within=POSITIVE, rare=True)
    strategy: str = setting(
        "ddp", "for several devices: ddp, or fsdp to share the weights", choices=STRATEGIES, rare=True
    )
    accumulate: int = setting(1, "batches in an optimiser step", within=POSITIVE, rare=True)
    recompute: bool = setting(False, "save memory: compute activations twice", rare=True)
    compile: bool = setting(False, "compile the backbone (pays on long runs)", rare=True)
    workers: int = setting(0, "processes that make batches", within=NATURAL, rare=True, free=True)
    evaluations: int = setting(
        8, "most held-out evaluations; --resume starts at one", within=POSITIVE, rare=True
    )

    @property
    def processes(self) -> int:
        """The number of processes that train together."""
        return self.devices * self.nodes

    @property
    def batches_per_step(self) -> int:
        """The number of batches in one optimiser step."""
        return self.processes * self.accumulate


@dataclass(kw_only=True)
class RunSettings(Group):
    """Settings of the run folder."""

    out: str | None = setting(None, "run folder (default: runs/pretrain/...)", free=True)
    logger: str | None = setting(
        None, f"also log to {_listed(LOGGERS)} (CSV always)", choices=LOGGERS, rare=True, free=True
    )
    resume: bool = setting(False, "go on with RUN, with --out, or with the latest run", free=True)


@dataclass(kw_only=True)
class PretrainSettings(Settings):
    """Everything a pretraining run depends on.

    Build it from groups, as in `PretrainSettings(training=TrainingSettings(lr=1e-3))`, or from leaves, as in
    `PretrainSettings.of(lr=1e-3)`.

    Raises:
        ConfigError: Names every setting that is wrong.
    """

    data: CorpusSettings = group(CorpusSettings)
    model: ModelSettings = group(ModelSettings)
    masking: MaskingSettings = group(MaskingSettings)
    training: TrainingSettings = group(TrainingSettings)
    run: RunSettings = group(RunSettings)

    def check_sources(self) -> None:
        """Refuse a checkpoint or music that does not exist, before torch is imported.

        Raises:
            CounterpointError: If there is no such checkpoint or corpus.
        """
        if self.model.checkpoint is not None:
            require_model(self.model.checkpoint)
        if self.masking.targets == "excess":
            require_model(self.masking.reference)
        self.data.find(*self.data.source)

    @property
    def learning_rate(self) -> float:
        """The learning rate in force."""
        lr = self.training.lr
        return LEARNING_RATES[self.model.preset] if lr is None else lr

    @property
    def budget(self) -> int:
        """The number of tokens in a batch in force."""
        usual = TOKENS_PER_BATCH[self.model.preset] * (PAIRED if self.masking.contrastive else 1)
        return self.training.tokens_per_batch or usual
