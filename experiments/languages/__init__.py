"""Two languages of music and a map between their models: scores with opaque pitches, and performances."""
