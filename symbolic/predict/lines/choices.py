"""What the tracks of a file may do when a melody is decided. Importing it needs no torch."""

VOTE, IGNORE = "vote", "ignore"
TRACKS = (VOTE, IGNORE)
