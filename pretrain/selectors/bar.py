"""One field across a whole bar, at random (MusicBERT, Zeng et al., 2021, arXiv 2106.05630)."""

from __future__ import annotations

from pretrain.selectors.uniform import UniformSelector
from symbolic.masking.units import BarUnit


class BarSelector(UniformSelector):
    """`uniform` by bars of a field: neighbours in the bar, which would give the answer away, are hidden too."""

    name = "bar"
    units = (BarUnit.name,)
