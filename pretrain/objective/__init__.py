"""Compute the pretraining loss: choose, corrupt, recover, retire."""

AUXILIARY_NAMES = ("changed", "chroma", "shares")
"""The keys of `pretrain.objective.auxiliary.AUXILIARIES`, without an import of torch."""

TARGET_NAMES = ("all", "excess", "loss", "random")
"""What `pretrain.objective.targets.Targets` chooses hidden cells by."""
