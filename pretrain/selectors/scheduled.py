"""Scheduled selector, a control: as many random tokens as the adversarial selector masks."""

from __future__ import annotations

from pretrain.selectors.base import Selector
from pretrain.selectors.uniform import UniformSelector


class ScheduledSelector(UniformSelector):
    """Choose random tokens by the schedule of the adversarial selector.

    Tokens are frozen at random at the rates of the adversarial selector. So the number of masked tokens is the same.
    But every token stays a candidate. If the adversarial selector is better, the reason is *which* tokens it chooses
    and retires, not how many.
    """

    name = "scheduled"
    retires = True
    spares_frozen = False
    counts = Selector.counts
