"""Gives arbitrary bytes to the readers of files, until one raises something else than `CrmError`, or takes too long or too much memory.

    python bench/fuzz.py                                      # every format for twenty seconds
    python bench/fuzz.py csv --seconds 600 --seeds folder     # one for ten minutes, beginning with the files of a folder

Atheris changes bytes so that they reach code that no others have reached. What a reader makes rows of is also recognised, suggested a
mapping for, imported into a store in memory by a mapping that fits any table, and planned again, which must find nothing new. Bytes of a
finding are left in the working folder, as crash-..., timeout-... or oom-..., and `python bench/fuzz.py csv crash-...` runs them again.
"""

import argparse
import io
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zlib import crc32

SECONDS_AN_INPUT = 10
MOST_MIB = 2048
MOST_BYTES = 50_000
MOST_ROWS = 50
ONE_IN = 32
"""Only one in so many tables, and none with more rows, goes on into a store, because that takes a hundred times as long as to read it."""

COLUMNS = ["no", "name", "mail", "born", "amount"]
ROWS = [
    {"no": "1", "name": "Ann Kowalska", "mail": "ann@example.org", "born": "31/12/1990", "amount": "1.234,50"},
    {"no": "2", "name": "=Bob", "mail": "", "born": "1/2/1991", "amount": "-5"},
]
CALLS = b"id,start,src,dst,disposition,duration\n1,2025-05-01 10:00:00+02:00,+4860,22,ANSWERED,1:05\n2,,,,BUSY,7\n"
MAIL = (
    b"From x Thu May  1 10:00:00 2025\nMessage-ID: <1@x>\nFrom: =?utf-8?q?Ann?= <ann@example.org>\nTo: b@example.org\nDate: Thu, 1 May 2025 10:00:00 +0200\n"
    b'Subject: tea\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain; charset=utf-8\n'
    b"Content-Transfer-Encoding: base64\n\nxYF1a2FzegPo\n--x--\n"
)
CALENDAR = (
    b"BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:Club\r\nBEGIN:DAYLIGHT\r\nDTSTART:19810329T020000\r\nTZOFFSETFROM:+0100\r\n"
    b"TZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\nBEGIN:STANDARD\r\nDTSTART:19961027T030000\r\n"
    b"TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    b"BEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=Club:20250501T100000\r\nDURATION:PT1H\r\nATTENDEE;CN=Ann;PARTSTAT=ACCEPTED:mailto:a@b.pl\r\n"
    b"SUMMARY:long\r\n  and folded\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def seeds(name: str, given: Path | None) -> Iterator[bytes]:
    """Small files of a format: one that crmkit writes, and those of a folder that have the right ending."""
    from crmkit.io import formats

    form = formats.by_name(name)
    with tempfile.TemporaryDirectory() as folder:
        if form.writes:
            path = Path(folder, "seed").with_suffix(form.endings[0])
            rows = PLAIN.get(name, ROWS)
            form.write(path, list(rows[0]), rows)
            yield path.read_bytes()
    yield from OTHER_SEEDS.get(name, ())
    endings = form.endings or (".csv",)
    for path in sorted(given.rglob("*")) if given else ():
        if path.is_file() and path.suffix.lower() in endings:
            content = path.read_bytes()
            if name in TEXT or len(content) <= MOST_BYTES:
                yield content[:SEED_BYTES] if name in TEXT else content


def open_document() -> bytes:
    """A workbook of LibreOffice."""
    spaces = " ".join(
        f'xmlns:{each}="urn:oasis:names:tc:opendocument:xmlns:{each}:1.0"' for each in ("office", "table", "text")
    )
    cells = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{each}</text:p></table:table-cell>' for each in COLUMNS
    )
    dated = (
        '<table:table-cell office:value-type="date" office:date-value="2025-05-01" table:number-columns-repeated="5"/>'
    )
    rows = f"<table:table-row>{cells}</table:table-row><table:table-row>{dated}</table:table-row>"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="S">{rows}</table:table></office:spreadsheet></office:body></office:document-content>',
        )
    return made.getvalue()


PLAIN: dict[str, list[dict[str, Any]]] = {
    "vcard": [{"FN": "Ann Kowalska", "N": "Kowalska;Ann;;;", "EMAIL": "ann@example.org", "TEL": "+48600100200"}],
    "ical": [{"uid": "1", "summary": "tea", "start": datetime(2025, 5, 1, 10, tzinfo=UTC), "rrule": "FREQ=DAILY"}],
}
OTHER_SEEDS = {
    "calls": [CALLS],
    "mail": [MAIL, MAIL.partition(b"\n")[2]],
    "excel": [open_document()],
    "ical": [CALENDAR],
}
TEXT = ("csv", "tsv", "json_lines", "vcard", "ical", "mail", "calls")
SEED_BYTES = 4_000
"""Texts are cut off, for short ones are changed faster."""


