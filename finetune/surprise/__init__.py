"""Measure how surprising each note of a file is, by command."""
