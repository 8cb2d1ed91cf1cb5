"""Whether a workbook may be opened: hostile ones abort the process of whoever reads them, or fill its memory.

A workbook of 1.5 KB can hold a cell in the first and one in the last corner of a sheet, for which readers set aside every cell
between. So before a reader sees it, `.xlsx` and `.ods` are inflated piece by piece within limits and their cells counted, and
old `.xls` are opened in a process of their own first. The scan also finds the cells that hold errors, which readers hand out as
empty.
"""

import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from crmkit.io.formats.files import MIB, failed, reading
from crmkit.io.formats.sheet_scan import Place, Refused, SheetScan

KIND = "a workbook (.xlsx, .xls or .ods)"
MOST_BYTES = 128 * MIB
"""How large the file may be."""
MOST_INFLATED = 512 * MIB
"""How large what is compressed in it may be."""
MOST_RATIO = 200
"""How many times as large as the compressed part the text of a part of more than 1 MiB may be; usual sheets have 10 to 40."""
MOST_CELLS = 2**24
"""How many cells the rectangle around the cells of all sheets may have: a million rows of sixteen columns."""
MOST_SECONDS = 60
"""How long opening an `.xls` may take."""

_PIECE = 2**18
_MOST_PARTS = 10_000

# The reader gets two GiB of memory where the system can limit it. What it prints tells a workbook that is no good from a
# process that cannot run.
_TRIAL = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
except (ImportError, ValueError, OSError):
    pass
sys.path[:] = sys.argv[2:]
import python_calamine
print("began", flush=True)
try:
    book = python_calamine.CalamineWorkbook.from_path(sys.argv[1])
    cells = sum(sheet.height * sheet.width for sheet in map(book.get_sheet_by_name, book.sheet_names))
    print("cells", cells)
except python_calamine.PasswordError:
    print("locked")
except python_calamine.CalamineError:
    print("refused")
"""


def check_workbook(path: Path) -> Mapping[str, frozenset[Place]]:
    """Return, by sheet, the cells of an `.xlsx` that hold errors such as #N/A, as row and column counted from 0.

    Raises `ImportFailed` for a file that is no workbook, is damaged, or would take more than the limits of this module.
    """
    with reading(path, KIND, most=MOST_BYTES), path.open("rb") as file:
        begin = file.read(8)
        if begin.startswith(b"\xd0\xcf\x11\xe0"):
            _try(path)
            return {}
        if begin.startswith(b"PK"):
            return _scan(path, file)
    raise failed(path, f"is no workbook; give the path of {KIND}, or name the format that it has")


def _scan(path: Path, file: BinaryIO) -> Mapping[str, frozenset[Place]]:
    scan = SheetScan(MOST_CELLS)
    try:
        with ZipFile(file) as archive:
            parts = archive.infolist()
            _check_parts(parts)
            for part in parts:
                scan.read(part.filename, _inflated(file, part))
    except Refused as error:
        raise failed(path, str(error)) from None
    except (BadZipFile, EOFError, NotImplementedError, OverflowError, ValueError, struct.error, zlib.error):
        raise failed(path, "is damaged; save it again with a spreadsheet program") from None
    return scan.errors()


def _check_parts(parts: Sequence[ZipInfo]) -> None:
    names = [part.filename.lower() for part in parts]
    if "xl/workbook.xml" not in names and "content.xml" not in names:
        raise Refused("is an archive but no workbook; save the table as .xlsx or .ods")
    if len(set(names)) < len(names) or len(names) > _MOST_PARTS:
        raise Refused("is no usual workbook; save it again with a spreadsheet program")
    if sum(part.file_size for part in parts) > MOST_INFLATED:
        raise Refused(
            f"holds more than {MOST_INFLATED // MIB} MiB when it is inflated; split it, or save the sheet as CSV"
        )
    for part in parts:
        if part.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or part.flag_bits & 1:
            raise Refused("is encrypted or compressed in a rare way; save it without a password")
        if part.file_size > max(MIB, part.compress_size * MOST_RATIO):
            raise Refused(
                "holds far more than its size tells, as hostile files do; save it again with a spreadsheet program"
            )


def _inflated(file: BinaryIO, part: ZipInfo) -> Iterator[bytes]:
    """The content of a part, piece by piece; raise where it is not of the length that the directory tells.

    Readers go by the compressed data, so a directory that tells less would hide what they will meet.
    """
    file.seek(part.header_offset)
    lengths = struct.unpack("<26x2H", file.read(30))
    file.seek(sum(lengths), 1)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS) if part.compress_type == ZIP_DEFLATED else None
    left, length = part.compress_size, 0
    while left:
        packed = file.read(min(left, _PIECE))
        if not packed:
            raise EOFError
        left -= len(packed)
        while packed:
            piece = inflate.decompress(packed, _PIECE) if inflate else packed
            packed = inflate.unconsumed_tail if inflate else b""
            length += len(piece)
            if length > part.file_size:
                raise EOFError
            yield piece
    if length < part.file_size:
        raise EOFError


def _try(path: Path) -> None:
    """Open the workbook in a process of its own, which may run out of memory or be aborted."""
    command = [sys.executable, "-I", "-c", _TRIAL, str(path.resolve()), *filter(None, sys.path)]
    try:
        trial = subprocess.run(command, capture_output=True, timeout=MOST_SECONDS, check=False, text=True)  # noqa: S603 - no shell
    except subprocess.TimeoutExpired:
        raise failed(path, f"takes more than {MOST_SECONDS} seconds to open; save it as .xlsx") from None
    said = trial.stdout.split()
    if said[:1] != ["began"]:
        raise failed(path, "cannot be tried in a process of its own, so it is not opened; save it as .xlsx")
    if said[1:] == ["locked"]:
        raise failed(path, "is locked by a password; save it without one")
    if said[1:] == ["refused"]:
        raise failed(path, "is damaged or no workbook; save it again with a spreadsheet program")
    if said[1:2] != ["cells"] or int(said[2]) > MOST_CELLS:
        raise failed(path, f"its cells span more than {MOST_CELLS:,} cells or the memory; save it as .xlsx")
