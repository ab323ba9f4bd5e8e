"""The same work on Ray, on this machine or a cluster whose machines share the file system.

Ray tasks, not Ray Data: a task that dies is given up after a few tries and reported, where a data set would
try it for ever.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from data.preparation.guards import make_expendable
from data.preparation.pool import Died
from symbolic.errors import ConfigError

Task = TypeVar("Task")
Result = TypeVar("Result")

_RETRIES = 2
"""Machines come and go, so a task that dies is tried again; but a file that kills will kill again."""


def run_on_ray(
    function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[tuple[Task, Result | Died]]:
    """Results of a function, each as soon as it is there, like `data.preparation.pool.run_tasks`.

    Uses the Ray that the caller has begun, or else begins one: on the cluster at $RAY_ADDRESS, or here.

    Args:
        function: Picklable; an exception that it raises is raised here.
        tasks: Picklable.

    Raises:
        ConfigError: If Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "engine 'ray' needs Ray. Install it with `pip install 'counterpoint-smu[ray]'`, or take engine 'local'."
        ) from error
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False)
    work = ray.remote(max_retries=_RETRIES)(_expendably)
    shared = ray.put(function)
    waiting = deque(tasks)
    running: dict[Any, Task] = {}
    # Two tasks for each core: none waits for the next, and few are under way when the caller is stopped.
    most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    try:
        while waiting or running:
            while waiting and len(running) < most:
                running[work.remote(shared, waiting[0])] = waiting[0]
                waiting.popleft()
            (ready, *_), _ = ray.wait(list(running))
            result: Any
            try:
                result = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError:  # the process died, or its machine
                result = Died()
            yield running.pop(ready), result
    finally:
        for left in running:
            ray.cancel(left)  # by force, Ray 2.60 sometimes aborts this process too


def _expendably(function: Callable[[Task], Result], task: Task) -> Result:
    warnings.simplefilter("ignore")
    make_expendable()
    return function(task)
