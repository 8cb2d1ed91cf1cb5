"""The SQL store against the driver alone, the SQLAlchemy ORM and Django: writing customers, reading them, one and a page of them.

    python bench/store_speed.py [--rows 1000000] [--postgresql URL]

Promised, in one run on SQLite with the durable settings for all: bulk write with the ledger at least 0.5 times the driver's
`executemany` of the same rows into the same tables, 1.8 times Django's `bulk_create` and 0.9 times the ORM's bulk insert, which
both write the customers alone, with the same fields; reading into records 3 times the ORM; one read 0.3 times the driver's; page 50,000 as fast as page 1
within 20 percent. On PostgreSQL, bulk write at least 0.6 times COPY of the same rows.

Every contender runs in a process of its own, with its input made before the clock starts: records for crmkit, rows for the driver,
dicts for the ORM, model instances for Django.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

PROMISED = {
    "bulk write / driver": 0.5,
    "bulk write / Django": 1.8,
    "bulk write / ORM": 0.9,
    "read all / ORM": 3.0,
    "read one / driver": 0.3,
    "page 50,000 / page 1": 0.8,
    "bulk write / COPY": 0.6,
}
SETTINGS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -65536")
NO_POINT = dict.fromkeys(["label", "address", "invalid_at", "invalid_reason"]) | {
    "is_primary": False,
    "is_invalid": False,
}
TEXTS = ["given_name", "family_name", "language", "time_zone", "industry", "source"]
NOTHING: dict[str, Any] = {**dict.fromkeys(TEXTS), "birth_on": None, "preferences": [], "custom": {}}
START = datetime(2024, 1, 1, tzinfo=UTC)


def plain_customers(n: int) -> Iterator[dict[str, Any]]:
    """The same customers for everybody, with ids as UUIDv7 has them: growing in time."""
    for number in range(n):
        yield {
            "id": f"0193{number:08x}-7000-8000-000000000000",
            "created_at": START + timedelta(seconds=number),
            "kind": "person",
            "name": f"Ann Kowalska {number}",
            "country": "PL",
            "city": "Łódź",
            "owner_id": f"employee-{number % 50}",
            "tags": ["vip"] if number % 3 == 0 else [],
            "external_ids": {"club": str(number)},
            "contact_points": [{**NO_POINT, "kind": "email", "value": f"ann{number}@example.org"}],
            **NOTHING,
        }


def records(n: int) -> list[Any]:
    from crmkit.model import ContactPoint, Customer

    def customer(contact_points: list[dict[str, Any]], tags: list[str], **given: Any) -> Any:
        points = tuple(ContactPoint(**each) for each in contact_points)
        return Customer(**given, tags=frozenset(tags), contact_points=points)

    return [customer(**each) for each in plain_customers(n)]


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def crmkit_sqlite(file: str, n: int) -> dict[str, float]:
    from crmkit.io.stores import open_store
    from crmkit.model import Customer

    given = records(n)
    store = open_store(f"sqlite:///{file}")
    found = {"bulk write": n / timed(lambda: store.add(given))}
    ids = [each.id for each in given[:: max(n // 20_000, 1)]]
    given.clear()
    found["read all"] = n / timed(lambda: sum(1 for _ in store.every(Customer)))
    found["read one"] = len(ids) / timed(lambda: [store.get(Customer, each) for each in ids])
    found |= pages(store, n)
    return found


def pages(store: Any, n: int) -> dict[str, float]:
    """How long page 1 and page 50,000 of twenty customers take, or the last page where there are fewer."""
    from crmkit.io.stores.cursor import encode_cursor
    from crmkit.model import Customer

    deep = min(50_000, n // 20 - 2) * 20
    cursor = encode_cursor(Customer, (), (), (), f"0193{deep:08x}-7000-8000-000000000000")
    best = {"page 1": 1e9, "page 50,000": 1e9}
    for _ in range(200):  # in turn, so that both see the same machine
        for name, after in (("page 1", None), ("page 50,000", cursor)):
            best[name] = min(best[name], timed(lambda after=after: store.find(Customer, limit=20, after=after)))
    return {name: 1 / seconds for name, seconds in best.items()}


def driver_sqlite(file: str, n: int) -> dict[str, float]:
    """The same rows into the same tables, and one row by its key, by the driver alone."""
    store, insert, rows, ledger, entries = rows_of_store(f"sqlite:///{file}", n)
    with store._session.connected() as connection:

        def write() -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert.sql, rows)
            connection.executemany(ledger.sql, entries)
            connection.execute("COMMIT")

        found = {"bulk write": n / timed(write)}
        ids = [entry[4] for entry in entries[:: max(n // 20_000, 1)]]
        select = store._tables[customer_class()].select
        reads = timed(lambda: [connection.execute(select, ("", each)).fetchone() for each in ids])
    return found | {"read one": len(ids) / reads}


def customer_class() -> Any:
    from crmkit.model import Customer

    return Customer


def rows_of_store(url: str, n: int) -> tuple[Any, Any, list[Any], Any, list[Any]]:
    """A store, and how the driver writes the same customers and their ledger into its tables."""
    from crmkit.io.stores import open_store

    store: Any = open_store(url)
    table = store._tables[customer_class()]
    encode = table.codecs["Customer"].encode
    given = records(n)
    rows = [("", "Customer", 1, 1, None, *encode(each)) for each in given]
    entries = [("", 1, "added", "Customer", each.id, 1, None) for each in given]
    return store, table.insert, rows, store._system.record_change, entries


def crmkit_postgresql(url: str, n: int) -> dict[str, float]:
    from crmkit.io.stores import open_store

    given = records(n)
    store: Any = open_store(url)
    return {"bulk write": n / timed(lambda: store.add(given))}


def driver_postgresql(url: str, n: int) -> dict[str, float]:
    """COPY of the same rows in the driver's fastest form."""
    store, insert, rows, ledger, entries = rows_of_store(url, n)

    def copy(cursor: Any, into: Any, rows: list[Any]) -> None:
        names = ", ".join(f'"{each}"' for each in into.columns)
        with cursor.copy(f"COPY {into.table} ({names}) FROM STDIN (FORMAT BINARY)") as stream:
            stream.set_types(into.types)
            for row in rows:
                stream.write_row(row)

    with store._session.connected() as connection, connection.cursor() as cursor:

        def write() -> None:
            cursor.execute("BEGIN")
            copy(cursor, insert, rows)
            copy(cursor, ledger, entries)
            cursor.execute("COMMIT")

        return {"bulk write": n / timed(write)}


