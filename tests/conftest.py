"""What all tests share: the settings of Hypothesis and the way to the published data."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci", max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("full", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("CRMKIT_HYPOTHESIS", "ci"))

_PUBLISHED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def published() -> Path:
    """The folder of published data, which is no part of the repository; without it the test is skipped."""
    if not _PUBLISHED.is_dir():
        pytest.skip(f"the published data are not at {_PUBLISHED}")
    return _PUBLISHED
