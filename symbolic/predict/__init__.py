"""Predict with trained models: windows, predictors of notes and pieces, keys and chords, files."""
