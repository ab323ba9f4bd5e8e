"""Files of results: packed lines are read back whole, and writers do not lose each other's lines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from data.toolkit.results import (
    BASELINES,
    RUNS,
    pack,
    read_lines,
    read_results,
    unpack,
    with_shared,
    without_shared,
    write_results,
)

TASK = {
    "task": {"title": "Dances"},
    "protocol": "tunes",
    "budget": 1.0,
    "published": [{"system": "Others"}, {"system": "More"}],
    "corpus": {"shards": "feed"},
    "split": {"train": 40},
    "baselines": [{"title": "a", "test": {"x": 1}}, {"title": "b", "test": {"x": 2}}],
}
SEEDS = [{"seed": seed, "cost": {"seconds": 1.5 * seed, "parameters": 10}} for seed in range(3)]


@pytest.mark.parametrize(
    "value",
    [
        {"seeds": SEEDS, "none": None, "text": "a*b", "flag": True},
        [{"a": 1}, {"b": 2}],
        [{"a": 1}, {"a": None}, {"a": [1, 2]}],
        [0.1, 0.1, 0.1],
        [1, True, 1],
        [[1, 2], [1, 2]],
        [{}, {}],
        [],
    ],
)
def test_packed_values_are_unpacked_the_same(value: Any) -> None:
    again = unpack(pack(value))
    assert again == value
    assert repr(again) == repr(value)


def test_alike_mappings_become_columns() -> None:
    packed = pack(SEEDS)
    assert packed["seed"] == [0, 1, 2]
    assert packed["cost"]["parameters"] == {"*": 3, "=": 10}


def test_a_line_leaves_out_what_its_task_shares() -> None:
    record = {**TASK, "seeds": SEEDS, "test": {"accuracy": 0.5}}
    line = without_shared(record)
    assert not line.keys() & TASK.keys()
    assert with_shared(line, {("Dances", "feed"): TASK}) == record


def test_records_are_joined_with_their_baselines(tmp_path: Path) -> None:
    run = {**TASK, "name": "run", "seeds": SEEDS}
    unused = {**TASK, "task": {"title": "Moods"}, "study": "s"}
    write_results(tmp_path / BASELINES, lambda _: [pack(TASK), pack(unused)])
    write_results(tmp_path / RUNS, lambda _: [without_shared(run)])
    assert read_results(tmp_path) == [TASK, run]


def test_writers_at_one_time_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "deep" / RUNS
    with ThreadPoolExecutor(8) as pool:
        for future in [
            pool.submit(write_results, path, lambda lines, n=n: [*lines, {"n": n}]) for n in range(40)
        ]:
            future.result()
    assert sorted(line["n"] for line in read_lines(path)) == list(range(40))
    assert [one.name for one in path.parent.iterdir()] == [RUNS]
