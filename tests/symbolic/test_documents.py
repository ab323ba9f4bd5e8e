"""JSON and YAML of strangers."""

from pathlib import Path

import pytest

from symbolic.documents import (
    as_csv,
    as_json,
    fields,
    listed,
    mapped,
    number,
    one_of,
    parse_json,
    read_json,
    read_yaml,
    require,
    text,
    texts,
    truth,
    whole,
)
from symbolic.errors import CheckpointError, ConfigError

BOMB = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
)


@pytest.mark.parametrize(
    "content", [BOMB, "a: &a [*a]", "a: &a {b: *a}", "[" * 400, "a: b: c", "\0", "!!python/x y"]
)
def test_yaml_that_is_none_or_stands_for_gigabytes_is_refused(content):
    with pytest.raises(ConfigError):
        read_yaml(content)


def test_yaml_with_aliases_is_read():
    assert read_yaml("a: &a [1, 2]\nb: *a\nc: {<<: &d {x: 1}, y: *d}") == {
        "a": [1, 2],
        "b": [1, 2],
        "c": {"x": 1, "y": {"x": 1}},
    }
    assert read_yaml("") is None


@pytest.mark.parametrize(
    "content", ["NaN", "[Infinity]", "1e999", '{"a":' * 99_999, "[" * 99_999, "9" * 9999, "{"]
)
def test_json_that_is_none_is_refused(content):
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        parse_json(content)


def test_the_file_and_all_that_is_wrong_are_named(tmp_path):
    schema = fields(
        {
            "size": whole(1, 9),
            "share": number(0, 1),
            "kind": one_of("a", "b"),
            "on": truth,
            "names": texts,
            "parts": mapped(text(r"\w+"), listed(whole(0, 1))),
            "gone": text(),
        }
    )
    values = {
        "size": 10**30,
        "share": float("nan"),
        "kind": 3,
        "on": 1,
        "names": ["a", 2],
        "parts": {"../x": [7]},
    }
    with pytest.raises(CheckpointError) as refused:
        require(tmp_path / "x.json", {**values, "odd": 0}, schema)
    for words in (
        "x.json does not fit",
        "size is 1e+30, not from 1 to 9",
        "share is nan",
        "kind is 3, not one of a, b",
        "on is not true or false",
        "names is not a list of texts (names[1] is not text)",
        "a name in parts is '../x', which is no such name",
        "parts.../x is not a list",
        "gone is missing",
        "odd is unknown",
    ):
        assert words in str(refused.value)


def test_only_objects_in_files_of_a_sensible_size_are_read(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    path.write_bytes(as_json({"a": 1}))
    assert read_json(path) == {"a": 1}
    monkeypatch.setattr("symbolic.documents._MOST_BYTES", 3)
    with pytest.raises(CheckpointError, match="at most 3 are read"):
        read_json(path)
    for wrong, said in (
        (Path("/dev/zero"), "is no file"),
        (tmp_path, "is no file"),
        (tmp_path / "y", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=said):
            read_json(wrong, ConfigError)


def test_a_table_holds_no_formula_and_any_name():
    table = as_csv(["file", "number"], [("=1+1", -1.5), ("caf\udce9.mid", None)])
    assert table == b"file,number\n'=1+1,-1.5\ncaf\\udce9.mid,\n"
