"""A check that a package is the one that came with us.

`data` and `pretrain` are names that other projects and stray scripts use too; a command says so before an
import of the wrong one ends in a riddle.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from symbolic.errors import ConfigError


def require_sibling(name: str) -> None:
    """Make sure that `import name` finds the package beside `symbolic`.

    Raises:
        ConfigError: If it finds another, or none.
    """
    home = Path(__file__).resolve().parents[1]
    spec = find_spec(name)
    origin = Path(spec.origin).resolve() if spec and spec.origin else None
    if origin is None or origin.parent != home / name:
        found = f"'import {name}' finds {origin}" if origin else f"No package '{name}' is found"
        raise ConfigError(
            f"{found}, not the one of Counterpoint in {home}. "
            "Run from another folder, or remove what shadows it from the Python path."
        )


def exit_without_sibling(name: str) -> None:
    """As `require_sibling`, for a command: says what is wrong and ends with status 2.

    Raises:
        SystemExit: If another package is found, or none.
    """
    try:
        require_sibling(name)
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
