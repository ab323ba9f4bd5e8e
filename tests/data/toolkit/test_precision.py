"""The usual precision follows the processor."""

import pytest
import torch

from data.toolkit.precision import usual_precision


@pytest.mark.parametrize(
    ("avx512", "amx", "expected"), [(0, 0, "32-true"), (1, 0, "bf16-mixed"), (0, 1, "bf16-mixed")]
)
def test_a_cpu_gets_half_precision_where_it_is_fast(avx512, amx, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bool(avx512))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: bool(amx))
    assert usual_precision("cpu") == expected


@pytest.mark.parametrize("half", [True, False])
def test_a_gpu_is_asked_first(half, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: half)
    assert usual_precision("auto") == ("bf16-mixed" if half else "32-true")
