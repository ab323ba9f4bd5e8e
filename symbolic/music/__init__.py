"""Read and write music: MIDI, scores and objects of other libraries."""
