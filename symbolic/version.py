"""The version of the installation."""

from importlib import metadata

DISTRIBUTION = "counterpoint-smu"
try:
    __version__ = metadata.version(DISTRIBUTION)
except metadata.PackageNotFoundError:
    __version__ = "not installed"
