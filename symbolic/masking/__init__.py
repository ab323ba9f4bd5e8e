"""Hide fields of tokens and score their recovery: units, corruption and masked losses."""

UNIT_NAMES = ("token", "field", "bar")
"""The keys of `symbolic.masking.units.UNITS`, without an import of torch."""
CORRUPTION_NAMES = ("mask", "noise")
"""The keys of `symbolic.masking.corruption.CORRUPTIONS`, likewise."""
