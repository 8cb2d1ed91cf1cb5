"""Where records are kept: in memory, in a SQLite file, in PostgreSQL, or in a store of your own against the port."""

from crmkit.io.stores.memory import MemoryStore
from crmkit.io.stores.opening import open_store, schema_of
from crmkit.io.stores.port import Change, Changes, Page, SortBy, Stamp, Store, Stored, Version

__all__ = [
    "Change",
    "Changes",
    "MemoryStore",
    "Page",
    "SortBy",
    "Stamp",
    "Store",
    "Stored",
    "Version",
    "open_store",
    "schema_of",
]
