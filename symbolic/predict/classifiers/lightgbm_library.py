"""Call LightGBM's library for predictions. The Python package, which takes a second to import, is not imported."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_TYPES = {"float32": 0, "float64": 1}
_ROW_MAJOR = _RAW_SCORE = 1
_NAME = "lightgbm"
_ONE_THREAD = b"num_threads=1"
"""The answer must not depend on the machine."""


class Booster:
    """Trees in the memory of LightGBM, by its C interface (`LGBM_Booster...` in its c_api.h).

    Args:
        text: A model file, whose structure has been checked: LightGBM trusts it.
        classes: Number of classes.

    Raises:
        ImportError: If LightGBM is absent or cannot be loaded.
    """

    def __init__(self, text: str, classes: int) -> None:
        self._handle = ctypes.c_void_p()
        self._library, self._classes = library(), classes
        self._call(
            "LoadModelFromString", text.encode(), ctypes.byref(ctypes.c_int()), ctypes.byref(self._handle)
        )

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (P, C) raw scores of (P, F) float32 or float64 features."""
        table = np.ascontiguousarray(features)
        found = np.empty((len(table), self._classes))
        self._call(
            "PredictForMat",
            self._handle,
            ctypes.c_void_p(table.ctypes.data),
            _TYPES[table.dtype.name],
            *(ctypes.c_int32(size) for size in table.shape),
            _ROW_MAJOR,
            _RAW_SCORE,
            0,  # from the first trees
            -1,  # to the last
            _ONE_THREAD,
            ctypes.byref(ctypes.c_int64()),
            ctypes.c_void_p(found.ctypes.data),
        )
        return found

    def __del__(self) -> None:
        if self._handle:
            self._library.LGBM_BoosterFree(self._handle)

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, f"LGBM_Booster{name}")(*arguments):
            self._library.LGBM_GetLastError.restype = ctypes.c_char_p
            raise RuntimeError(f"LightGBM: {self._library.LGBM_GetLastError().decode()}")


@cache
def library() -> ctypes.CDLL:
    """Load the library, wherever the package says that it lies.

    Raises:
        ImportError: With the remedy, if LightGBM is absent or its OpenMP runtime is.
    """
    spec = find_spec(_NAME)
    if spec is None or spec.origin is None:
        raise ImportError("Boosted trees need LightGBM. Install it: pip install 'lightgbm>=4.5,<5'.")
    finder = spec_from_file_location("_lightgbm_libpath", Path(spec.origin).with_name("libpath.py"))
    assert finder is not None
    assert finder.loader is not None
    try:
        module = module_from_spec(finder)
        finder.loader.exec_module(module)
    except OSError as error:
        raise ImportError(
            f"LightGBM cannot be loaded: {error}. It needs the OpenMP runtime. Install libgomp1 on Debian or Ubuntu, "
            "libgomp on Fedora, or libomp by Homebrew on macOS."
        ) from error
    found: ctypes.CDLL = module._LIB
    return found
