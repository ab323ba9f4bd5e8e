"""Check that `data`, `pretrain` and `finetune` are the packages of this project.

Other projects and stray scripts use these names too. A clear message is better than the error of a wrong import.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from symbolic.errors import ConfigError


def require_sibling(name: str) -> None:
    """Check that `import name` finds the package next to `symbolic`.

    Raises:
        ConfigError: If it finds another package, or none.
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
    """Run `require_sibling` for a command: print the error and exit with status 2.

    Raises:
        SystemExit: If another package is found, or none.
    """
    try:
        require_sibling(name)
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(2) from None
