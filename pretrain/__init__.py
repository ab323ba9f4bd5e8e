"""Pretraining: one network chooses what is hidden, the other must say it."""
