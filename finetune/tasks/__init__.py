"""Tasks by name, one file a task. `custom` makes tasks from a user's folder.

What the corpora also label and is no task here because the input or the file would tell: the usul of SymbTr and the
metre of scores (rows count positions from the bar), beat or fill of Groove (fills are short takes), Bach's chorales
against Joplin's rags (four voices). GiantMIDI's sample is too small to tell composers. POP909's keys were found in
audio whose time is not that of the MIDI. OpenEWLD's genres are those under which recordings of a song are listed, and
its melody does not tell them: in five folds of songs, extra trees on hand-made features were right in 34.7 % of 455,
the most frequent class in 37.1 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.toolkit.settings import flatten
from finetune.tasks.asap_composer import ASAP_COMPOSER
from finetune.tasks.base import MergedClasses, Protocol, Published, Task
from finetune.tasks.beat import BEAT
from finetune.tasks.chord import CHORD
from finetune.tasks.composer import COMPOSER
from finetune.tasks.custom import note_task, sequence_task
from finetune.tasks.drum_style import DRUM_STYLE
from finetune.tasks.emotion import EMOTION
from finetune.tasks.genre import GENRE
from finetune.tasks.hand import HAND
from finetune.tasks.key import KEY
from finetune.tasks.lieder_composer import LIEDER_COMPOSER
from finetune.tasks.makam import MAKAM
from finetune.tasks.melody import MELODY, MELODY_ANY, MELODY_FILES, MELODY_SONGS
from finetune.tasks.metre import METRE
from finetune.tasks.velocity import VELOCITY, VELOCITY_ANY, VELOCITY_FILES
from finetune.tasks.voice import VOICE
from symbolic.errors import ConfigError, did_you_mean

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        *(MELODY, MELODY_ANY, MELODY_SONGS, VELOCITY, VELOCITY_ANY, CHORD, KEY, BEAT, HAND, VOICE),
        *(COMPOSER, ASAP_COMPOSER, LIEDER_COMPOSER, EMOTION, GENRE, DRUM_STYLE, MAKAM, METRE),
    )
}
"""Note-level tasks, then sequence-level ones."""

TARGETS: dict[str, Task] = {**TASKS, **{task.name: task for task in (MELODY_FILES, VELOCITY_FILES)}}
"""Tasks that a run can be transferred to: also the same music, prepared in another way."""

__all__ = [
    "TARGETS",
    "TASKS",
    "MergedClasses",
    "Protocol",
    "Published",
    "Task",
    "baselines_command",
    "known_task",
    "note_task",
    "sequence_task",
]


def known_task(name: str, tasks: Mapping[str, Task] = TASKS) -> Task:
    """Return the task of that name.

    Raises:
        ConfigError: If there is none. Lists those there are.
    """
    if name not in tasks:
        raise ConfigError(
            f"There is no task '{name}'; {did_you_mean(name, tasks)}choose one of {', '.join(tasks)}."
        )
    return tasks[name]


def baselines_command(record: Mapping[str, Any]) -> str:
    """Return the command that measures the baselines of a run again. Empty if only the run itself does."""
    name, protocol, budget = record["task"]["name"], record.get("protocol"), record.get("budget", 1.0)
    if name not in TASKS:
        return ""
    seed = flatten(record.get("settings") or {}).get("seed", 0)
    drawn = "" if budget == 1 else f" --budget {budget:g}" + (f" --seed {seed}" if seed else "")
    flags = f" --protocol {protocol}" if protocol not in (None, TASKS[name].protocol().name) else ""
    return f"finetune baselines {name}{flags}{drawn}"
