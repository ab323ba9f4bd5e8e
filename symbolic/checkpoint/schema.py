"""The schemas of a checkpoint's files, checked before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any

from symbolic.backbone.config import BackboneConfig
from symbolic.checkpoint.licence import KINDS
from symbolic.documents import (
    PLAIN_NAME,
    Check,
    anything,
    fields,
    listed,
    mapped,
    nullable,
    number,
    one_of,
    require,
    require_fields,
    text,
    texts,
    truth,
    whole,
)

FORMAT_VERSION = 2
LEVELS = ("note", "sequence")
_MOST = {"layers": 512, "heads": 4096}
"""Limits of sizes that no tensor's shape shows. Others are compared with the weights."""
_KINDS: Mapping[str, Check] = {
    "int": whole(1, 2**24),
    "float": number(0, 1),
    "str": text(),
    "bool": truth,
    "tuple[str, ...]": texts,
}
_SHAPE = fields(
    {},
    {
        one.name: whole(1, _MOST[one.name]) if one.name in _MOST else _KINDS.get(str(one.type), anything)
        for one in dataclass_fields(BackboneConfig)
    },
    more=True,  # `BackboneConfig` itself names what is unknown or missing
)
_WRITABLE = r"[^\ud800-\udfff]*"
"""Names of classes become names of tracks, which must be Unicode."""
_LINE = r"[^\x00-\x1f\x7f\ud800-\udfff]*"
"""Terms are shown in a terminal and on cards, each on one line."""
_TASK = fields(
    {
        "name": text(PLAIN_NAME),
        "title": text(),
        "level": one_of(*LEVELS),
        "label": text(),
        "classes": listed(text(_WRITABLE), "a list of texts"),
        "hide": texts,
        "one_piano": truth,
    },
    {"shares": mapped(text(_WRITABLE), number(0, 1))},
)
_OBJECTS = mapped(text(r"[^./\\\0]{1,100}"), mapped(anything, anything))
_SOURCE = fields(
    {
        **dict.fromkeys(("name", "title", "licence", "spdx", "citation", "homepage"), text(_LINE)),
        **dict.fromkeys(("pieces", "notes"), whole(0, 2**48)),
    }
)
_CHAIN = listed(fields({"model": text(_LINE), "kind": one_of(*KINDS), "sources": listed(_SOURCE)}))
_CONFIG = fields(
    {
        "tokenizer": text(),
        "backbone": nullable(_SHAPE),
        "heads": _OBJECTS,
        "parts": _OBJECTS,
        # A pretrained model has no task. What has classes predicts them, and needs the whole description.
        "task": lambda place, value: (
            _TASK if isinstance(value, Mapping) and "classes" in value else mapped(anything, anything)
        )(place, value),
    },
    {
        "format_version": anything,
        "base": lambda place, value: (
            [] if value == {} else fields({"model": text(), "weights": text()})(place, value)
        ),
        "chain": _CHAIN,
    },
)
_NEEDED = ("tokenizer", "backbone", "heads", "parts", "task")
_PROVENANCE = fields({}, {"command": text(longest=10**6), "settings": mapped(anything, anything)}, more=True)


def check_config(path: Path, config: Mapping[str, Any]) -> None:
    """Check the values of a config.json.

    Args:
        path: The file for messages.
        config: Its values.

    Raises:
        CheckpointError: If the format version is another one, or fields are missing, unknown or of a wrong kind. The
            message names the first of them.
    """
    require_fields(path, config, _NEEDED, FORMAT_VERSION)
    require(path, config, _CONFIG)


def check_provenance(path: Path, provenance: Mapping[str, Any]) -> None:
    """Check the values of a provenance.json that are read again.

    Raises:
        CheckpointError: If one is of a wrong kind.
    """
    require(path, provenance, _PROVENANCE)
