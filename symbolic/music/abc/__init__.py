"""Read tunes in abc notation: books of tunes, their fields and the music of their voices."""
