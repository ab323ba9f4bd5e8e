"""Methods of adaptation compared: one experiment file, every arm with as many trials as any other, one page."""
