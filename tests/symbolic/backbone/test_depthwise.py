"""The convolution within channels equals PyTorch's, forwards and backwards."""

import pytest
import torch
from torch import Tensor

from symbolic.backbone.depthwise import Depthwise


def _both(half: bool = False, length: int = 23) -> tuple[list[Tensor], list[Tensor]]:
    """Return output and gradients of inputs, weights and bias: ours, and PyTorch's on channels first."""
    torch.manual_seed(0)
    kind = torch.float32 if half else torch.float64
    ours = Depthwise(12, 7).to(kind)
    theirs = torch.nn.Conv1d(12, 12, 7, padding=3, groups=12).to(kind)
    theirs.load_state_dict(ours.state_dict())
    x, pull = torch.randn(3, length, 12).to(kind), torch.randn(3, length, 12).to(kind)
    found = []
    for run in (ours, lambda x: theirs(x.transpose(1, 2)).transpose(1, 2)):
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            out = run(given)
        out.backward(pull.to(out.dtype))
        module = ours if run is ours else theirs
        assert module.bias is not None
        found.append([out, given.grad, module.weight.grad, module.bias.grad])
    assert all(a.dtype == b.dtype for a, b in zip(*found, strict=True))
    return found[0], found[1]


@pytest.mark.parametrize("length", [1, 2, 23])
def test_equals_pytorch_in_values_and_gradients(length: int) -> None:
    for ours, theirs in zip(*_both(length=length), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_autocast_rounds_no_more_than_pytorch_does() -> None:
    exact, _ = _both()
    for right, ours, theirs in zip(exact, *_both(half=True), strict=True):
        assert (ours.float() - right).abs().max() <= 1.5 * (theirs.float() - right).abs().max()


def test_frozen_weights_get_no_gradient_but_inputs_do() -> None:
    frozen, x = Depthwise(4, 3).requires_grad_(False), torch.ones(1, 5, 4, requires_grad=True)
    frozen(x).sum().backward()
    assert x.grad is not None
    assert frozen.weight.grad is None


def test_a_pass_without_gradients_gives_the_same_bits() -> None:
    mix, x = Depthwise(8, 15), torch.randn(2, 40, 8)
    with torch.inference_mode():
        alone = mix(x)
    assert torch.equal(alone, mix(x))
