"""Classifiers of hand-made features, evaluated without scikit-learn: of notes, of pieces and their parts."""
