"""Fit what needs no network: rules, tables, hand-made features."""
