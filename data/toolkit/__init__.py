"""Share what the commands need: flags, run folders, records, progress, pages."""
