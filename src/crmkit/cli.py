"""The command `crmkit`."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from crmkit import __version__
from crmkit.crm import CRM, system_clock
from crmkit.errors import CrmError, InvalidInput, StoreError
from crmkit.io.backup import differences, dump, load, read_manifest
from crmkit.io.folder import read_folder
from crmkit.io.importing import ImportPlan, suggest_mapping
from crmkit.io.stores import Store, open_store, schema_of
from crmkit.model import Deal, Employee, Interaction, Order, Record, SurveyResponse, Ticket
from crmkit.report import Notice, page
from crmkit.sample import company
from crmkit.stats.periods import zone

if TYPE_CHECKING:
    from crmkit.io.stores.sql.schema import Schema

DEMO_STORE = "crmkit-demo.db"
DEMO_REPORT = "report.html"

Say = Callable[[str], None]
_TABLES: Mapping[str, type[Record]] = {
    "deals": Deal,
    "orders": Order,
    "tickets": Ticket,
    "interactions": Interaction,
    "survey_responses": SurveyResponse,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or the program's own, and return its exit status.

    0 is success; 1 is the answer that something is to be done; 2 is a mistake in what was given, explained in one sentence on standard error; 130 is an interruption.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int | None = options.run(options)
    except CrmError as error:
        print(f"crmkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("crmkit: interrupted; nothing was written", file=sys.stderr)
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crmkit", description="CRM numbers from a store or from files.")
    parser.add_argument("--version", action="version", version=f"crmkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    report = commands.add_parser("report", help="write the KPIs of a store or a folder of files as one HTML page")
    report.add_argument(
        "source", metavar="SOURCE", help="a store URL such as sqlite:///club.db, or a folder of CSV files"
    )
    report.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the page to write")
    report.add_argument(
        "--mapping", type=Path, metavar="FILE", help="what the files mean (default: crmkit.toml in the folder)"
    )
    report.add_argument(
        "--as-of", type=_day, metavar="DATE", help="the day to report on (default: of the export, or today)"
    )
    report.add_argument(
        "--tz", metavar="ZONE", help="the time zone of days and months (default: of the mapping, or UTC)"
    )
    report.add_argument("--title", default="Customer report", help="the heading of the page")
    report.set_defaults(run=_report)

    demo = commands.add_parser("demo", help="make a sample company, a store of it and its report")
    demo.add_argument(
        "folder", type=Path, nargs="?", default=Path("demo"), metavar="FOLDER", help="where to (default: demo)"
    )
    demo.add_argument(
        "--customers", type=int, default=2000, metavar="N", help="how many customers it has (default: 2000)"
    )
    demo.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another seed makes another company (default: 1)"
    )
    demo.set_defaults(run=_demo)
    _add_import(commands)
    _add_schema(commands)
    _add_backup(commands)
    return parser


def _add_import(commands: Any) -> None:
    command = commands.add_parser("import", help="bring a file or a folder of files into a store")
    command.add_argument("path", type=Path, metavar="FILE", help="a file, or a folder of files")
    command.add_argument("--into", "--store", dest="url", metavar="URL", help="a store URL such as sqlite:///club.db")
    command.add_argument(
        "--mapping", type=Path, metavar="FILE", help="what the columns mean (default: crmkit.toml beside the file)"
    )
    command.add_argument("--dry-run", action="store_true", help="only say what would be done")
    command.add_argument(
        "--partial",
        action="store_true",
        help="leave out rows that do not fit, and write them to a file beside, to be mended",
    )
    command.add_argument(
        "--rejects",
        type=Path,
        metavar="FOLDER",
        help="where that file goes (default: beside the file, or rejects in the folder)",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace also what was changed in the store after the export"
    )
    command.add_argument("--warn-duplicates", action="store_true", help="tell of customers who look like stored ones")
    command.add_argument("--suggest", action="store_true", help="only print a mapping for the file, for a start")
    command.add_argument("--by", metavar="NAME", help="who imports, for the history")
    command.set_defaults(run=_import)
    _add_place(command)


def _add_schema(commands: Any) -> None:
    schema = commands.add_parser("schema", help="look at the tables of a store, and bring them up to date")
    actions = schema.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("status", _schema_status, "say what is there and what is to be done; exit status 1 where something is"),
        ("apply", _schema_apply, "bring the tables up to date"),
        ("verify", _schema_verify, "say what is missing; exit status 1 where something is"),
        ("sql", _schema_sql, "print the statements that create the tables, for a migration of the host's own"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("url", metavar="URL", help="a store URL such as postgresql://anna@localhost/club")
        _add_place(action)
        action.set_defaults(run=run)


def _add_backup(commands: Any) -> None:
    dump = commands.add_parser("dump", help="write a whole store to a file: records, history, notes")
    dump.add_argument("url", metavar="URL", help="a store URL such as sqlite:///club.db")
    dump.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the file to write, a zip")
    dump.set_defaults(run=_dump)
    load = commands.add_parser("load", help="bring what crmkit dump wrote into an empty store of any kind")
    load.add_argument("file", type=Path, metavar="FILE", help="the file that crmkit dump wrote")
    load.add_argument("--into", required=True, metavar="URL", dest="url", help="the URL of the store, which is empty")
    load.set_defaults(run=_load)
    for command in (dump, load):
        _add_place(command)
        command.add_argument("--tenant", default="", help="whose records, where a store has several tenants")


def _add_place(command: Any) -> None:
    """Let a command be told which tables of a database are meant."""
    command.add_argument(
        "--records",
        metavar="MODULE:NAME",
        help="a sequence of a vertical's own record classes, such as club.model:RECORDS",
    )
    command.add_argument("--prefix", default="crm_", help="what the names of the tables begin with (default: crm_)")
    command.add_argument("--schema", help="the schema of PostgreSQL that the tables are in")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; give it as 2025-12-31") from None


@attrs.frozen(kw_only=True)
class _Source:
    """What a report is made of, wherever it came from."""

    tables: Mapping[str, Any]
    owners: Mapping[str, str]
    as_of: date
    tz: str
    subtitle: str
    notices: Sequence[Notice] = ()


def _report(options: argparse.Namespace) -> None:
    _check_output(options.output)
    say = _progress()
    source = _of_store(options, say) if "://" in options.source else _of_folder(options, say)
    _write_report(options.output, source, options.title, say)
    print(f"The report is {options.output}")


def _demo(options: argparse.Namespace) -> None:
    options.folder.mkdir(parents=True, exist_ok=True)
    store, output = options.folder / DEMO_STORE, options.folder / DEMO_REPORT
    say = _progress()
    say("Making the sample company")
    sample = company(seed=options.seed, customers=options.customers)
    say("Storing it")
    _replace_store(store, list(sample.records()))
    with closing(CRM.open(f"sqlite:///{store}", tz=sample.tz, create=False)) as crm:
        source = _from_crm(crm, date(sample.year, 12, 31), "A sample company that crmkit made up")
        _write_report(output, source, "Sample company", say)
    print(f"The report is {output}")
    print(f'The data is {store}; open it with CRM.open("sqlite:///{store}")')


def _import(options: argparse.Namespace) -> int | None:
    if options.suggest:
        print(suggest_mapping(options.path), end="")
        return None
    if options.url is None:
        raise InvalidInput("say where to import to, such as --into sqlite:///club.db")
    say = _progress()
    with closing(_opened_for_import(options)) as crm, _plan(crm, options, say) as plan:
        say("")
        print(plan)
        for problem in plan.problems:
            print(problem, file=sys.stderr)
        if options.dry_run:
            return 1 if plan.counts["conflict"] or plan.counts["reject"] else 0
        folder = options.path / "rejects" if options.path.is_dir() else options.path.parent
        done = crm.imports.apply(
            plan,
            partial=options.partial,
            rejects=(options.rejects or folder) if options.partial else None,
            progress=lambda _, row, rows: say(f"Importing: {row:,} of {rows:,}"),
        )
    say("")
    print(done)
    for path in done.rejects:
        print(f"The rows that were left out are in {path}")
    return 1 if done.left_out else 0


def _plan(crm: CRM, options: argparse.Namespace, say: Say) -> ImportPlan:
    return crm.imports.plan(
        options.path,
        mapping=options.mapping,
        overwrite=options.overwrite,
        warn_duplicates=options.warn_duplicates,
        progress=lambda name, row, rows: say(f"Planning {name}: {row:,} of {rows or 0:,}"),
    )


def _opened_for_import(options: argparse.Namespace) -> CRM:
    """The store to import into; for a dry run one in memory where there is none yet, so that nothing is left behind."""
    file = options.url.removeprefix("sqlite:///")
    is_missing = options.dry_run and file != options.url and not Path(file).exists()
    return CRM.open(
        "memory://" if is_missing else options.url,
        records=_records(options.records),
        prefix=options.prefix,
        schema=options.schema,
        by=options.by,
    )


def _schema_status(options: argparse.Namespace) -> int:
    status = _schema(options).status()
    print(f"schema {status.version} of {status.latest}")
    for statement in status.pending:
        print(f"{statement};")
    return 0 if status.is_current else 1


def _schema_apply(options: argparse.Namespace) -> None:
    before = _schema(options).apply()
    done = f"{len(before.pending)} statements were run" if before.pending else "nothing was to be done"
    print(f"schema {before.latest}: {done}")


def _schema_verify(options: argparse.Namespace) -> int:
    problems = _schema(options).verify()
    print("\n".join(problems) if problems else "all is well")
    return 1 if problems else 0


def _schema_sql(options: argparse.Namespace) -> None:
    for statement in _schema(options).sql():
        print(f"{statement};\n")


def _dump(options: argparse.Namespace) -> None:
    _check_output(options.output, "club.zip")
    with closing(_store(options, create=False)) as store:
        manifest = dump(store, options.output)
    print(f"{manifest.records:,} records are in {options.output}")


def _load(options: argparse.Namespace) -> None:
    read_manifest(options.file)  # before a file of a store is created for nothing
    with closing(_store(options, create=True)) as store:
        manifest = load(options.file, store)
        lost = differences(store, options.file)
    if lost:
        raise StoreError(f"{options.url}: the store is not what {options.file} holds; they differ in {', '.join(lost)}")
    print(f"{manifest.records:,} records were loaded, and nothing differs")


def _store(options: argparse.Namespace, *, create: bool) -> Store:
    place = {"prefix": options.prefix, "schema": options.schema, "tenant": options.tenant}
    return open_store(options.url, create=create, records=_records(options.records), **place)


def _schema(options: argparse.Namespace) -> "Schema":
    return schema_of(options.url, records=_records(options.records), prefix=options.prefix, schema=options.schema)


def _records(named: str | None) -> Sequence[type[Record]]:
    """The record classes that MODULE:NAME names."""
    if named is None:
        return ()
    module, _, name = named.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise InvalidInput(
            f"--records {named}: there is no such sequence; give MODULE:NAME, such as club.model:RECORDS"
        ) from None
    if not isinstance(found, Sequence) or not all(
        isinstance(each, type) and issubclass(each, Record) for each in found
    ):
        raise InvalidInput(f"--records {named}: this is no sequence of record classes")
    return found


def _of_store(options: argparse.Namespace, say: Say) -> _Source:
    say(f"Reading {options.source}")
    tz = options.tz or "UTC"
    with closing(CRM.open(options.source, tz=tz, create=False)) as crm:
        return _from_crm(crm, options.as_of or _today(tz), options.source)


def _of_folder(options: argparse.Namespace, say: Say) -> _Source:
    folder = Path(options.source)
    if not folder.is_dir():
        raise InvalidInput(
            f"{options.source!r} is no folder and no store URL; give a folder of files, or 'sqlite:///club.db'"
        )
    found = read_folder(
        folder, mapping=options.mapping, progress=lambda name, row, _: say(f"Reading {name}: row {row:,}")
    )
    say("")
    for problem in found.problems:
        if problem.kind == "warning":
            print(problem, file=sys.stderr)
    tz = options.tz or found.time_zone
    return _Source(
        tables={name: found.records[cls] for name, cls in _TABLES.items()},
        owners=_names(found.records[Employee]),
        as_of=options.as_of or found.exported_on or _today(tz),
        tz=tz,
        subtitle=f"From the files in {folder.resolve().name}",
        notices=[Notice(what=each.message, where=each.where, count=each.count) for each in found.problems],
    )


def _from_crm(crm: CRM, as_of: date, subtitle: str) -> _Source:
    tables = {name: list(getattr(crm, name)) for name in _TABLES}
    return _Source(tables=tables, owners=_names(crm.employees), as_of=as_of, tz=crm.tz, subtitle=subtitle)


def _names(employees: Iterable[Record]) -> dict[str, str]:
    return {employee.id: employee.name for employee in employees if isinstance(employee, Employee)}


def _write_report(output: Path, source: _Source, title: str, say: Say) -> None:
    html = page(
        source.tables,
        as_of=source.as_of,
        tz=source.tz,
        title=title,
        subtitle=source.subtitle,
        notices=source.notices,
        owners=source.owners,
        progress=say,
    )
    say("")
    _write(output, html)


def _check_output(path: Path, example: str = DEMO_REPORT) -> None:
    """Refuse an output that cannot be written before the long work begins."""
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder; give the file to write, such as {path / example}")
    if not path.parent.is_dir():
        raise InvalidInput(f"the folder {str(path.parent)!r} of the output does not exist; create it first")


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: it cannot be written ({error.strerror}); choose another place") from None
    finally:
        part.unlink(missing_ok=True)


def _replace_store(path: Path, records: Sequence[Record]) -> None:
    """Make a store file of these records in place of an earlier one, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    _remove_store(part)
    try:
        with closing(CRM.open(f"sqlite:///{part}")) as crm:
            crm.load(records)
        _remove_store(path)
        part.replace(path)
    finally:
        _remove_store(part)


def _remove_store(path: Path) -> None:
    # A write-ahead log that outlived its file would be replayed into the next file of the name.
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _today(tz: str) -> date:
    return system_clock().astimezone(zone(tz)).date()


def _progress() -> Say:
    """Return what shows one line of progress on a terminal, and nothing in a pipe or a file."""
    if not sys.stderr.isatty():
        return lambda _: None

    def say(what: str) -> None:
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)

    return say
