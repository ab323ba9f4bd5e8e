"""Tasks, by name. One file a task; tasks on a user's own folder are made in `own`."""

from __future__ import annotations

from finetune.tasks.base import Published, Task, View
from finetune.tasks.genre import GENRE
from finetune.tasks.melody import MELODY
from finetune.tasks.own import note_task, sequence_task

TASKS: dict[str, Task] = {task.name: task for task in (MELODY, GENRE)}

__all__ = ["TASKS", "Published", "Task", "View", "note_task", "sequence_task"]
