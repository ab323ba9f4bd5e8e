"""One setting for all property tests and for the collector, and fixtures that several files share.

Property tests have the same examples on every machine, and no quarrel with a slow one.
"""

import gc

from hypothesis import HealthCheck, settings

pytest_plugins = ["finetune_fixtures"]

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=60,
)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    """Search for garbage as rarely as commands do, and never among what the imports of all tests made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(70_000, 10, 10)
