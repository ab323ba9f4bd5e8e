"""A number that two files share when they hold the same notes."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from symbolic.music.notes import Music


def note_fingerprint(music: Music) -> int:
    """Hash of the pitch intervals between successive pitched notes, ordered by (onset, pitch).

    Unchanged by transposition, tempo, metre, resolution, velocity, durations, programs, the order of tracks
    and drums; changed by any note added, left out or moved past another. A piece of drums alone is known by
    its keys. Exact copies and transpositions are caught, arrangements and excerpts are not.

    Args:
        music: The piece as its file has it, before any corpus reader interprets it, so that a copy of the
            file read through another corpus gives the same number.

    Returns:
        A signed 64-bit integer.
    """
    pitched = ~music.drums
    notes = music.notes[pitched] if pitched.any() else music.notes
    pitch = notes["pitch"][np.lexsort((notes["pitch"], notes["onset"]))].astype("<i2")
    content = np.diff(pitch) if pitched.any() else pitch
    kind = b"intervals" if pitched.any() else b"drum keys"
    digest = blake2b(content.tobytes(), digest_size=8, person=kind).digest()
    return int.from_bytes(digest, "little", signed=True)
