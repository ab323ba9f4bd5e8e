"""Loggers by name."""

import csv

import pytest

from data.toolkit.loggers import build_loggers
from symbolic.errors import ConfigError


def test_csv_is_always_written_and_a_second_start_keeps_the_first(tmp_path):
    for loss in (2.0, 1.0):
        (logger,) = build_loggers(tmp_path)
        logger.log_metrics({"loss": loss}, step=20)
    files = sorted(tmp_path.glob("logs/*/metrics.csv"))
    assert [next(csv.DictReader(file.open()))["loss"] for file in files] == ["2.0", "1.0"]


def test_tensorboard_writes_events(tmp_path):
    pytest.importorskip("tensorboard")
    _, logger = build_loggers(tmp_path, "tensorboard")
    logger.log_metrics({"loss": 1.0}, step=20)
    logger.finalize("success")
    assert list(tmp_path.glob("tensorboard/events*"))


def test_an_unknown_logger_is_refused_with_the_choices(tmp_path):
    with pytest.raises(ConfigError, match="tensorboard, wandb"):
        build_loggers(tmp_path, "nosuch")


def test_a_missing_package_is_named_with_the_extra(tmp_path, monkeypatch):
    def without(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'wandb'")

    monkeypatch.setattr("data.toolkit.loggers.WandbLogger", without)
    with pytest.raises(ConfigError, match=r"pip install 'counterpoint-smu\[wandb\]'"):
        build_loggers(tmp_path, "wandb")
