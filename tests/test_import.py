"""Importing crmkit is cheap, and what it offers is what it lists."""

import subprocess
import sys

import pytest

import crmkit


def test_importing_crmkit_loads_no_dataframe_or_database_library() -> None:
    heavy = "{'cattrs', 'narwhals', 'pandas', 'polars', 'pyarrow', 'sqlalchemy', 'sqlite3'}"
    code = f"import sys, crmkit; print(sorted({heavy} & sys.modules.keys()))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout == "[]\n"


def test_every_listed_name_is_there() -> None:
    assert [name for name in crmkit.__all__ if not hasattr(crmkit, name)] == []
    assert set(crmkit.__all__) <= set(dir(crmkit))
    assert len(crmkit.__all__) <= 30


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(AttributeError, match="module 'crmkit' has no attribute 'Crm'; it has CRM, metrics, model"):
        crmkit.Crm  # noqa: B018 - the access is what is tested
