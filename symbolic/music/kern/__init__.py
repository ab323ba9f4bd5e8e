"""Read Humdrum kern files."""
