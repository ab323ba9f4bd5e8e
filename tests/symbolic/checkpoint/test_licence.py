"""The licence chain: restrictions add up, and nothing is freer than the music that it was trained on."""

from __future__ import annotations

import json
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest

from symbolic.checkpoint.attribution import chain_rows, legal_texts
from symbolic.checkpoint.card import front_matter
from symbolic.checkpoint.format import load_checkpoint, save_checkpoint
from symbolic.checkpoint.licence import (
    FINE_TUNING,
    OWN,
    PRETRAINING,
    TERMS,
    UNRECORDED,
    Source,
    Stage,
    chain_values,
    identify,
    is_permissive,
    licence_of,
    read_chain,
)
from symbolic.errors import CheckpointError, ConfigError
from symbolic.tokens.tokenizer import Tokenizer


def source(spdx: str, name: str = "", licence: str = "") -> Source:
    name = name or spdx.lower() or "silent"
    return Source(
        name,
        name.title(),
        licence or spdx or "unstated",
        spdx,
        "Bach, J. S.",
        "https://bach.example",
        3,
        1000,
    )


def chain(*spdx: str) -> tuple[Stage, ...]:
    """One stage for each licence."""
    return tuple(
        Stage(f"m{i}", FINE_TUNING if i else PRETRAINING, (source(one),)) for i, one in enumerate(spdx)
    )


@pytest.mark.parametrize("pair", list(combinations_with_replacement(TERMS, 2)), ids=" and ".join)
def test_no_model_is_freer_than_its_music(pair: tuple[str, str]) -> None:
    for found in (licence_of(chain(*pair)), licence_of(chain(" AND ".join(pair)))):
        assert found.terms is not None
        for one in pair:
            assert found.terms.non_commercial >= TERMS[one].non_commercial
            assert found.terms.share_alike >= TERMS[one].share_alike
        assert is_permissive(found.spdx) == all(map(is_permissive, pair))
        assert all(one.lower() in found.reason for one in pair if not is_permissive(one))


@pytest.mark.parametrize(
    ("spdx", "title"),
    [
        (("CC0-1.0", "MIT", "CC-BY-4.0"), "CC BY 4.0"),
        (("CC0-1.0",), "CC BY 4.0"),
        (("MIT", "CC-BY-SA-3.0"), "CC BY-SA 4.0"),
        (("MIT", "GPL-2.0-only"), "GPL 2.0"),
        (("LicenseRef-NonCommercial", "MIT"), "CC BY-NC 4.0"),
        (("CC-BY-NC-4.0", "CC-BY-SA-4.0"), "CC BY-NC-SA 4.0"),
        (("CC-BY-NC-SA-4.0", ""), "unstated"),
        ((), "unstated"),
    ],
)
def test_the_licence_follows_from_all_terms(spdx: tuple[str, ...], title: str) -> None:
    assert licence_of(chain(*spdx)).title == title


def test_an_unknown_source_or_stage_leaves_no_licence() -> None:
    silent = licence_of([Stage("m", PRETRAINING, (source("MIT"), source("", "attic")))])
    assert (silent.title, silent.spdx, silent.hub) == ("unstated", "", "other")
    assert "No terms are stated for attic." in silent.reason
    before = licence_of([Stage("old", UNRECORDED), *chain("MIT")])
    assert before.reason.startswith("The training music of old is not recorded.")


def test_copyleft_below_a_stricter_licence_is_named() -> None:
    found = licence_of(chain("GPL-3.0-only", "CC-BY-NC-SA-4.0"))
    assert found.title == "CC BY-NC-SA 4.0"
    assert "gpl-3.0-only (GPL 3.0)" in found.reason
    assert "copyleft terms among them" in found.reason


def test_own_terms_stand_beside_restrictions() -> None:
    own = Stage("m", FINE_TUNING, (source(OWN, "attic", "Ask me"),))
    assert licence_of([own]).title == "Ask me"
    assert licence_of([*chain("MIT"), own]).title == "Ask me"
    assert licence_of([*chain("CC-BY-NC-4.0"), own]).title == "Ask me; CC BY-NC 4.0"
    assert not is_permissive(licence_of([own]).spdx)
    assert not is_permissive("CC-BY-ND-4.0")  # known to others and not to us


@pytest.mark.parametrize("line", ["CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0", " CC-BY-NC-SA  4.0 "])
def test_a_licence_is_known_by_name_or_identifier(line: str) -> None:
    assert identify(line) == "CC-BY-NC-SA-4.0"


def test_a_line_that_only_resembles_a_licence_is_not_it() -> None:
    assert identify("CC BY-NC 4.0 or CC BY 4.0") == OWN
    assert identify("not MIT") == OWN
    assert identify("Unstated") == ""


def test_legal_texts_name_all_sources_and_hold_the_licence(tmp_path: Path) -> None:
    texts = legal_texts("mine", chain("CC0-1.0", "MIT"))
    assert "licensed under CC BY 4.0." in texts["LICENSE"]
    assert "Section 2 -- Scope." in texts["LICENSE"]
    entry = (
        f"- Cc0-1.0 (cc0-1.0). Licence: CC0-1.0 ({TERMS['CC0-1.0'].url}). Bach, J. S. https://bach.example."
    )
    assert f"## m0, pretraining\n\n{entry}" in texts["ATTRIBUTION.md"]
    assert "## m1, fine-tuning" in texts["ATTRIBUTION.md"]
    assert "3 pieces, 1,000 notes." in texts["ATTRIBUTION.md"]
    assert "have no licence" in legal_texts("mine", ())["LICENSE"]
    (tmp_path / "mine.txt").write_text("Ask me.")
    with pytest.raises(ConfigError, match=r"is CC BY 4\.0, which needs no such text"):
        legal_texts("mine", chain("MIT"), tmp_path / "mine.txt")


def test_front_matter_has_the_names_of_hubs() -> None:
    assert front_matter(licence_of(chain("MIT")))[1] == "license: cc-by-4.0"
    assert front_matter(licence_of(chain("GPL-3.0-only")))[1] == "license: gpl-3.0"
    assert front_matter(licence_of(chain("")))[1:4] == [
        "license: other",
        "license_name: unstated",
        "license_link: LICENSE",
    ]


def test_a_chain_is_saved_and_loaded(tmp_path: Path) -> None:
    made = chain("MIT", "CC-BY-4.0 AND CC0-1.0")
    path = save_checkpoint(tmp_path / "m", None, Tokenizer(), chain=made)
    assert load_checkpoint(path).chain == made == read_chain(chain_values(made))
    assert chain_rows(made)[1] == ("m1", "fine-tuning", "cc-by-4.0 and cc0-1.0 (CC BY 4.0, CC0 1.0)")


def test_a_checkpoint_without_a_chain_has_an_unrecorded_one(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "m", None, Tokenizer())
    assert load_checkpoint(tmp_path / "m").chain == (Stage("m", UNRECORDED),)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("kind", "guessing"),
        ("model", "two\nlines"),
        ("sources", {}),
        ("pieces", -1),
        ("notes", 1.5),
        ("licence", "MIT\x1b[2J"),
        ("spdx", None),
        ("author", "me"),
    ],
)
def test_an_edited_chain_that_does_not_fit_is_refused(place: str, value: Any, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "m", None, Tokenizer(), chain=chain("MIT"))
    config = json.loads((path / "config.json").read_text())
    stage = config["chain"][0]
    (stage if place in stage else stage["sources"][0])[place] = value
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="does not fit: chain"):
        load_checkpoint(path)
