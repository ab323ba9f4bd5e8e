"""Settings of preparing, the same in every command; a run on shards that stand already."""

import dataclasses
import json

import pytest
from made import write_tunes

from data.corpora import open_corpus
from data.preparation.filters import Filters
from data.preparation.prepare import Engine, prepare
from data.preparation.settings import ENGINES, PrepareSettings
from data.toolkit.command import parse
from finetune.settings import BaselinesSettings, FinetuneSettings
from pretrain.settings import PretrainSettings
from symbolic.errors import ConfigError, TokenizerMismatch
from symbolic.tokens.tokenizer import Tokenizer
from symbolic.tokens.vocabulary import Vocabulary

COMMANDS = {
    PretrainSettings: (),
    FinetuneSettings: ("melody",),
    BaselinesSettings: ("melody",),
}


@pytest.fixture
def music(tmp_path):
    return write_tunes(tmp_path / "music", 12)


def prepared(folder, out, **settings):
    corpus = open_corpus("folder", folder)
    return PrepareSettings(jobs=0, **settings).prepare(corpus, Tokenizer(), out, progress=False)


@pytest.mark.parametrize("settings", COMMANDS, ids=lambda one: one.__name__)
def test_every_command_takes_the_same_flags(settings):
    flags = "--min_notes 20 --time_signatures 3/4,6/8 --programs 0,1 --drop_drums --near_duplicates 0 --engine ray"
    found = parse("try", "", settings, [*COMMANDS[settings], *flags.split()])
    wanted = Filters(min_notes=20, time_signatures=("3/4", "6/8"), programs=(0, 1), keep_drums=False)
    assert found.data.filters() == wanted
    assert (found.data.near_duplicates, found.data.engine) == (0, "ray")


@pytest.mark.parametrize("settings", [PretrainSettings, FinetuneSettings])
def test_settings_that_shape_tokens_identify_a_run(settings):
    plain = settings().identity
    assert settings.of(jobs=3, engine="ray").identity == plain
    for change in ({"min_seconds": 3.0}, {"near_duplicates": 0.9}, {"need_drums": True}):
        assert settings.of(**change).identity != plain


def test_a_folder_is_spelled_one_way():
    assert FinetuneSettings.of(folder="my_midi/").identity == FinetuneSettings.of(folder="my_midi").identity
    assert PretrainSettings.of(folder="./my_midi/").data.folder == "my_midi"


def test_without_flags_the_filters_are_those_of_prepare():
    assert PrepareSettings().filters() == Filters()
    assert PrepareSettings().filters(drums_alone=True) == Filters(drum_only=True)


def test_every_filter_but_the_limits_of_the_machine_has_a_flag():
    flags = {field.name for field in dataclasses.fields(PrepareSettings)}
    filters = {field.name for field in dataclasses.fields(Filters)}
    assert filters - flags == {"keep_drums", "max_bytes", "read_memory"}
    assert "drop_drums" in flags


def test_the_engines_are_those_of_prepare():
    assert Engine.__args__ == ENGINES


def test_all_wrong_settings_are_named_at_once_by_their_flags():
    with pytest.raises(ConfigError) as caught:
        PretrainSettings.of(
            preset="huge",
            jobs=-1,
            min_notes=0,
            programs="piano",
            time_signatures="3",
            near_duplicates=2,
            engine="slow",
        )
    text = str(caught.value)
    for flag in (
        "--preset", "--jobs", "--min_notes", "--programs", "--time_signatures", "--near_duplicates", "--engine",
    ):  # fmt: skip
        assert flag in text
    assert "filters." not in text


def test_filters_and_near_duplicates_reach_the_shards(music, tmp_path):
    shards = prepared(music, tmp_path / "out", min_seconds=2.0, near_duplicates=0.0)
    assert shards.manifest["settings"]["filters"]["min_seconds"] == 2
    assert shards.manifest["settings"]["near_duplicates"] is None
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["filters"]["min_notes"] == 8


def test_existing_shards_are_opened_without_the_music(music, tmp_path):
    made = prepared(music, tmp_path / "out", min_notes=10)
    for file in music.iterdir():
        file.unlink()
    opened = PrepareSettings().shards("folder", str(made.path), Tokenizer())
    assert opened.fingerprint == made.fingerprint


def test_a_folder_of_music_is_prepared_into_the_cache(music, tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERPOINT_CACHE", str(tmp_path / "cache"))
    shards = PrepareSettings(jobs=0).shards("folder", str(music), Tokenizer(), progress=False)
    assert shards.path.parent == tmp_path / "cache" / "shards"
    same = prepare(open_corpus("folder", music), None, Tokenizer(), jobs=0)
    assert same.path == shards.path


def test_filters_on_existing_shards_are_refused(music, tmp_path):
    made = prepared(music, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"prepared before.*--min_notes, --time_signatures"):
        PrepareSettings(jobs=4, min_notes=9, time_signatures="3/4").shards(
            "folder", str(made.path), Tokenizer()
        )


def test_shards_of_another_tokenizer_are_refused(music, tmp_path):
    made = prepared(music, tmp_path / "out")
    other = Tokenizer(Vocabulary(velocity_bins=16))
    with pytest.raises(TokenizerMismatch, match="prepared with tokenizer"):
        PrepareSettings().shards("folder", str(made.path), other)


@pytest.mark.parametrize("number", [2**32, 2**70, 10**400, "1e400", "2**70"])
def test_numbers_beyond_all_bounds_are_refused_in_words(number):
    for name in ("seed", "tokens_per_batch"):
        with pytest.raises(ConfigError, match=rf"--{name} "):
            FinetuneSettings.of(**{name: number if number != 2**32 else 2**70})
    with pytest.raises(ConfigError, match="the last seed would be"):
        FinetuneSettings.of(seed=2**32 - 1, seeds=2)
