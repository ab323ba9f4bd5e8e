"""One setting for all property tests, and fixtures that several files share.

Property tests have the same examples on every machine, and no quarrel with a slow one.
"""

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
