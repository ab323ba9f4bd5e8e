"""Imports between packages and their cost. Each case runs in a new Python process."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "lightning", "music21", "miditok", "symusic", "pretty_midi", "matplotlib", "sklearn")
SIBLINGS = ("data", "pretrain", "finetune")


def python(code, folder, *path):
    """Return the output of a new Python process that runs `code` in `folder`, with `path` on the import path."""
    search = f"import sys; sys.path[:] = [{str(folder)!r}, *{list(map(str, path))!r}, *sys.path[1:]]\n"
    done = subprocess.run(
        [sys.executable, "-c", search + code], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def imported(code, names):
    """Return the packages of this list that a piece of code imports."""
    listing = f"\nprint(*({set(names)!r} & {{name.partition('.')[0] for name in sys.modules}}))"
    return python(code + listing, HOME)


def test_import_contracts_hold():
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([program, "--no-cache"], cwd=HOME, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "from symbolic import Tokenizer",
        "from symbolic import Tokenizer, Vocabulary, FIELDS, Music, transpose, read_music, write_midi",
        "import symbolic.tokens.transposition, symbolic.music.files, symbolic.music.music21_scores",
    ],
)
def test_tokens_cost_no_heavy_import(code):
    assert imported(code, (*HEAVY, *SIBLINGS)) == []


def test_the_check_would_see_a_heavy_import():
    assert imported("import symbolic.music.files, symusic, data", (*HEAVY, *SIBLINGS)) != []


@pytest.mark.slow
def test_a_network_is_loaded_without_a_compiler():
    code = "import symbolic\nsymbolic.load('tiny')"
    assert imported(code, ("sympy", "torch")) == ["torch"]


def test_models_know_no_trainer_and_no_sibling():
    code = "import symbolic.predict.loading, symbolic.predict.files, symbolic.predict.writers"
    assert imported(code, ("lightning", "pytorch_lightning", *SIBLINGS)) == []


@pytest.mark.parametrize("path", sorted((HOME / "symbolic").rglob("*.py")), ids=lambda path: path.stem)
def test_no_file_of_symbolic_imports_a_trainer_even_late(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    assert not names & {"lightning", "pytorch_lightning", "torchmetrics", "jsonargparse", *SIBLINGS}


def test_reading_midi_needs_neither_torch_nor_music21(tmp_path):
    code = (
        "from symbolic import Music, Tokenizer, read_music, write_midi\n"
        "from symbolic.music.notes import note_array\n"
        f"path = {str(tmp_path / 'a.mid')!r}\n"
        "write_midi(Music(note_array([0], 480, 60), 480), path)\n"
        "Tokenizer().encode(read_music(path))"
    )
    assert imported(code, HEAVY) == ["symusic"]


@pytest.fixture
def hostile(tmp_path):
    """A folder whose modules have the names of ours, and fail when they are imported."""
    for name in SIBLINGS:
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong one')\n")
    return tmp_path


def test_symbolic_works_beside_foreign_modules(hostile):
    code = "import symbolic\nfor name in symbolic.__all__: print(getattr(symbolic, name) is not None)"
    assert set(python(code, hostile, HOME)) == {"True"}


REQUIRE = (
    "from symbolic.errors import ConfigError\n"
    "from symbolic.siblings import require_sibling\n"
    "try:\n    require_sibling('data')\nexcept ConfigError as error:\n    print(error)"
)


def test_a_foreign_data_package_is_named(hostile):
    message = " ".join(python(REQUIRE, hostile, HOME))
    assert str(hostile / "data.py") in message
    assert "Run from another folder" in message


def test_a_folder_called_data_is_no_package(tmp_path):
    # Python prefers the package to a folder without __init__.py, wherever both stand.
    (tmp_path / "data").mkdir()
    assert python(REQUIRE, tmp_path, HOME) == []


def test_the_true_data_passes():
    assert python(REQUIRE, HOME) == []


PACKAGES = sorted(
    path.parent.relative_to(HOME).as_posix()
    for room in ("symbolic", *SIBLINGS, "experiments")
    for path in (HOME / room).rglob("__init__.py")
)
FILES = sorted(path for package in PACKAGES for path in (HOME / package).glob("*.py"))


def test_the_map_names_every_package():
    text = (HOME / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(PACKAGES) > 20
    assert not [package for package in PACKAGES if f"`{package}/`" not in text]


def test_the_wheel_holds_every_package():
    named = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    files = [path for top in ("symbolic", *SIBLINGS) for path in (HOME / top).rglob("__init__.py")]
    assert sorted(named) == sorted(".".join(path.parent.relative_to(HOME).parts) for path in files)


def test_every_path_on_the_map_exists():
    text = (HOME / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:symbolic|data|pretrain|finetune|experiments|results|tests|docs)/[\w./-]*)`", text
    )
    for folder, files in re.findall(r"^\| \**`([\w/]+/)`\** \|[^|]*\| (.*) \|$", text, flags=re.MULTILINE):
        named += [folder + name for name in re.findall(r"`([\w]+\.py)`", files)]
    ours = [path for path in named if "NAME" not in path and path != "docs/reference"]
    assert len(ours) > 60
    assert not [path for path in ours if not (HOME / path).exists()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(HOME).as_posix())
def test_every_file_begins_with_its_job(path):
    assert (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip()


def test_no_exported_name_is_also_that_of_a_module():
    """Importing the module would put it in the place of what the package exports."""
    import symbolic

    modules = {path.stem for path in Path(symbolic.__file__).parent.glob("*.py")}
    assert not modules & set(symbolic.__all__)


@pytest.mark.parametrize("model", ["key", "chord"])
def test_a_model_without_a_network_needs_no_torch(model, tmp_path):
    code = (
        "from symbolic import Music, load, write_midi\n"
        "from symbolic.music.notes import note_array\n"
        "music = Music(note_array([0, 480, 960], [480] * 3, [60, 64, 67]), 480)\n"
        f"found = load({model!r}, 'auto')(music)\n"
        f"found.write({str(tmp_path / 'out.mid')!r})\n"
        "assert len(found.labels) == 3"
    )
    assert imported(code, ("torch", "lightgbm", "sklearn", "scipy", "music21")) == []
