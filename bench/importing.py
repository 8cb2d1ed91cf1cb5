"""Importing contacts from CSV into SQLite: crmkit against the driver alone, a loop over the SQLAlchemy ORM, and django-import-export.

    python bench/importing.py [--rows 1000000] [--peer-rows 20000]

Promised: crmkit, from the file to the kept records and their history, at least 0.25 times `executemany` of the same rows, already
parsed, into the same tables; at least 0.5 times email-validator and phonenumbers alone where it checks contact points; at least 5
times a loop over the ORM; a peak of memory below 500 MiB for a million rows.

Every contender runs in a process of its own. crmkit reads the file, makes the plan with matching by external id, and applies it. The
driver gets the rows that crmkit writes, for the table of customers and for the ledger. The ORM reads the file with `csv.DictReader`, asks
for each row whether its id is there, as an import by key does, and adds an object with the same fields. django-import-export, in an
environment of its own, finds by id too and has the settings that its documentation advises for speed: bulk mode, no differences, all
known objects loaded at once; the second time, unchanged rows skipped. With its usual settings it is told too. Neither makes a plan first or keeps a history.
"""

import argparse
import csv
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

PROMISED = {"import / driver": 0.25, "checked / libraries": 0.5, "import / ORM": 5.0}
DJANGO = ("Django==5.2.19", "django-import-export==4.4.3")
MOST_MIB = 500
COLUMNS = ("no", "first", "last", "mail", "phone", "born", "city", "country", "since")
FIELDS = {
    "kind": {"value": "person"},
    "name": {"columns": ["first", "last"]},
    "given_name": "first",
    "family_name": "last",
    "birth_on": "born",
    "city": "city",
    "country": "country",
    "created_at": "since",
    "contact_points": [
        {"kind": "email", "column": "mail", "primary": True},
        {"kind": "phone", "column": "phone"},
    ],
}
SETTINGS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -65536")


def contacts(n: int) -> Iterator[list[str]]:
    start = date(1950, 1, 1)
    for number in range(n):
        yield [
            f"c{number}", "Ann", f"Kowalska {number}", f"ann{number}@example.org", f"+48600{number:06}",
            (start + timedelta(days=number % 18_000)).isoformat(), "Łódź", "PL", "2024-05-01T12:00:00Z",
        ]  # fmt: skip


def write(path: Path, n: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(contacts(n))


def crmkit(file: Path, n: int) -> dict[str, float]:
    from crmkit.io.importing import plan_import
    from crmkit.io.mapping import folder_mapping
    from crmkit.io.stores import open_store
    from crmkit.model import Customer

    words = {"path": file.name, "record": "Customer", "key": "no", "fields": FIELDS}
    mapping = folder_mapping(source="till", files=[words])
    store = open_store(f"sqlite:///{file.parent}/crmkit.db")
    plan, planned = timed(lambda: plan_import(store, file, mapping=mapping))
    _, applied = timed(lambda: plan.apply(store))
    assert store.count(Customer) == n
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    again, again_planned = timed(lambda: plan_import(store, file, mapping=mapping))
    assert again.counts["skip"] == n
    store.close()
    return {
        "plan": n / planned,
        "apply": n / applied,
        "import": n / (planned + applied),
        "again": n / again_planned,
        "peak MiB": peak,
        "peak again MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def checked(file: Path, n: int) -> dict[str, float]:
    """The same import, which marks what can be no e-mail address or telephone number."""
    from crmkit.io.importing import plan_import
    from crmkit.io.mapping import folder_mapping
    from crmkit.io.stores import open_store

    words = {"path": file.name, "record": "Customer", "key": "no", "fields": FIELDS}
    mapping = folder_mapping(source="till", files=[words], check_points=True)
    store = open_store(f"sqlite:///{file.parent}/checked.db")
    _, seconds = timed(lambda: plan_import(store, file, mapping=mapping).apply(store))
    store.close()
    return {"import": n / seconds}


def libraries(file: Path, n: int) -> dict[str, float]:
    """email-validator and phonenumbers alone, as crmkit calls them."""
    import phonenumbers
    from email_validator import validate_email

    def check() -> None:
        with file.open(encoding="utf-8", newline="") as text:
            for row in csv.DictReader(text):
                validate_email(
                    row["mail"], check_deliverability=False, allow_quoted_local=True, allow_domain_literal=True
                )
                number = phonenumbers.parse(row["phone"], None)
                phonenumbers.is_possible_number(number)
                phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    _, seconds = timed(check)
    return {"check": n / seconds}


def driver(file: Path, n: int) -> dict[str, float]:
    """The rows that crmkit wrote, read back, into tables of the same statements."""
    source = sqlite3.connect(file.parent / "crmkit.db")
    tables = ("crm_customer", "crm_ledger")
    created = source.execute("SELECT sql FROM sqlite_master WHERE tbl_name IN (?, ?) AND sql IS NOT NULL", tables)
    statements = [sql for (sql,) in created]
    rows = {name: source.execute(f"SELECT * FROM {name}").fetchall() for name in tables}
    target = sqlite3.connect(file.parent / "driver.db", isolation_level=None)
    for setting in SETTINGS:
        target.execute(setting)
    for statement in statements:
        target.execute(statement)

    def insert() -> None:
        target.execute("BEGIN IMMEDIATE")
        for name, held in rows.items():
            target.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(held[0]))})", held)
        target.execute("COMMIT")

    _, both = timed(insert)
    target.execute("DELETE FROM crm_ledger")
    target.execute("DELETE FROM crm_customer")
    del rows["crm_ledger"]
    _, one = timed(insert)
    return {"insert": n / both, "insert customers alone": n / one}


