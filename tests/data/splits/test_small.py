"""Small corpora are dealt within their classes."""

from collections import Counter

import pytest

from data.splits import Member, resolve
from data.splits.small import Bundle, dealt_in_classes

SIDES = {"train": 0.8, "valid": 0.1, "test": 0.1}


def counts(labels: dict[str, int]) -> dict[str, Counter[str]]:
    names = [label for label, number in labels.items() for _ in range(number)]
    bundles = [Bundle(label, 1, mark) for mark, label in enumerate(names)]
    sides = dealt_in_classes(bundles, SIDES)
    return {
        label: Counter(side for bundle, side in zip(bundles, sides, strict=True) if bundle.label == label)
        for label in labels
    }


@pytest.mark.parametrize(
    ("number", "held_out"), [(3, 1), (4, 1), (10, 1), (12, 1), (14, 1), (20, 2), (36, 4), (240, 24)]
)
def test_each_class_has_a_tenth_on_each_side_and_one_piece_at_least(number, held_out):
    expected = {"train": number - 2 * held_out, "valid": held_out, "test": held_out}
    assert counts({"a": number, "b": number}) == {"a": expected, "b": expected}


def test_classes_of_few_pieces_are_dealt_together():
    found = counts({"common": 20, **{f"class {i}": 1 for i in range(40)}})
    assert found.pop("common") == {"train": 16, "valid": 2, "test": 2}
    assert sum(found.values(), Counter()) == {"train": 32, "valid": 4, "test": 4}
    assert counts({"a": 1, "b": 1}) == {"a": {"train": 1}, "b": {"train": 1}}


def test_a_large_group_does_not_fill_a_side_if_a_small_one_does():
    sizes = [8, 1, 1, 2, 8]
    sides = dealt_in_classes([Bundle("a", size, i) for i, size in enumerate(sizes)], SIDES)
    held_out = Counter()
    for size, side in zip(sizes, sides, strict=True):
        held_out[side] += size
    assert held_out == {"train": 16, "valid": 2, "test": 2}
    large = dealt_in_classes([Bundle("a", 8, i) for i in range(3)], SIDES)
    assert Counter(large) == {"train": 1, "valid": 1, "test": 1}


def test_dealing_depends_on_the_music_and_not_on_names():
    def sides(rename):
        members = [Member(rename(i), None, "", 1000 + i) for i in range(30)]
        return [verdict.split for verdict in resolve(members, SIDES, classes=["a", "b"] * 15)]

    assert sides(str) == sides(lambda i: f"z{99 - i}")
    assert Counter(sides(str)) == {"train": 22, "valid": 4, "test": 4}


def test_a_small_class_of_a_large_corpus_is_on_every_side():
    classes = ["common"] * 600 + ["rare"] * 10
    members = [Member(f"{i}", None, "", i) for i in range(len(classes))]
    sides = [verdict.split for verdict in resolve(members, SIDES, classes=classes)]
    assert Counter(sides[600:]) == {"train": 8, "valid": 1, "test": 1}
    assert sides[:600] == [verdict.split for verdict in resolve(members[:600], SIDES)]  # by hash


def test_groups_copies_and_given_sides_stay_as_they_are():
    members = [
        *(Member(f"{i}", None, f"song {i // 4}", i) for i in range(40)),
        Member("copy", None, "", 39),
        Member("given", "test", "", 500),
        Member("out", "excluded", "", 501, "no label"),
    ]
    verdicts = resolve(members, SIDES, classes=["a"] * len(members))
    sides = [verdict.split for verdict in verdicts]
    assert all(len(set(sides[i : i + 4])) == 1 for i in range(0, 40, 4))
    assert sides[40] == sides[39]
    assert sides[41:] == ["test", "excluded"]
    assert {*sides[:40]} == {"train", "valid", "test"}
