"""Corpora to batches: readers, splits, preparation, shards, windows.

Nothing is imported here: reading shards costs numpy alone, and only preparing them costs music libraries.
"""
