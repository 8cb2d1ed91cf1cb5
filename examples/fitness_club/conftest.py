"""Gives examples in docstrings the names that they assume."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from fitness_club import kpis, model
from fitness_club.club import Club


@pytest.fixture(autouse=True)
def _names_in_docstrings(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace.update({each.__name__: each for each in model.RECORDS})
    doctest_namespace.update(Club=Club, UTC=UTC, date=date, datetime=datetime, timedelta=timedelta, kpis=kpis)
