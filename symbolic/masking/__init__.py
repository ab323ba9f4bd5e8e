"""Hide fields of tokens and score their recovery: units, corruption and masked losses."""
