"""Options of an adapter: read as they are written, and refused piece by piece."""

from __future__ import annotations

from typing import Any

import pytest

from data.toolkit.options import read_options, written_options
from finetune.settings import FinetuneSettings
from finetune.training.run import method_options
from symbolic.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("scale=2,norm=true", {"scale": 2, "norm": True}),
        (" scale = 1e-3 , activation = relu ", {"scale": 1e-3, "activation": "relu"}),
        ("targets=[query,value],scale=2", {"targets": "query,value", "scale": 2}),
        ("scale=2,targets=[ query ]", {"scale": 2, "targets": "query"}),
        ('targets="query,value"', {"targets": "query,value"}),
        ('targets=["query", "value"]', {"targets": "query,value"}),
    ],
)
def test_options_are_read_with_their_types(text: str, options: dict[str, Any]) -> None:
    found = read_options(text)
    assert found == options
    assert [type(value) for value in found.values()] == [type(value) for value in options.values()]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("norm", ["'norm'"]),
        ("scale=2,norm", ["'scale=2,norm'"]),
        ("scale=,norm=[a,rank=2", ["'scale='", "'norm=[a'"]),
        ("scale=2],[3", ["'scale=2],[3'"]),
        ("scale=1,scale=2", ["'scale=2'"]),
        ("a b=1", ["'a b=1'"]),
    ],
)
def test_unreadable_pieces_are_named_with_other_mistakes(text: str, pieces: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        FinetuneSettings.of(method="lora", options=text, seeds=0)
    for words in (*(f"cannot read {piece};" for piece in pieces), "--seeds 0"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 2.5, "norm": False, "rank": 3, "deviation": 1e-05},
        {"activation": "relu", "place": "true", "init": "2", "targets": "query,value", "x": "", "y": "a: b"},
    ],
)
def test_written_options_are_read_as_they_were(options: dict[str, Any]) -> None:
    text = written_options(options)
    assert text is not None
    assert read_options(text) == options


def test_what_is_written_is_short() -> None:
    assert written_options({"targets": ["query", "value"], "scale": 2}) == "targets=[query,value],scale=2"
    assert written_options({}) is None


def test_a_list_reaches_the_adapter() -> None:
    settings = FinetuneSettings.of(method="lora", options="targets=[query,value],scale=2")
    assert method_options(settings) == {"targets": "query,value", "scale": 2}
