"""Adapters: small trained modules on a frozen backbone. Each is one file and one line of `METHODS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbolic.registry import Registry, lazy_names

if TYPE_CHECKING:
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
    from symbolic.adapters.contract import AdapterMethod, Replacement, build_method, register

METHODS: Registry[type[AdapterMethod]] = Registry(
    "symbolic.adapters",
    {
        "adapter": "bottleneck:BottleneckAdapter",
        "bitfit": "bitfit:BitFit",
        "conv": "conv:ConvAdapter",
        "ia3": "ia3:Ia3",
        "lora": "lora:Lora",
        "parallel": "parallel:ParallelAdapter",
        "prefix": "prefix:Prefix",
        "prompt": "prompt:Prompt",
        "reft": "reft:Reft",
        "ssf": "ssf:Ssf",
        "transformer": "transformer:TransformerAdapter",
        "two_parallel": "two_parallel:TwoParallelAdapter",
    },
)
"""The methods by name. Its names cost no import of torch."""

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

_CONTRACT = ("AdapterMethod", "Replacement", "build_method", "register")
__getattr__ = lazy_names(
    __name__, {name: "contract" if name in _CONTRACT else "base" for name in __all__ if name != "METHODS"}
)
