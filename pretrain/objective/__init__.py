"""Compute the pretraining loss: choose, corrupt, recover, retire."""

AUXILIARY_NAMES = ("changed", "chroma")
"""The keys of `pretrain.objective.auxiliary.AUXILIARIES`, without an import of torch."""
