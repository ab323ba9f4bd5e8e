"""Files of results: packed lines are read back whole, and writers do not lose each other's lines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from benchmark_records import record

from data.toolkit.results import (
    BASELINES,
    RUNS,
    SHARED,
    pack,
    read_lines,
    read_results,
    task_key,
    unpack,
    with_shared,
    without_shared,
    write_results,
)
from symbolic.documents import fields, whole
from symbolic.errors import ConfigError

RECORD = record()
TASK = {name: RECORD[name] for name in (*SHARED, "command", "time", "versions", "machine")}
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
    again = unpack(pack(value), Path())
    assert again == value
    assert repr(again) == repr(value)


def test_alike_mappings_become_columns() -> None:
    packed = pack(SEEDS)
    assert packed["seed"] == [0, 1, 2]
    assert packed["cost"]["parameters"] == {"*": 3, "=": 10}


def test_a_line_leaves_out_what_its_task_shares() -> None:
    line = without_shared(RECORD)
    assert not line.keys() & set(SHARED)
    assert with_shared(line, {task_key(TASK): TASK}, Path()) == RECORD


def test_records_are_joined_with_their_baselines(tmp_path: Path) -> None:
    run = {**RECORD, "name": "run"}
    unused = {**TASK, "task": {**TASK["task"], "title": "Moods"}, "study": "s"}
    write_results(tmp_path / BASELINES, lambda _: [pack(TASK), pack(unused)])
    write_results(tmp_path / RUNS, lambda _: [without_shared(run)])
    assert read_results(tmp_path) == [TASK, run]


def test_a_run_without_its_task_is_refused(tmp_path: Path) -> None:
    write_results(tmp_path / BASELINES, lambda _: [])
    write_results(tmp_path / RUNS, lambda _: [{**without_shared(RECORD), "name": "run"}])
    with pytest.raises(ConfigError, match=r"a run on .Dances., and baselines\.jsonl has no such task"):
        read_results(tmp_path)


@pytest.mark.parametrize("times", [-1, 1.5, "x", None, True, 10**12])
def test_packed_values_stand_for_a_sane_number_of_others(times: Any) -> None:
    with pytest.raises(ConfigError, match=r"r.jsonl is damaged"):
        unpack({"*": times, "=": {"*": 10**5, "=": {"*": 10**5, "=": 1}}}, Path("r.jsonl"))


@pytest.mark.parametrize("columns", [{"a": [1], "b": [1, 2]}, {"a": 1}, {"a": None}])
def test_packed_columns_are_of_one_length(columns: Any) -> None:
    with pytest.raises(ConfigError, match=r"r.jsonl is damaged"):
        unpack({"*": 1, **columns}, Path("r.jsonl"))


def test_a_damaged_line_is_named_and_stays(tmp_path: Path) -> None:
    path = tmp_path / RUNS
    for content in (b'{"a": 1}\n{"a":', b'{"a": 1}\n[1]', b'{"a": 1}\n{"a": NaN}', b'{"a": 1}\n{"a": "x"}'):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"line 2.*Restore"):
            write_results(path, lambda lines: [*lines, {"a": 2}], fields({"a": whole(0, 9)}))
        assert path.read_bytes() == content


def test_writers_at_one_time_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "deep" / RUNS
    with ThreadPoolExecutor(8) as pool:
        for future in [
            pool.submit(write_results, path, lambda lines, n=n: [*lines, {"n": n}]) for n in range(40)
        ]:
            future.result()
    assert sorted(line["n"] for line in read_lines(path)) == list(range(40))
    assert [one.name for one in path.parent.iterdir()] == [RUNS]
