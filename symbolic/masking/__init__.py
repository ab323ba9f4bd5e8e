"""Hide fields of tokens: units, corruption, and the masked loss."""
