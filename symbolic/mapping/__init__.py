"""Map between the two languages of music: a score for a performance, and a performance for a score."""
