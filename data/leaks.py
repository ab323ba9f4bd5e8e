"""The check that no test piece was used in pretraining."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import LeakError


def check_leaks(
    seen: NDArray[np.int64], pieces: Iterable[tuple[str, int]], allow: bool = False, shown: int = 5
) -> list[str]:
    """Refuse to test on pieces of the pretraining data in any key.

    Args:
        seen: (P,) note fingerprints of a checkpoint's pretraining data.
        pieces: Key and note fingerprint of each test piece.
        allow: Do not raise. The caller must then mark its record as leaky.
        shown: Largest number of pieces that the error names.

    Returns:
        Keys of the test pieces that were seen, for the record.

    Raises:
        LeakError: If there are any and `allow` is false.
    """
    known = set(seen.tolist())
    listed = list(pieces)
    leaks = [key for key, fingerprint in listed if fingerprint in known]
    if leaks and not allow:
        rest = f", and {len(leaks) - shown} more" if len(leaks) > shown else ""
        raise LeakError(
            f"{len(leaks)} of {len(listed)} pieces to score were seen in pretraining, as they are or transposed: "
            f"{', '.join(leaks[:shown])}{rest}. A score on them would be false. Use a checkpoint pretrained "
            "without them, or none; or go on with --allow_leaks, and the record will say 'leaky'."
        )
    return leaks