def orm(file: Path, n: int) -> dict[str, float]:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

    class Base(DeclarativeBase):
        pass

    class Contact(Base):
        __tablename__ = "contact"
        no: Mapped[str] = mapped_column(primary_key=True)
        name: Mapped[str]
        first: Mapped[str]
        last: Mapped[str]
        mail: Mapped[str]
        phone: Mapped[str]
        born: Mapped[date]
        city: Mapped[str]
        country: Mapped[str]
        since: Mapped[str]

    engine = create_engine(f"sqlite:///{file.parent}/orm.db")
    Base.metadata.create_all(engine)

    def load() -> None:
        with Session(engine) as session, file.open(encoding="utf-8", newline="") as text:
            for row in csv.DictReader(text):
                found = session.get(Contact, row["no"]) or Contact(no=row["no"])
                for name in ("first", "last", "mail", "phone", "city", "country", "since"):
                    setattr(found, name, row[name])
                found.name, found.born = f"{row['first']} {row['last']}", date.fromisoformat(row["born"])
                session.add(found)
            session.commit()

    _, seconds = timed(load)
    return {"import": n / seconds}


def django(file: Path, n: int) -> dict[str, float]:
    import django as framework
    import tablib
    from django.conf import settings

    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{file.parent}/django.db",
        "OPTIONS": {"init_command": ";".join(SETTINGS)},
    }
    settings.configure(
        DATABASES={"default": database}, USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField", INSTALLED_APPS=["import_export"]
    )  # fmt: skip
    framework.setup()
    from django.db import connection, models
    from import_export.instance_loaders import CachedInstanceLoader
    from import_export.resources import ModelResource

    class Contact(models.Model):
        no = models.TextField(primary_key=True)
        name = models.TextField()
        first = models.TextField()
        last = models.TextField()
        mail = models.TextField()
        phone = models.TextField()
        born = models.DateField()
        city = models.TextField()
        country = models.TextField()
        since = models.TextField()

        class Meta:
            app_label = "import_export"  # some application must be named that is installed

    class Usual(ModelResource):
        class Meta:
            model = Contact
            import_id_fields = ("no",)
            use_transactions = True

        def before_import_row(self, row: Any, **_: Any) -> None:
            row["name"] = f"{row['first']} {row['last']}"

    class Fastest(Usual):
        class Meta:
            instance_loader_class = CachedInstanceLoader
            use_bulk = True
            batch_size = 1000
            skip_diff = True
            report_skipped = False

    class Unchanged(Fastest):
        class Meta:
            skip_diff = False  # without the comparison nothing counts as unchanged
            skip_unchanged = True

    with connection.schema_editor() as editor:
        editor.create_model(Contact)

    def load(resource: type[Usual]) -> None:
        with file.open(encoding="utf-8", newline="") as text:
            rows = tablib.Dataset().load(text, format="csv")
        rows.append_col([""] * len(rows), header="name")
        resource().import_data(rows, raise_errors=True)

    _, usual = timed(lambda: load(Usual))
    Contact.objects.all().delete()
    _, created = timed(lambda: load(Fastest))
    assert Contact.objects.count() == n
    assert Contact.objects.get(no="c7").name == "Ann Kowalska 7"
    _, again = timed(lambda: load(Unchanged))
    return {"import with usual settings": n / usual, "import": n / created, "again": n / again}


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    made = work()
    return made, time.perf_counter() - start


CONTENDERS = {
    "crmkit": crmkit,
    "checked": checked,
    "libraries": libraries,
    "driver": driver,
    "orm": orm,
    "django": django,
}


def run(name: str, file: Path, n: int, python: str | Path = sys.executable) -> dict[str, float]:
    done = subprocess.run([str(python), __file__, "--only", name, "--file", str(file), "--rows", str(n)], capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{name:8}", "  ".join(f"{what} {rate:,.0f}{'' if 'MiB' in what else '/s'}" for what, rate in found.items()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--peer-rows", type=int, default=20_000, help="peers are slow, and their rates the same for fewer rows"
    )
    parser.add_argument("--only", choices=CONTENDERS)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(CONTENDERS[options.only](options.file, options.rows)))
        return
    from peers import python_with

    with tempfile.TemporaryDirectory() as folder:
        file, small = Path(folder, "contacts.csv"), Path(folder, "small.csv")
        write(file, options.rows)
        write(small, options.peer_rows)
        ours = run("crmkit", file, options.rows)
        django_rates = run("django", small, options.peer_rows, python_with(*DJANGO))
        rates = {
            "import / driver": ours["import"] / run("driver", file, options.rows)["insert"],
            "import / ORM": ours["import"] / run("orm", small, options.peer_rows)["import"],
            "checked / libraries": run("checked", file, options.rows)["import"]
            / run("libraries", small, options.peer_rows)["check"],
        }
    for what, least in PROMISED.items():
        print(f"{what:30} {rates[what]:6.2f}  promised {least}  {'kept' if rates[what] >= least else 'NOT KEPT'}")
    for what in ("import", "import with usual settings", "again"):
        print(f"{what + ' / Django':30} {ours['again' if what == 'again' else 'import'] / django_rates[what]:6.2f}")
    kept = ours["peak MiB"] <= MOST_MIB
    print(f"{'peak MiB':30} {ours['peak MiB']:6.0f}  promised {MOST_MIB}  {'kept' if kept else 'NOT KEPT'}")


if __name__ == "__main__":
    main()
