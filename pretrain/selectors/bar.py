"""Bar selector: one field of a whole bar, at random (MusicBERT, Zeng et al., 2021, arXiv 2106.05630)."""

from __future__ import annotations

from pretrain.selectors.uniform import UniformSelector
from symbolic.masking.units import BarUnit


class BarSelector(UniformSelector):
    """Choose one field of a whole bar at random because neighbours in the bar often have the same value."""

    name = "bar"
    units = (BarUnit.name,)
