"""Prepare a corpus: read, filter, tokenise and write shards, in parallel."""
