"""Compute the pretraining loss: choose, corrupt, recover, retire."""
