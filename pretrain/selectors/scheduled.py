"""The control: random tokens, but as many as the adversary would mask."""

from __future__ import annotations

from pretrain.selectors.base import Selector
from pretrain.selectors.uniform import UniformSelector


class ScheduledSelector(UniformSelector):
    """Random tokens at the adversary's own mask-rate schedule.

    Tokens are frozen at random at the adversary's rates, which lowers the count of tokens masked as it does there,
    but every token stays a candidate. So whatever the adversary gains over this, it gains by *which* tokens it
    chooses and retires, and not by how many.
    """

    name = "scheduled"
    retires = True
    spares_frozen = False
    counts = Selector.counts
