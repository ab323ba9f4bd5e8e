"""The page of measured speed: made from results/speed.jsonl, and every ratio explained."""

import re
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]


@pytest.fixture
def speed_page(monkeypatch):
    monkeypatch.syspath_prepend(HOME / "tests" / "bench")
    import speed_page

    yield speed_page
    del sys.modules["speed_page"]


def test_the_page_of_speed_is_made_from_its_results(speed_page):
    text = (HOME / "docs" / "speed.md").read_text(encoding="utf-8")
    assert speed_page.fill_page(text, HOME / "results" / "speed.jsonl") == text


def test_ratios_have_their_meaning(speed_page):
    lines = speed_page.read_lines(HOME / "results" / "speed.jsonl")
    columns = tuple(f"_{column}" for column in speed_page.ADAPTED)
    found = {
        name
        for line in lines
        for name in line["ratios"]
        if line["bench"] != "adapters" or not name.endswith(columns)
    }
    assert found
    assert found - set(speed_page.MEANINGS) == set()


def test_the_table_names_machine_and_command(speed_page):
    record = {
        "bench": "data",
        "command": "python bench_data.py",
        "time": "2026-01-02T03:04:05",
        "machine": {"cores": 2, "processor": "x86_64", "bf16": True},
        "versions": {"torch": "2.13"},
        "ratios": {"encode_vs_parse": 0.4567},
    }
    head, _, row, _, note = speed_page.table([record]).splitlines()
    assert re.split(r" *\| *", head)[1:3] == ["benchmark", "measured"]
    assert row.endswith("limit | 0.457 |")
    assert note == "- `data`: `python bench_data.py`, 2026-01-02, 2 cores of x86_64, PyTorch 2.13"


def test_adapters_have_a_table_of_their_own(speed_page):
    record = {
        "bench": "adapters",
        "command": "python bench_adapters.py",
        "time": "2026-01-02T03:04:05",
        "machine": {"cores": 2, "processor": "x86_64", "bf16": True},
        "versions": {"torch": "2.13"},
        "ratios": {
            "lora_trained": 331776,
            "lora_memory": 0.56,
            "lora_step": 0.66,
            "switch_vs_forward": 0.002,
        },
    }
    lines = speed_page.table([record]).splitlines()
    assert lines[-1] == "| `lora` | 331,776 | 56 % | 66 % |"
    assert lines[2].endswith("| 0.002 |")
