"""The contract of stores: the tests that show that a store keeps what the port promises."""

from crmkit.testing.contract.copying import CopyingContract
from crmkit.testing.contract.deletion import DeletionContract
from crmkit.testing.contract.durable import DurableContract
from crmkit.testing.contract.erasing import ErasingContract
from crmkit.testing.contract.feed import FeedContract
from crmkit.testing.contract.frames import FramesContract
from crmkit.testing.contract.history import HistoryContract
from crmkit.testing.contract.notes import NotesContract
from crmkit.testing.contract.privacy import PrivacyContract
from crmkit.testing.contract.queries import QueriesContract
from crmkit.testing.contract.reaching import ReachingContract
from crmkit.testing.contract.records import RecordsContract
from crmkit.testing.contract.tenants import TenantsContract
from crmkit.testing.contract.transactions import TransactionsContract
from crmkit.testing.contract.unique import FamiliesContract, UniqueContract
from crmkit.testing.contract.values import ValuesContract


class StoreContract(
    RecordsContract,
    TransactionsContract,
    UniqueContract,
    FamiliesContract,
    ValuesContract,
    QueriesContract,
    DeletionContract,
    HistoryContract,
    FeedContract,
    NotesContract,
    FramesContract,
    ReachingContract,
    TenantsContract,
    DurableContract,
    PrivacyContract,
    ErasingContract,
    CopyingContract,
):
    """The tests that every store must pass; a subclass says how to open the one to be tested.

    pytest collects a subclass whose name begins with "Test"; for unittest, `unittest.TestCase` is a second base. What needs a
    capability that the store does not list is skipped, and says so.

        class TestMine(StoreContract):
            def open_store(self, records, tenant=""):
                return MyStore(records)
    """
