"""Read and write music: notes and time, MIDI and scores."""
