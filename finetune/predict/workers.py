"""Predictions of many files by several processes, in the order of the files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from symbolic.predict.files import FilePrediction, predict_files
from symbolic.predict.loading import load_predictors
from symbolic.predict.sources import Source

_DIED = "{}: the process that read it died, perhaps for want of memory. Try it alone, or with fewer --jobs"


@dataclass(frozen=True)
class Work:
    """The work of each process on a file.

    Attributes:
        models: Bundled names or folders.
        accelerator: "cpu", "gpu" or "auto".
        tracks: "vote" or "ignore".
        out: Folder for the files that are written.
        pedal: How notes under the sustain pedal are read.
    """

    models: tuple[str, ...]
    accelerator: str
    tracks: str
    out: str
    pedal: str

    def predictors(self) -> Sequence[Any]:
        """Load the models."""
        found = load_predictors(self.models, self.accelerator)
        for predictor in found:
            predictor.tracks = self.tracks
        return found

    def __call__(self, task: tuple[int, Source]) -> list[FilePrediction]:
        """Predict a file in a process, which loads the models for its first one."""
        [found] = predict_files(_loaded(self), [task[1]], self.out, self.pedal)
        return found


def predicted(work: Work, sources: Sequence[Source], jobs: int) -> Iterator[list[FilePrediction]]:
    """Yield the predictions of each file in order, as `predict_files` does.

    Args:
        work: What is to be done.
        sources: The files. None may be written over: `refuse_overwriting` has checked it.
        jobs: Number of processes.
    """
    from data.preparation.pool import Died, run_tasks  # one process does without

    ready: dict[int, list[FilePrediction]] = {}
    following = 0
    for (number, source), found in run_tasks(work, enumerate(sources), jobs):
        ready[number] = (
            [FilePrediction(source.file, skipped=_DIED.format(source.file))]
            if isinstance(found, Died)
            else found
        )
        while following in ready:
            yield ready.pop(following)
            following += 1


@cache
def _loaded(work: Work) -> Sequence[Any]:
    os.environ["OMP_NUM_THREADS"] = "1"  # there is a process for each core
    return work.predictors()
