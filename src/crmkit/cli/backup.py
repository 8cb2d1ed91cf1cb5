"""The commands `crmkit dump` and `crmkit load`: a whole store as a file."""

import argparse
from contextlib import closing
from pathlib import Path
from typing import Any

from crmkit.cli.place import add_place, records
from crmkit.cli.terminal import check_output
from crmkit.errors import StoreError
from crmkit.io import backup
from crmkit.io.stores import Store, open_store


def add_to(commands: Any) -> None:
    """Add the commands."""
    dump = commands.add_parser("dump", help="write a whole store to a file: records, history, notes")
    dump.add_argument("url", metavar="URL", help="a store URL such as sqlite:///club.db")
    dump.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the file to write, a zip")
    dump.set_defaults(run=_dump)
    load = commands.add_parser("load", help="bring what crmkit dump wrote into an empty store of any kind")
    load.add_argument("file", type=Path, metavar="FILE", help="the file that crmkit dump wrote")
    load.add_argument("--into", required=True, metavar="URL", dest="url", help="the URL of the store, which is empty")
    load.set_defaults(run=_load)
    for command in (dump, load):
        add_place(command)
        command.add_argument("--tenant", default="", help="whose records, where a store has several tenants")


def _dump(options: argparse.Namespace) -> None:
    check_output(options.output, "club.zip")
    with closing(_store(options, create=False)) as store:
        manifest = backup.dump(store, options.output)
    print(f"{manifest.records:,} records are in {options.output}")


def _load(options: argparse.Namespace) -> None:
    backup.read_manifest(options.file)  # before a file of a store is created for nothing
    with closing(_store(options, create=True)) as store:
        manifest = backup.load(options.file, store)
        lost = backup.differences(store, options.file)
    if lost:
        raise StoreError(f"{options.url}: the store is not what {options.file} holds; they differ in {', '.join(lost)}")
    print(f"{manifest.records:,} records were loaded, and nothing differs")


def _store(options: argparse.Namespace, *, create: bool) -> Store:
    place = {"prefix": options.prefix, "schema": options.schema, "tenant": options.tenant}
    return open_store(options.url, create=create, records=records(options.records), **place)
