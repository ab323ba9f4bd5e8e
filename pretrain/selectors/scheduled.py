"""The control: random rows, but as many as the adversary would mask."""

from __future__ import annotations

from pretrain.selectors.base import Selector
from pretrain.selectors.uniform import UniformSelector


class ScheduledSelector(UniformSelector):
    """Random rows at the adversary's own mask-rate schedule.

    Rows are frozen at random at the adversary's rates, which lowers the count of rows masked as it does there,
    but every row stays a candidate. So whatever the adversary gains over this, it gains by *which* rows it
    chooses and retires, and not by how many.
    """

    name = "scheduled"
    retires = True
    spares_frozen = False
    counts = Selector.counts
