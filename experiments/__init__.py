"""Experiments that need both trainers: downstream evaluation of pretraining, and the order of notes."""
