"""The Python session of the guide, from an installed wheel, offline, beside a `data.py` that is not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from finetune_helpers import tune

from symbolic.checkpoint.bundled import shipped_models
from symbolic.music.midi.writer import write_midi

HOME = Path(__file__).resolve().parents[1]
SESSION = """
import json, socket, sys

def refuse(*_):
    raise AssertionError("a connection was tried")

socket.socket.connect = refuse

import numpy as np
import symbolic
from symbolic import Tokenizer

assert symbolic.__file__.startswith(sys.prefix), symbolic.__file__
names = symbolic.shipped_models()
for name in names:
    model = symbolic.load(name)
    assert name in repr(model), repr(model)
    music = symbolic.read_music("song.mid")
    if model.checkpoint.shape is None:  # hand-made features alone
        try:
            model.embed("song.mid")
        except symbolic.CounterpointError as error:
            assert name in str(error) and "no backbone" in str(error), error
        else:
            raise AssertionError(f"{name} embeds without a backbone")
    else:
        dim, layers = model.backbone.config.dim, model.backbone.config.layers
        vector = model.embed("song.mid")
        assert vector.shape == (2 * dim * (layers + 1),)
        assert model.embed(["song.mid", "other.mid"]).shape == (2, len(vector))
        assert model.embed_notes("song.mid").shape == (len(music), dim)

    tokens = model.tokenizer("song.mid")
    assert tokens.ids.shape == (len(music), 8) and tokens.note_index.shape == (len(music),)
    assert len(model.tokenizer.decode(tokens)) == len(music)
    moved = symbolic.transpose(tokens, 3)
    assert (moved.ids[:, 3] == tokens.ids[:, 3] + 3).all()

    if isinstance(model, symbolic.PretrainedModel):
        masked = np.zeros(len(music), dtype=bool)
        masked[3] = True
        filled = model.fill(tokens, masked)
        assert list(filled) == list(symbolic.FIELDS)
        assert all(abs(values.sum() - 1) < 1e-4 for values in filled.values())
        continue
    notes = model("song.mid")
    assert len(notes.labels) == len(notes.probabilities) == len(notes.music.notes) == len(music)
    for same in (music, music.to_symusic(), music.to_pretty_midi()):
        assert sorted(model(same).labels) == sorted(notes.labels)
    one, two = model(["song.mid", "other.mid"])
    assert (one.labels == notes.labels).all() and len(two) > 0
    notes.write(f"song-{name}.mid")
    assert len(symbolic.read_music(f"song-{name}.mid")) == len(music)
    assert json.loads(notes.to_json("notes.json").read_text()) == notes.to_dict()

assert {"load", "Tokenizer", "MusicDataset", "adapters"} <= set(dir(symbolic))
assert "lora" in symbolic.adapters.METHODS
ours = {name.partition(".")[0] for name in sys.modules}
assert not ours & {"data", "finetune", "pretrain", "lightning"}, ours
print(*names)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the wheel installed without dependencies; other packages are those of the test environment."""
    base = tmp_path_factory.mktemp("wheel")
    source = base / "source"
    source.mkdir()
    for name in ("symbolic", "data", "pretrain", "finetune"):
        shutil.copytree(HOME / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(HOME / name, source)
    build = [
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(base),
        ".",
    ]
    done = subprocess.run([sys.executable, *build], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(base / "venv")], check=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(base / "venv")}))
    [wheel] = base.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "others.pth").write_text("\n".join(sorted(others)) + "\n")
    return base / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"


def test_the_session_of_the_guide_runs_from_a_wheel(python: Path, tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("raise RuntimeError('the wrong data was imported')\n")
    (tmp_path / "session.py").write_text(SESSION)
    write_midi(tune(1, bars=6), tmp_path / "song.mid")
    write_midi(tune(2, bars=4), tmp_path / "other.mid")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "session.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(shipped_models())
