"""The stores in SQL databases: SQLite and PostgreSQL."""

from crmkit.io.stores.sql.store import SqlStore

__all__ = ["SqlStore"]
