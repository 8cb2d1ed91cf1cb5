"""The command `crmkit import`: files into a store."""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from crmkit.cli.place import add_place, records
from crmkit.cli.terminal import Say, clear, day, progress
from crmkit.crm import CRM
from crmkit.errors import ImportFailed, InvalidInput
from crmkit.io.importing import ImportPlan, suggest_mapping

_EXAMPLES = {
    "currency": "PLN",
    "dates": "'day first'",
    "numbers": "'1,234.5'",
    "time_zone": "Europe/Warsaw",
    "exported_on": "2025-12-31",
    "country": "PL",
}
"""Words of a mapping that options stand for, and what one may give."""

_WORDS = (*_EXAMPLES, "check_points")


def add_to(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("import", help="bring a file or a folder of files into a store")
    command.add_argument("path", type=Path, metavar="FILE", help="a file, or a folder of files")
    command.add_argument("--into", "--store", dest="url", metavar="URL", help="a store URL such as sqlite:///club.db")
    command.add_argument(
        "--mapping", type=Path, metavar="FILE", help="what the columns mean (default: crmkit.toml beside the file)"
    )
    _add_words(command)
    command.add_argument(
        "--dry-run", action="store_true", help="only say what would be done; without --into, in an empty store"
    )
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
    add_place(command)
    command.set_defaults(run=_import)


def _add_words(command: argparse.ArgumentParser) -> None:
    words = command.add_argument_group("instead of what the mapping says, or where it says nothing")
    words.add_argument(
        "--currency", metavar="CODE", help="of amounts, such as PLN; or cells, where they name their own"
    )
    words.add_argument("--dates", metavar="ORDER", help="'day first', 'month first', or a format such as '%%d.%%m.%%y'")
    words.add_argument("--numbers", metavar="STYLE", help="'1,234.5', '1.234,5' or '1234.5'")
    words.add_argument("--time-zone", metavar="ZONE", help="of times that name none, such as Europe/Warsaw")
    words.add_argument("--exported-on", type=day, metavar="DATE", help="the day of the export, such as 2025-12-31")
    words.add_argument(
        "--check-points",
        action="store_true",
        default=None,
        help="mark what can be no e-mail address or telephone number as malformed",
    )
    words.add_argument("--country", metavar="CODE", help="where numbers without a country code are dialled, such as PL")


def _import(options: argparse.Namespace) -> int | None:
    if options.suggest:
        print(suggest_mapping(options.path, **_stated(options)), end="")
        return None
    if options.url is None and not options.dry_run:
        raise InvalidInput(
            "say where to import to, such as --into sqlite:///club.db; --dry-run says what the file holds"
        )
    say = progress()
    with closing(_opened(options)) as crm, _plan(crm, options, say) as plan:
        clear()
        print(plan)
        for problem in plan.problems:
            print(problem, file=sys.stderr)
        if not options.dry_run:
            return _apply(crm, plan, options, say)
        return 1 if _refused(plan) else None


def _apply(crm: CRM, plan: ImportPlan, options: argparse.Namespace, say: Say) -> int | None:
    refused = _refused(plan)
    if refused and not options.partial:
        raise ImportFailed(
            f"nothing is imported, because of {refused:,} row{'s' * (refused > 1)}; mend what is told above, or type --partial to import "
            "the other rows and write what is left out to a file"
        )
    folder = options.path / "rejects" if options.path.is_dir() else options.path.parent
    done = crm.imports.apply(
        plan,
        partial=options.partial,
        rejects=(options.rejects or folder) if options.partial else None,
        progress=lambda _, row, rows: say(f"Importing: {row:,} of {rows:,}"),
    )
    clear()
    print(done)
    for path in done.rejects:
        print(f"The rows that were left out are in {path}")
    return 1 if done.left_out else None


def _refused(plan: ImportPlan) -> int:
    return plan.counts["conflict"] + plan.counts["reject"]


def _plan(crm: CRM, options: argparse.Namespace, say: Say) -> ImportPlan:
    say(f"Reading {options.path}")
    try:
        return crm.imports.plan(
            options.path,
            mapping=options.mapping,
            overwrite=options.overwrite,
            warn_duplicates=options.warn_duplicates,
            progress=lambda name, row, rows: say(f"Planning {name}: {row:,} of {rows or 0:,}"),
            **_stated(options),
        )
    except ImportFailed as error:
        raise ImportFailed(f"{error}{_hint(str(error))}") from None


def _stated(options: argparse.Namespace) -> dict[str, Any]:
    return {word: given for word in _WORDS if (given := getattr(options, word)) is not None}


def _hint(error: str) -> str:
    """How the word of a mapping that an error asks for is typed."""
    wanted = [word for word in _EXAMPLES if f" {word} = " in error]
    return "".join(f"; or type --{word.replace('_', '-')}, such as {_EXAMPLES[word]}" for word in wanted)


def _opened(options: argparse.Namespace) -> CRM:
    """The store to import into; for a dry run one in memory where there is none yet, so that nothing is left behind."""
    url = options.url or "memory://"
    file = url.removeprefix("sqlite:///")
    is_missing = options.dry_run and file != url and not Path(file).exists()
    return CRM.open(
        "memory://" if is_missing else url,
        records=records(options.records),
        prefix=options.prefix,
        schema=options.schema,
        by=options.by,
    )
