"""Melody as lines: trees rate each note, and a model of lines decides over onsets."""