def target(name: str, folder: Path) -> Callable[[bytes], None]:
    """What is done with the bytes of a file of a format."""
    from crmkit.errors import CrmError
    from crmkit.io import formats, presets
    from crmkit.io.importing import plan_import, suggest_mapping
    from crmkit.io.mapping import folder_mapping
    from crmkit.io.stores import open_store

    form = formats.by_name(name)
    path = Path(folder, "file").with_suffix(form.endings[0] if form.endings else ".csv")

    def run(content: bytes) -> None:
        path.write_bytes(content)
        try:
            columns = form.columns(path)
            count = sum(1 for _ in form.read(path))
            formats.for_path(path)
        except CrmError:
            return
        if columns and count <= MOST_ROWS and crc32(content) % ONE_IN == 0:
            whole_import(columns)

    def whole_import(columns: tuple[str, ...]) -> None:
        words = {
            "path": path.name, "record": "Customer", "format": name, "key": "FN" if "FN" in columns else columns[0], "match": ["email"], "custom": ["*"],
            "fields": {
                "kind": {"value": "person"}, "name": {"columns": list(columns[:2]), "otherwise": columns[-1]},
                "birth_on": {"column": columns[-1], "lenient": True},
                "contact_points": [{"kind": "email", "column": columns[len(columns) // 2]}],
            },
        }  # fmt: skip
        store = open_store("memory://")
        for work in (
            lambda: presets.recognise(path),
            lambda: suggest_mapping(path),
            lambda: imported(store, folder_mapping(source="fuzz", files=[words])),
            lambda: plan_import(store, path).close(),
        ):
            try:
                work()
            except CrmError:
                continue

    def imported(store: Any, mapping: Any) -> None:
        with plan_import(store, path, mapping=mapping) as plan:
            plan.apply(store, partial=True, rejects=folder / "rejects")
        with plan_import(store, path, mapping=mapping) as plan:
            assert not plan.counts["create"] + plan.counts["update"], "importing twice changes something"

    return run


def changed_member(content: bytes, most: int, seed: int) -> bytes:
    """A workbook with a change within one of its parts, for bytes that are no archive would never get far."""
    import atheris

    chance = random.Random(seed)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # noqa: BLE001 - what is no archive is changed as it is
        parts = {}
    if not parts or chance.random() < 0.1:
        return bytes(atheris.Mutate(content, most))
    name = chance.choice(list(parts))
    parts[name] = bytes(atheris.Mutate(parts[name], max(most // 2, len(parts[name]) + 1)))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, part in parts.items():
            archive.writestr(each, part)
    return made.getvalue()[:most]


def fuzz(name: str, options: argparse.Namespace) -> None:
    if find_spec("atheris") is None:
        from peers import python_with

        sys.path += map(str, python_with("atheris==3.0.0").parents[1].glob("lib/*/site-packages"))
    import atheris

    with atheris.instrument_imports(include=["crmkit.io", "email", "csv", "zipfile"], enable_loader_override=False):
        from crmkit.io import formats  # noqa: F401
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        with atheris.instrument_imports(include=["crmkit.io"], enable_loader_override=False):
            run = target(name, Path(folder))
            corpus = Path(folder, "corpus")
            corpus.mkdir()
            for number, content in enumerate(seeds(name, options.seeds)):
                (corpus / f"{number}").write_bytes(content)
                run(content)
        flags = [
            f"-max_total_time={options.seconds}", f"-timeout={SECONDS_AN_INPUT}", f"-rss_limit_mb={MOST_MIB}", f"-max_len={MOST_BYTES}",
            "-print_final_stats=1", "-verbosity=1",
        ]  # fmt: skip
        inputs = [str(options.input)] if options.input else [str(corpus)]
        custom = {"custom_mutator": changed_member} if name == "excel" else {}
        atheris.Setup([sys.argv[0], *flags, *inputs], run, **custom)
        atheris.Fuzz()


def main() -> None:
    from crmkit.io import formats

    names = [form.name for form in formats.FORMATS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", nargs="?", choices=names)
    parser.add_argument("input", nargs="?", type=Path, help="a finding, to be run again")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seeds", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.format:
        fuzz(options.format, options)
        return
    failed = []
    for name in names:
        seeded = ["--seeds", str(options.seeds)] if options.seeds else []
        done = subprocess.run([sys.executable, __file__, name, "--seconds", str(options.seconds), *seeded], capture_output=True, text=True, check=False)  # fmt: skip
        executions = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print(
            f"{name:12} {(executions or ['?'])[0]:>10} executions  {'FAILED' if done.returncode else 'nothing found'}"
        )
        if done.returncode:
            failed.append(name)
            print(done.stderr[-3000:])
    sys.exit(f"something was found in {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
