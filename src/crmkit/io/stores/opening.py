"""Stores by their URL."""

from pathlib import Path

from crmkit.errors import InvalidInput
from crmkit.io.stores.memory import MemoryStore
from crmkit.io.stores.port import Store

_SQLITE = "sqlite://"


def open_store(url: str, *, create: bool = True) -> Store:
    """Open the store that a URL names: "memory://", "sqlite://" (in memory too) or "sqlite:///" and the path of a file.

    A relative path follows three slashes, an absolute one four: "sqlite:///club.db", "sqlite:////srv/club.db". A file that is not
    there is created unless `create` is False. Raises `InvalidInput` for another URL and `StoreError` for a file that cannot
    be opened.

    >>> open_store("memory://").count(Customer)
    0
    """
    if url == "memory://":
        return MemoryStore()
    if url.startswith(_SQLITE):
        # SQLAlchemy takes a third of a second to import, which only those who open a database should wait for.
        from crmkit.io.stores.sql import SqlStore  # noqa: PLC0415

        path = url.removeprefix(_SQLITE).removeprefix("/")
        return SqlStore.open(Path(path) if path else None, create=create)
    hint = f"; a file is named as 'sqlite:///{url}'" if "://" not in url else ""
    raise InvalidInput(f"{url!r} is no store URL; give 'sqlite:///club.db' or 'memory://'{hint}")
