"""CDNOW as a summary, made once."""

from pathlib import Path

import polars as pl
import pytest

from tests.segmentation.lifetime.cdnow import summary


@pytest.fixture
def cdnow(published: Path) -> pl.DataFrame:
    """The summary of 2,357 customers, with a holdout of 39 weeks."""
    return summary(published)
