"""Train a task model: one seed, one run."""
