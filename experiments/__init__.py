"""Trials that need both trainers: pretraining judged by tasks, and what the order of notes gives away."""