def orm_sqlite(file: str, n: int) -> dict[str, float]:
    import sqlalchemy as sa
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        id: Mapped[str] = mapped_column(primary_key=True)
        created_at: Mapped[datetime | None]
        kind: Mapped[str]
        name: Mapped[str]
        country: Mapped[str | None]
        city: Mapped[str | None]
        owner_id: Mapped[str | None] = mapped_column(index=True)
        tags: Mapped[list[str]] = mapped_column(sa.JSON)
        external_ids: Mapped[dict[str, str]] = mapped_column(sa.JSON)
        custom: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
        contact_points: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
        preferences: Mapped[list[dict[str, Any]]] = mapped_column(sa.JSON)
        birth_on: Mapped[date | None]
        given_name: Mapped[str | None]
        family_name: Mapped[str | None]
        language: Mapped[str | None]
        time_zone: Mapped[str | None]
        industry: Mapped[str | None]
        source: Mapped[str | None]

    engine = sa.create_engine(f"sqlite:///{file}")

    @sa.event.listens_for(engine, "connect")
    def durable(connection: Any, _: Any) -> None:
        for setting in SETTINGS:
            connection.execute(setting)

    Base.metadata.create_all(engine)
    given = list(plain_customers(n))

    def write() -> None:
        with Session(engine) as session:
            session.execute(sa.insert(Customer), given)
            session.commit()

    found = {"bulk write": n / timed(write)}
    given.clear()
    with Session(engine) as session:
        rows = session.scalars(sa.select(Customer).execution_options(yield_per=5_000))
        return found | {"read all": n / timed(lambda: sum(1 for _ in rows))}


