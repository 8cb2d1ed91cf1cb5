"""The command `crmkit schema`: the tables of a store."""

import argparse
from typing import TYPE_CHECKING, Any

from crmkit.cli.place import add_place, records
from crmkit.io.stores import schema_of

if TYPE_CHECKING:
    from crmkit.io.stores.sql.schema import Schema


def add_to(commands: Any) -> None:
    """Add the command."""
    schema = commands.add_parser("schema", help="look at the tables of a store, and bring them up to date")
    actions = schema.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("status", _status, "say what is there and what is to be done; exit status 1 where something is"),
        ("apply", _apply, "bring the tables up to date"),
        ("verify", _verify, "say what is missing; exit status 1 where something is"),
        ("sql", _sql, "print the statements that create the tables, for a migration of the host's own"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("url", metavar="URL", help="a store URL such as postgresql://anna@localhost/club")
        add_place(action)
        action.set_defaults(run=run)


def _status(options: argparse.Namespace) -> int:
    status = _schema(options).status()
    print(f"schema {status.version} of {status.latest}")
    for statement in status.pending:
        print(f"{statement};")
    return 0 if status.is_current else 1


def _apply(options: argparse.Namespace) -> None:
    before = _schema(options).apply()
    done = f"{len(before.pending)} statements were run" if before.pending else "nothing was to be done"
    print(f"schema {before.latest}: {done}")


def _verify(options: argparse.Namespace) -> int:
    problems = _schema(options).verify()
    print("\n".join(problems) if problems else "all is well")
    return 1 if problems else 0


def _sql(options: argparse.Namespace) -> None:
    for statement in _schema(options).sql():
        print(f"{statement};\n")


def _schema(options: argparse.Namespace) -> "Schema":
    return schema_of(options.url, records=records(options.records), prefix=options.prefix, schema=options.schema)
