"""Choose the precision of training that the processor is fast in."""

from __future__ import annotations

from typing import Final, Literal

import torch

HALF: Final = "bf16-mixed"
FULL: Final = "32-true"


def usual_precision(accelerator: str) -> Literal["bf16-mixed", "32-true"]:
    """Return bfloat16 where the processor computes it, else 32 bits. Elsewhere it is emulated and slow.

    Args:
        accelerator: "cpu", "gpu" or "auto", which is the GPU if there is one.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return HALF if torch.cuda.is_bf16_supported(including_emulation=False) else FULL
    # PyTorch has no public names for these.
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return HALF if fast else FULL
