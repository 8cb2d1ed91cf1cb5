"""The commands `crmkit report` and `crmkit demo`: the KPIs of a store or of files as one page."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import attrs

from crmkit.cli.terminal import Say, check_output, day, progress
from crmkit.crm import CRM, system_clock
from crmkit.errors import InvalidInput, StoreError
from crmkit.io.folder import read_folder
from crmkit.model import Deal, Employee, Interaction, Order, Record, SurveyResponse, Ticket
from crmkit.report import Notice, page
from crmkit.sample import company
from crmkit.stats.periods import zone

DEMO_STORE = "crmkit-demo.db"
DEMO_REPORT = "report.html"

_TABLES: Mapping[str, type[Record]] = {
    "deals": Deal,
    "orders": Order,
    "tickets": Ticket,
    "interactions": Interaction,
    "survey_responses": SurveyResponse,
}


def add_to(commands: Any) -> None:
    """Add the commands."""
    report = commands.add_parser("report", help="write the KPIs of a store or a folder of files as one HTML page")
    report.add_argument(
        "source", metavar="SOURCE", help="a store URL such as sqlite:///club.db, or a folder of CSV files"
    )
    report.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the page to write")
    report.add_argument(
        "--mapping", type=Path, metavar="FILE", help="what the files mean (default: crmkit.toml in the folder)"
    )
    report.add_argument(
        "--as-of", type=day, metavar="DATE", help="the day to report on (default: of the export, or today)"
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
    check_output(options.output, DEMO_REPORT)
    say = progress()
    source = _of_store(options, say) if "://" in options.source else _of_folder(options, say)
    _write_report(options.output, source, options.title, say)
    print(f"The report is {options.output}")


def _demo(options: argparse.Namespace) -> None:
    options.folder.mkdir(parents=True, exist_ok=True)
    store, output = options.folder / DEMO_STORE, options.folder / DEMO_REPORT
    say = progress()
    say("Making the sample company")
    sample = company(seed=options.seed, customers=options.customers)
    say("Storing it")
    _replace_store(store, list(sample.records()))
    with closing(CRM.open(f"sqlite:///{store}", tz=sample.tz, create=False)) as crm:
        source = _from_crm(crm, date(sample.year, 12, 31), "A sample company that crmkit made up")
        _write_report(output, source, "Sample company", say)
    print(f"The report is {output}")
    print(f'The data is {store}; open it with CRM.open("sqlite:///{store}")')


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
