"""Studies: read from files and flags, every arm with as many trials, everything wrong named at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.cli import main
from finetune.compare.cells import cells_of
from finetune.compare.reading import named_study, read_study
from finetune.compare.settings import CompareSettings
from finetune.compare.study import Study
from finetune.settings import USUAL_CHECKPOINT, share_of
from finetune.training.run import method_options
from symbolic.adapters import METHODS
from symbolic.adapters.budget import options_for, trained
from symbolic.backbone import BackboneConfig, build_backbone, preset
from symbolic.checkpoint.format import save_checkpoint
from symbolic.errors import ConfigError
from symbolic.tokens.tokenizer import Tokenizer

STUDIES = sorted((Path(__file__).parents[3] / "finetune" / "experiments" / "studies").glob("*.yaml"))


def write(folder: Path, text: str) -> str:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def replaced_budget(path: Path) -> Study:
    """As one asks for it on a larger machine."""
    return CompareSettings(what=[str(path)], checkpoint="a,conformer=b,first=c", budget=1, epochs=12).study()


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_committed_study_is_valid(path: Path) -> None:
    study = CompareSettings(what=[str(path)], checkpoint="a,conformer=b,first=c").study()
    larger = replaced_budget(path)
    assert {use.budget for use in larger.tasks} == {1.0}
    assert {cell.settings.training.epochs for cell in cells_of(larger, Path("out"), {})} == {12}
    assert study.seeds >= 3
    assert study.claims
    cells = cells_of(study, Path("out"), {})
    assert len({cell.folder for cell in cells}) == len(study.arms) * len(study.tasks)
    for cell in cells:
        method_options(cell.settings)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_arm_of_a_committed_study_fits_a_tiny_backbone(path: Path) -> None:
    study = CompareSettings(what=[str(path)], checkpoint="a,conformer=b,first=c").study()
    sizes = Tokenizer().vocabulary.sizes
    for cell in cells_of(replace(study, tasks=study.tasks[:1]), Path("out"), {}):
        settings, adapter = cell.settings, cell.settings.adapter
        if adapter.method in METHODS:
            kind = "conformer" if settings.model.checkpoint == "b" else "transformer"
            backbone = build_backbone(replace(preset("tiny"), kind=kind), sizes)
            options = method_options(settings)
            if adapter.share is not None:
                options = options_for(backbone, adapter.method, share_of(adapter.share), **options)
            assert trained(backbone, adapter.method, **options) > 0


def test_the_studies_of_the_field_are_there() -> None:
    assert {path.stem for path in STUDIES} >= {"methods", "grid", "tpa", "components", "pruning"}


def test_other_weights_at_the_same_path_are_another_question(tmp_path: Path) -> None:
    study = named_study(["genre"], ["full", "scratch"])
    study = replace(study, checkpoints={"default": str(tmp_path / "model")})

    def questions() -> list[dict[str, Any]]:
        return [cell.question for cell in cells_of(study, Path("out"), {})]

    nowhere = questions()
    config = BackboneConfig(dim=8, layers=1, heads=1, ffn=8, window=8)
    tokenizer, found = Tokenizer(), []
    for _ in range(2):
        save_checkpoint(tmp_path / "model", build_backbone(config, tokenizer.vocabulary.sizes), tokenizer)
        found.append(questions())
    fulls, fresh = zip(nowhere, *found, strict=True)
    assert len({one["weights"] for one in fulls}) == 3
    assert fresh[0] == fresh[1] == fresh[2]


def test_hand_made_features_have_no_backbone_rates_or_further_seeds() -> None:
    study = CompareSettings(what=["genre"], methods="features,scratch", preset="mini", seeds=3).study()
    assert [arm.name for arm in study.arms] == ["features", "scratch"]
    features, fresh = cells_of(study, Path("out"), {})
    assert (features.seeds, fresh.seeds) == (1, 3)
    assert features.like is features.settings.model.preset is features.settings.model.checkpoint is None
    assert study.runs == 1 + (2 + 3)
    part = replace(study, tasks=(replace(study.tasks[0], budget=0.1),))
    assert cells_of(part, Path("out"), {})[0].seeds == 3  # each seed draws its own labels
    odd = replace(study, arms=(replace(study.arms[0], rates=(1e-3, 2e-3, 3e-3)),))
    assert "fitted at once" in " ".join(odd.problems())


def test_a_grid_is_every_combination_and_options_are_joined(tmp_path: Path) -> None:
    study = read_study(
        write(
            tmp_path,
            """
            title: A grid
            tasks: [genre, {task: melody, budget: 0.01, epochs: 0.5}, {task: metre, protocol: folds}]
            epochs: 4
            trials: [0.3, 1e0, 3]
            arms: [full, scratch, {method: probe, probe: last}]
            grid:
              body:
                linear: {method: adapter, options: {train_norms: false}}
                conv: {method: conv, options: {kernel: 5}}
              place:
                all: {layers: all, options: {place: layers}}
                last: {layers: last}
              share: [0.5%, 2%]
            """,
        )
    )
    assert [use.name for use in study.tasks] == ["genre", "melody-budget0.01", "metre-folds"]
    assert study.trials == (0.3, 1.0, 3.0)
    cells = cells_of(replace(study, checkpoints={"default": "x"}), tmp_path, {})
    assert {cell.settings.data.task: cell.settings.training.epochs for cell in cells} == {
        "genre": 4,
        "melody": 0.5,
        "metre": 4,
    }
    names = [arm.name for arm in study.arms]
    assert names[:4] == ["full", "scratch", "probe, last", "linear, all, 0.5%"]
    assert len(names) == 3 + 2 * 2 * 2
    assert study.matching(["conv, *, 2%"]) == ["conv, all, 2%", "conv, last, 2%"]
    arm = next(arm for arm in study.arms if arm.name == "linear, all, 2%")
    assert dict(arm.axes) == {"body": "linear", "place": "all", "share": "2%"}
    assert arm.settings()["options"] == "train_norms=false,place=layers"
    assert len({arm.slug for arm in study.arms}) == len(study.arms)


def test_arms_without_a_label_are_told_apart(tmp_path: Path) -> None:
    arms = "[lora, {method: lora, size: 4}, {method: full, checkpoint: conformer}, {method: lora, checkpoint: scratch}]"
    study = read_study(write(tmp_path, f"tasks: [genre]\narms: {arms}"))
    names = [arm.name for arm in study.arms]
    assert names == ["lora", "lora, size 4", "full, conformer", "lora, from scratch"]


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    text = """
    tasks: [genres, {task: genre, protocol: fold}, {task: note, folder: x}]
    arms: [fulll, {method: lora, rank: 2}, {method: conv, options: kernel=3}]
    trials: [often]
    claims: [{claim: more is more, better: lora}]
    epoch: 3
    seeds: 2.5
    checkpoints: [x]
    """
    with pytest.raises(ConfigError) as caught:
        read_study(write(tmp_path, text))
    said = str(caught.value)
    for word in (
        *("genres", "'fold'", "tracks", "fulll", "'rank'", "options:", "often", "'source'", "'epoch'"),
        *("seeds: 2.5 must be a whole number", "checkpoints: write names"),
    ):
        assert word in said, word


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    text = """
    tasks: [genre]
    arms:
      - full
      - full
      - {method: lora, rates: [1e-3, 1e-2]}
      - {method: adapter, rates: [1e-3, 1e-3, 0]}
      - {method: ssf, preset: small}
      - {method: scratch, like: conformr}
      - {method: prefix, checkpoint: other}
      - {label: both, method: scratch, like: conformr, preset: small}
    trials: [0.3, 1, 1]
    seeds: 0
    claims: [{claim: c, source: s, better: lora, worse: nothing, tasks: [melody]}]
    """
    with pytest.raises(ConfigError) as caught:
        CompareSettings(what=[write(tmp_path, text)]).study()
    said = str(caught.value)
    for words in (
        "Two arms are called 'full'",
        "Arm 'lora' has 2 learning rates where others have 3",
        "Arm 'adapter' has 2 learning rates where others have 3",
        "above 0",
        "Arm 'ssf' has the shape of its checkpoint",
        "--from conformr=PATH",
        "Arm 'both' has the shape of checkpoint 'conformr'",
        "seeds: 0",
        "twice",
        "--from other=PATH",
        "'nothing'",
        "'melody'",
    ):
        assert words in said, words


def test_wrong_settings_of_an_arm_name_the_arm(tmp_path: Path) -> None:
    text = "tasks: [genre]\narms: [{label: odd, method: lora, size: 2, share: 1%}]"
    study = CompareSettings(what=[write(tmp_path, text)], checkpoint="x").study()
    with pytest.raises(ConfigError, match=r"Arm 'odd': --size 2"):
        cells_of(study, tmp_path, {})


def test_flags_come_before_the_file_and_checkpoints_have_names(tmp_path: Path) -> None:
    path = write(
        tmp_path, "tasks: [genre]\narms: [full, scratch]\nseeds: 5\ncheckpoints: {default: a, other: b}"
    )
    study = CompareSettings(
        what=[path], seeds=2, trials="1,2", checkpoint="c,third=d", preset="small"
    ).study()
    assert (study.seeds, study.trials) == (2, (1.0, 2.0))
    assert dict(study.checkpoints) == {"default": "c", "other": "b", "third": "d"}
    assert [arm.preset for arm in study.arms] == [None, "small"]


def test_what_a_file_leaves_open_is_as_usual(tmp_path: Path) -> None:
    text = "title:\ntasks: [genre]\narms: [scratch, {method: conv, checkpoint: scratch, size: '4'}]\nseeds:\npatience:"
    study = read_study(write(tmp_path, text))
    assert (study.title, study.seeds, study.patience) == ("study", 5, 5)
    assert [arm.size for arm in study.arms] == [None, 4]
    assert study.problems() == []


def test_a_comparison_starts_from_the_usual_model() -> None:
    study = CompareSettings(what=["genre"], methods="full,scratch").study()
    assert dict(study.checkpoints) == {"default": USUAL_CHECKPOINT}
    said = [cell.settings.command[:4] for cell in cells_of(study, Path(), {"root": "data"})]
    assert said == [["finetune", "genre", "--from", name] for name in (USUAL_CHECKPOINT, "scratch")]


def test_a_path_may_hold_an_equals_sign() -> None:
    study = CompareSettings(
        what=["genre"], methods="full", checkpoint="runs/lora-scale=2/checkpoint,b=x=1"
    ).study()
    assert dict(study.checkpoints) == {"default": "runs/lora-scale=2/checkpoint", "b": "x=1"}


def test_two_folders_of_ones_own_are_two_tasks(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("my tunes", "songs")]
    for folder in folders:
        folder.mkdir()
    study = CompareSettings(what=list(map(str, folders)), methods="scratch").study()
    assert [use.name for use in study.tasks] == ["sequence-my_tunes", "sequence-songs"]
    with pytest.raises(ConfigError, match="Two tasks are called 'sequence-songs': leave one out"):
        CompareSettings(what=[str(folders[1])] * 2, methods="scratch").study()


def test_tasks_and_methods_can_be_named_without_a_file(tmp_path: Path) -> None:
    settings = CompareSettings(what=["genre", str(tmp_path)], methods="full,scratch,lora", checkpoint="x")
    study = settings.study()
    assert [use.task for use in study.tasks] == ["genre", "sequence"]
    assert [arm.name for arm in study.arms] == ["full", "scratch", "lora"]
    cells = cells_of(study, tmp_path, {"root": "data"})
    assert {cell.settings.data.place for cell in cells} == {"data", str(tmp_path)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.yaml"], "absent.yaml cannot be read"),
        (["genres"], "There is no task 'genres'"),
        (["genre", "--methods", "loro"], "no method 'loro'"),
        (["genre", "--trials", "few"], "--trials few"),
        (["genre", "--parallel", "-1"], "--parallel -1"),
        (["genre", "--from", "scratch"], "'scratch' is none; name it among the arms"),
        (["genre", "--methods", "full", "--from", "x", "--preset", "small"], "no arm begins from scratch"),
        (["a.yaml", "genre", "--seeds", "0"], "stands alone"),
    ],
)
def test_a_mistake_is_a_message(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    for text in ("just words", "a: [", "tasks: {genre"):
        with pytest.raises(ConfigError, match=r"study\.yaml"):
            read_study(write(tmp_path, text))
