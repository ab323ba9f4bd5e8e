"""Train a backbone from settings."""
