"""Loggers of a run by name: CSV always, TensorBoard or Weights & Biases on request."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from symbolic.errors import ConfigError

EXTRAS = {"tensorboard": "tb", "wandb": "wandb"}
"""Names of the loggers on request, and the extra of this package that each needs."""


def build_loggers(out: str | Path, name: str | None = None) -> list[Logger]:
    """Build the loggers of a run.

    Args:
        out: Folder of the run. CSV goes to `logs/version_N/metrics.csv` in it. Every start of a run adds a version.
        name: One of `EXTRAS` or None for CSV alone.

    Raises:
        ConfigError: If there is no such logger, or its package is not installed.
    """
    out = Path(out)
    loggers: list[Logger] = [CSVLogger(out, name="logs", flush_logs_every_n_steps=1)]
    if name is None:
        return loggers
    if name not in EXTRAS:
        raise ConfigError(f"--logger {name}: choose one of {', '.join(EXTRAS)}.")
    try:
        if name == "wandb":
            loggers.append(WandbLogger(name=out.name, save_dir=out, project="counterpoint"))
        else:
            loggers.append(TensorBoardLogger(out, name="", version="tensorboard"))
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--logger {name}: its package is not installed. Run: pip install 'counterpoint-smu[{EXTRAS[name]}]'."
        ) from error
    return loggers
