"""Read and write MIDI files: symusic parses them, and what it loses is repaired or kept."""