def django_sqlite(file: str, n: int) -> dict[str, float]:
    import django
    from django.conf import settings

    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": {"init_command": ";".join(SETTINGS)}}
    settings.configure(DATABASES={"default": database}, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
    django.setup()
    from django.db import connection, models, transaction

    class Customer(models.Model):
        id = models.TextField(primary_key=True)
        created_at = models.DateTimeField(null=True)
        kind = models.TextField()
        name = models.TextField()
        country = models.TextField(null=True)
        city = models.TextField(null=True)
        owner_id = models.TextField(null=True, db_index=True)
        tags = models.JSONField()
        external_ids = models.JSONField()
        custom = models.JSONField()
        contact_points = models.JSONField()
        preferences = models.JSONField()
        birth_on = models.DateField(null=True)
        given_name = models.TextField(null=True)
        family_name = models.TextField(null=True)
        language = models.TextField(null=True)
        time_zone = models.TextField(null=True)
        industry = models.TextField(null=True)
        source = models.TextField(null=True)

        class Meta:
            app_label = "bench"

    with connection.schema_editor() as editor:
        editor.create_model(Customer)
    given = [Customer(**each) for each in plain_customers(n)]

    def write() -> None:
        with transaction.atomic():
            Customer.objects.bulk_create(given, batch_size=5_000)

    return {"bulk write": n / timed(write)}


CONTENDERS = {
    each.__name__: each
    for each in (crmkit_sqlite, driver_sqlite, orm_sqlite, django_sqlite, crmkit_postgresql, driver_postgresql)
}


def run(name: str, where: str, n: int, python: str | Path = sys.executable) -> dict[str, float]:
    done = subprocess.run(
        [str(python), __file__, "--only", name, where, str(n)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{name:20}" + "".join(f"  {what} {rate:,.0f}/s" for what, rate in found.items()), flush=True)
    return found


def show(ratios: dict[str, float]) -> None:
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f} (promised: at least {PROMISED[name]})")


def on_sqlite(n: int) -> None:
    from peers import python_with

    with tempfile.TemporaryDirectory() as folder:
        ours = run("crmkit_sqlite", f"{folder}/crmkit.db", n)
        driver = run("driver_sqlite", f"{folder}/driver.db", n)
        orm = run("orm_sqlite", f"{folder}/orm.db", n, python_with("SQLAlchemy>=2.0.40"))
        django = run("django_sqlite", f"{folder}/django.db", n, python_with("Django>=5.1"))
    show(
        {
            "bulk write / driver": ours["bulk write"] / driver["bulk write"],
            "bulk write / Django": ours["bulk write"] / django["bulk write"],
            "bulk write / ORM": ours["bulk write"] / orm["bulk write"],
            "read all / ORM": ours["read all"] / orm["read all"],
            "read one / driver": ours["read one"] / driver["read one"],
            "page 50,000 / page 1": ours["page 50,000"] / ours["page 1"],
        }
    )


def on_postgresql(url: str, n: int) -> None:
    import psycopg

    from crmkit.io.stores import schema_of

    rates = []
    for name in ("crmkit_postgresql", "driver_postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        schema_of(url).apply()
        rates.append(run(name, url, n)["bulk write"])
    show({"bulk write / COPY": rates[0] / rates[1]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgresql", metavar="URL", help="an empty database, which is emptied again")
    parser.add_argument("--only", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        name, where, n = options.only
        print(json.dumps(CONTENDERS[name](where, int(n))))
        return
    on_sqlite(options.rows)
    if options.postgresql:
        on_postgresql(options.postgresql, options.rows)


if __name__ == "__main__":
    main()
