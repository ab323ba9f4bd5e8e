"""Shares of a mix: cut large corpora, so that they do not drown the others."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from symbolic.errors import ConfigError


def parsed_shares(text: str) -> dict[str, float]:
    """Parse shares such as `polish_scores=0.4,orchestra=0.1`.

    Raises:
        ConfigError: If the text has another form, or the shares are not between 0 and 1 with a sum below 1.
    """
    shares = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        try:
            shares[name.strip()] = float(number)
        except ValueError:
            raise ConfigError(f"--shares has '{part}'; write it as in polish_scores=0.4.") from None
    if not all(0 < share < 1 for share in shares.values()) or sum(shares.values()) >= 1:
        raise ConfigError(f"--shares is {text}; each must lie between 0 and 1, and their sum below 1.")
    return shares


def beyond_shares(pieces: Sequence[tuple[str, str, int]], shares: Mapping[str, float]) -> list[int]:
    """Choose the pieces to leave out, so that no corpus has more than its share of all tokens.

    Pieces are chosen by a hash of their keys. Every source of a corpus is met and the choice is the same in every run.

    Args:
        pieces: Corpus, key and number of tokens of each piece.
        shares: Largest share by corpus.

    Returns:
        Indices of the pieces to leave out.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, (corpus, _, _) in enumerate(pieces):
        places[corpus].append(place)
    tokens = {corpus: sum(pieces[place][2] for place in some) for corpus, some in places.items()}
    left = []
    for corpus, room in _rooms(tokens, shares).items():
        for place in sorted(places[corpus], key=lambda place: _hashed(pieces[place][1])):
            room -= pieces[place][2]
            if room < 0:
                left.append(place)
    return left


def _rooms(tokens: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, float]:
    """Return the number of tokens to which each corpus is cut that has more than its share.

    A corpus that has less than its share is used whole, so that the shares of the others count from what is there.
    Without other music nothing is cut.
    """
    capped = set(shares) & set(tokens)
    if capped == set(tokens):
        return {}
    while True:
        rest = sum(count for corpus, count in tokens.items() if corpus not in capped)
        total = rest / (1 - sum(shares[corpus] for corpus in capped))
        small = {corpus for corpus in capped if tokens[corpus] <= shares[corpus] * total}
        if not small:
            return {corpus: shares[corpus] * total for corpus in sorted(capped)}
        capped -= small


def _hashed(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=8).digest()
