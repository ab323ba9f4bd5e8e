"""Preparation on Ray, on this machine or on a cluster with a shared file system.

Ray tasks report a task that dies after a few tries. A Ray data set would try it for ever.
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
"""A task is tried again when its machine leaves. A file that kills its process will do so again."""


def run_on_ray(
    function: Callable[[Task], Result], tasks: Iterable[Task]
) -> Iterator[tuple[Task, Result | Died]]:
    """Yield results as they are ready, like `data.preparation.pool.run_tasks`.

    A running Ray is used. Else one is started, on the cluster at $RAY_ADDRESS or on this machine.

    Args:
        function: A picklable function. Its exceptions are raised here.
        tasks: Picklable arguments.

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
    # Two tasks for each core: no core waits, and few tasks run when the caller is stopped.
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
