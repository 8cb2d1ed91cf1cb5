"""What ships for authors of stores works without other packages, under unittest, and says what it skips."""

import subprocess
import sys
import unittest
from collections.abc import Iterable
from io import StringIO

import pytest

import crmkit.testing
from crmkit.errors import Conflict
from crmkit.io.stores import MemoryStore
from crmkit.io.stores.port import Capability
from crmkit.model import Record
from crmkit.testing import StoreContract, StoreMachine
from crmkit.testing.contract.base import Undone, in_threads, raises

_ALONE = """
import sys
for name in ("hypothesis", "pytest", "pandas", "pyarrow", "psycopg", "adbc_driver_sqlite", "sqlalchemy"):
    sys.modules[name] = None

from crmkit.io.stores import MemoryStore
from crmkit.testing import StoreContract

class Contract(StoreContract):
    def open_store(self, records, tenant=""):
        return MemoryStore(records, tenant)

Contract().test_a_transaction_keeps_all_of_it()
try:
    from crmkit.testing import StoreMachine
except ImportError as error:
    print(error)
"""


class _LeastStore(MemoryStore):
    """A store that only keeps records."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset()


class _Contract(StoreContract):
    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> MemoryStore:
        return _LeastStore(records, tenant)


def test_the_contract_needs_no_other_package_and_the_machine_says_what_it_needs() -> None:
    shown = subprocess.run([sys.executable, "-c", _ALONE], capture_output=True, text=True, check=True)

    assert shown.stdout == "crmkit.testing.StoreMachine needs Hypothesis: pip install 'crmkit[testing]'\n"


def test_the_contract_runs_under_unittest_and_skips_what_a_store_lacks() -> None:
    case = type("Case", (_Contract, unittest.TestCase), {})
    tests = unittest.TestLoader().loadTestsFromTestCase(case)
    result = unittest.TextTestRunner(stream=StringIO()).run(tests)

    assert (result.failures, result.errors) == ([], [])
    reasons = {reason for _, reason in result.skipped}
    assert "the store has no capability 'queries' and 'deletion' and 'frames'" not in reasons
    assert {f"the store has no capability {need!r}" for need in ("queries", "feed", "notes", "tenants")} <= reasons
    assert result.testsRun - len(result.skipped) > 40


def test_a_contract_without_a_store_says_what_to_give() -> None:
    for use in (lambda: StoreContract().open_store([]), StoreMachine):
        with pytest.raises(NotImplementedError, match="open_store.* returns the store to be tested, new and empty"):
            use()


def test_a_durable_store_that_nobody_can_reopen_is_skipped_with_the_reason() -> None:
    with pytest.raises(unittest.SkipTest, match="_Contract has no reopen"):
        _Contract().reopen(MemoryStore())


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Contract'; it has StoreContract, StoreMachine"):
        crmkit.testing.Contract  # noqa: B018 - the access is what is tested
    assert set(crmkit.testing.__all__) <= set(dir(crmkit.testing))


def test_an_expected_error_that_does_not_come_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="Conflict was expected, and nothing was raised"), raises(Conflict):
        pass
    with pytest.raises(ZeroDivisionError), raises(Conflict):
        raise ZeroDivisionError


def test_an_error_in_a_thread_is_an_error_of_the_test() -> None:
    def fail() -> None:
        raise Undone

    with pytest.raises(Undone):
        in_threads([lambda: None, fail])


def test_a_thread_that_is_stuck_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crmkit.testing.contract.base.PATIENCE_SECONDS", 0.01)

    store = MemoryStore()
    with pytest.raises(AssertionError, match="still waiting"), store.transaction():
        in_threads([lambda: store.add([])])
