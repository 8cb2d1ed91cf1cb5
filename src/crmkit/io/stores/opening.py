"""Stores by their URL."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from crmkit.errors import InvalidInput, StoreError
from crmkit.io.stores.memory import MemoryStore
from crmkit.io.stores.port import Store
from crmkit.model import RECORDS
from crmkit.model.records import Record

if TYPE_CHECKING:
    from crmkit.io.stores.sql import SqlStore
    from crmkit.io.stores.sql.database import Database
    from crmkit.io.stores.sql.schema import Schema

_SQLITE = "sqlite://"
_POSTGRESQL = ("postgresql://", "postgres://")


def open_store(
    url: str,
    *,
    create: bool = True,
    records: Iterable[type[Record]] = (),
    tenant: str = "",
    prefix: str = "crm_",
    schema: str | None = None,
) -> Store:
    """Open the store that a URL names.

    "memory://", "sqlite://" (in memory too), "sqlite:///" and the path of a file, or "postgresql://user@host/database". A relative
    path follows three slashes, an absolute one four: "sqlite:///club.db", "sqlite:////srv/club.db".

    Args:
        url: which store.
        create: whether a file that is not there is created. A file is brought up to date as it is opened; the tables on a
            server are created and changed only by `crmkit schema apply`, or `schema_of(url).apply()`.
        records: a vertical's own record classes beside those of crmkit.
        tenant: whose records; those of other tenants in the same database are not there.
        prefix: what the names of the tables begin with.
        schema: the schema of PostgreSQL that the tables are in, in place of the one that comes first in the search path.

    Raises:
        InvalidInput: for another URL, and for record classes that do not fit one database.
        StoreError: for a file or a server that cannot be used, and where the tables are not up to date.

    >>> open_store("memory://").count(Customer)
    0
    """
    if url == "memory://":
        return MemoryStore([*RECORDS, *records], tenant)
    store = _sql_store(url, [*RECORDS, *records], tenant, prefix, schema, create=create)
    try:
        _check_schema(store, url, create=create)
    except BaseException:
        store.close()
        raise
    return store


def schema_of(
    url: str, *, records: Iterable[type[Record]] = (), prefix: str = "crm_", schema: str | None = None
) -> "Schema":
    """Return the schema of the database that a URL names, to look at it, to bring it up to date, or to see its SQL.

    Takes what `open_store` takes. Nothing is written before `apply`.

    >>> schema_of("sqlite://").apply().version
    0
    """
    store = _sql_store(url, [*RECORDS, *records], "", prefix, schema, create=True)
    return store.schema_alone()


def _sql_store(
    url: str, records: Iterable[type[Record]], tenant: str, prefix: str, schema: str | None, *, create: bool
) -> "SqlStore":
    # SQLAlchemy takes a third of a second to import, which only those who open a database should wait for.
    from crmkit.io.stores.sql import SqlStore  # noqa: PLC0415
    from crmkit.io.stores.sql.tables import Place  # noqa: PLC0415

    database = _database(url, create=create)
    if schema is not None and database.dialect == "sqlite":
        raise InvalidInput("SQLite has no schemas; give a prefix instead")
    return SqlStore(database, Place(database.dialect, prefix, schema), records, tenant)


def _database(url: str, *, create: bool) -> "Database":
    if url.startswith(_SQLITE):
        from crmkit.io.stores.sql.sqlite import Sqlite  # noqa: PLC0415

        path = url.removeprefix(_SQLITE).removeprefix("/")
        return Sqlite.at(Path(path) if path else None, create=create)
    if url.startswith(_POSTGRESQL):
        from crmkit.io.stores.sql.postgresql import Postgresql  # noqa: PLC0415

        return Postgresql(url)
    # Only what comes before a colon is shown, because a password may come after.
    scheme, colon, _ = url.partition(":")
    shown = f"{scheme}:..." if colon else url
    hint = "" if colon else f"; a file is named as 'sqlite:///{url}'"
    raise InvalidInput(
        f"{shown!r} is no store URL; give 'sqlite:///club.db', 'postgresql://user@host/database' or 'memory://'{hint}"
    )


def _check_schema(store: "SqlStore", url: str, *, create: bool) -> None:
    """Bring a file up to date; on a server, refuse tables that are not."""
    name = store.schema.name
    version = store.schema.version()
    if not version and not create:
        raise StoreError(f"{name}: this database holds no crmkit store")
    if version and store.schema.is_current():
        return
    if url.startswith(_SQLITE):
        store.schema.apply()
        return
    what = (
        "holds no crmkit store yet; create" if not version else "has tables of another crmkit or other records; update"
    )
    raise StoreError(f"{name}: this database {what} its tables with: crmkit schema apply URL")
