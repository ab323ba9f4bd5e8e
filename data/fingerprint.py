"""Note fingerprints: two files with the same notes have the same number."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from symbolic.music.notes import Music


def note_fingerprint(music: Music) -> int:
    """Hash the pitch intervals between successive pitched notes, ordered by (onset, pitch).

    Transposition, tempo, time signature, resolution, velocity, durations, programs, order of tracks and drums do not
    change it. Any note that is added, left out or moved past another does. A piece of drums alone is hashed by its
    keys. Copies and transpositions are found. Arrangements and excerpts are not.

    Args:
        music: The piece as its file has it before any corpus reader interprets it. A copy of the file in another
            corpus then gives the same number.

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
