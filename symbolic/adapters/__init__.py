"""Adapters: small trained parts on a frozen backbone. One file a method; importing it here registers it."""

from __future__ import annotations

from symbolic.adapters import (  # noqa: F401 (registers)
    bitfit,
    bottleneck,
    conv,
    ia3,
    lora,
    parallel,
    prefix,
    prompt,
    reft,
    ssf,
    transformer,
    two_parallel,
)
from symbolic.adapters.base import (
    Adapter,
    attach,
    backbone_state,
    detached,
    freeze_backbone,
    load_adapter,
    unfreeze_backbone,
    weights_fingerprint,
)
from symbolic.adapters.contract import METHODS, AdapterMethod, Replacement, build_method, register

__all__ = [
    "METHODS",
    "Adapter",
    "AdapterMethod",
    "Replacement",
    "attach",
    "backbone_state",
    "build_method",
    "detached",
    "freeze_backbone",
    "load_adapter",
    "register",
    "unfreeze_backbone",
    "weights_fingerprint",
]
