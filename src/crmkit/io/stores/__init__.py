"""Where records are kept: in memory, or in a SQLite file."""

from crmkit.io.stores.memory import MemoryStore
from crmkit.io.stores.opening import open_store
from crmkit.io.stores.port import Store

__all__ = ["MemoryStore", "Store", "open_store"]
