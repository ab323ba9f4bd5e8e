"""Runs that the tests of predictions share. They are trained once a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from finetune_helpers import nano_checkpoint, write_folder

from finetune.cli import main
from symbolic.predict.loading import load

RUN = ["--epochs", "5", "--lr", "0.01", "--tokens_per_batch", "1024", "--jobs", "0", "--accelerator", "cpu"]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with runs 'notes', 'probe', 'dances', and adapters 'lora' and 'dances-adapter', made by the command."""
    base = tmp_path_factory.mktemp("predict")
    folder, nano = str(write_folder(base / "tunes")), str(nano_checkpoint(base / "nano"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERPOINT_CACHE", str(base / "cache"))
        note = ["note", folder, "--tracks", "MELODY,PIANO", "--from", nano, *RUN]
        assert main([*note, "--out", str(base / "notes")]) == 0
        probe = [word for word in note if word not in ("--lr", "0.01")]
        assert main([*probe, "--out", str(base / "probe"), "--method", "probe"]) == 0
        dances = ["sequence", folder, "--from", nano, *RUN, "--epochs", "12"]
        assert main([*dances, "--out", str(base / "dances")]) == 0
        lora = ["--method", "lora", "--epochs", "1", "--out", str(base / "lora")]
        assert main([*note, *lora]) == 0
        adapter = ["--method", "adapter", "--epochs", "1", "--out", str(base / "dances-adapter")]
        assert main([*dances, *adapter]) == 0
    return base


@pytest.fixture(scope="session")
def melody(runs: Path) -> Any:
    return load(runs / "notes")
