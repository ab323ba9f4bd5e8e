"""Choices for the tracks of a file when a melody is decided. Importing them needs no torch."""

VOTE, IGNORE = "vote", "ignore"
TRACKS = (VOTE, IGNORE)
