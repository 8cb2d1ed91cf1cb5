"""The memory store keeps the contract of stores."""

from collections.abc import Iterable

from crmkit.io.stores import MemoryStore
from crmkit.model import Record
from crmkit.testing import StoreContract, StoreMachine


class TestMemoryStore(StoreContract):
    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> MemoryStore:
        return MemoryStore(records, tenant)


class _Machine(StoreMachine):
    def open_store(self, records: Iterable[type[Record]], tenant: str = "") -> MemoryStore:
        return MemoryStore(records, tenant)


TestMachineOnMemory = _Machine.TestCase
