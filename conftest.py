"""Runs the code of the documentation as tests, and gives examples in docstrings the names that they assume."""

import os
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

import crmkit
from crmkit import model
from crmkit.model import lead


@pytest.fixture(autouse=True)
def _names_in_docstrings(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace.update({name: getattr(model, name) for name in model.__all__})
    doctest_namespace.update(CRM=crmkit.CRM, qualify=lead.qualify, UTC=UTC, date=date, datetime=datetime)


def _enter_empty_folder(namespace: dict[str, Any]) -> None:
    namespace["_folder"] = tempfile.TemporaryDirectory()
    namespace["_before"] = Path.cwd()
    os.chdir(namespace["_folder"].name)


def _leave_folder(namespace: dict[str, Any]) -> None:
    if "crm" in namespace:
        namespace["crm"].close()
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md", "docs/stores/*.md"],
    setup=_enter_empty_folder,
    teardown=_leave_folder,
).pytest()
