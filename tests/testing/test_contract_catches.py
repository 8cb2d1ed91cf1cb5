"""The contract and the state machine find a store that breaks its promise."""

from collections.abc import Iterable

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from crmkit.errors import CrmError
from crmkit.io.stores import MemoryStore
from crmkit.model import Record
from crmkit.testing import StoreContract, StoreMachine
from tests.testing.faults import (
    FAULTS,
    CursorWithoutTieBreak,
    FeedThatRepeats,
    IgnoredVersion,
    InnerTransactionWithoutSavepoint,
    MissingEvent,
    PutThatLosesAField,
    RollbackThatCommits,
    UniqueValueNotFreed,
)

_FAST = settings(max_examples=300, derandomize=True, database=None, deadline=None, phases=[Phase.generate])


def _contract_of(store: type[MemoryStore]) -> StoreContract:
    class Contract(StoreContract):
        def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> MemoryStore:
            return store(records, tenant)

    return Contract()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_contract_finds_a_fault(fault: type[MemoryStore]) -> None:
    test = FAULTS[fault]

    getattr(_contract_of(MemoryStore), test)()
    with pytest.raises((AssertionError, CrmError)):
        getattr(_contract_of(fault), test)()


@pytest.mark.parametrize(
    "fault",
    [
        RollbackThatCommits,
        InnerTransactionWithoutSavepoint,
        MissingEvent,
        IgnoredVersion,
        CursorWithoutTieBreak,
        UniqueValueNotFreed,
        PutThatLosesAField,
        FeedThatRepeats,
    ],
    ids=lambda fault: fault.__name__,
)
def test_the_state_machine_finds_a_fault(fault: type[MemoryStore]) -> None:
    class Machine(StoreMachine):
        def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> MemoryStore:
            return fault(records, tenant)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=_FAST)
