"""The file of a backup: what its manifest says, and reading it without trust in anything that it says."""

import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import attrs

from crmkit import __version__
from crmkit.errors import CrmError, InvalidInput, StoreError

FORMAT, VERSION = "crmkit store", 1
"""What the manifest calls the format, and the version of it that is written here."""

LONGEST_LINE = 32 << 20
LARGEST_MANIFEST = 16 << 20
MOST_EXPANDED, ALWAYS_EXPANDED = 500, 16 << 20
"""How many bytes a line and the manifest may have; how many times larger the content may be than the file, beyond what is small."""

_NAME = re.compile(r"units\.jsonl|ledger\.jsonl|notes\.jsonl|records/[^\W\d]\w{0,99}\.jsonl")
_ORDER = {"units.jsonl": 0, "ledger.jsonl": 1, "notes.jsonl": 3}
_RECORDS = 2


@attrs.frozen
class FileFacts:
    """The lines and bytes of a file, and its SHA-256 as hexadecimal digits."""

    lines: int
    bytes: int
    sha256: str


@attrs.frozen
class Manifest:
    """What a backup holds: its files in order, the classes of its records with their fields, and the crmkit that wrote it."""

    files: Mapping[str, FileFacts]
    classes: Mapping[str, tuple[str, ...]]
    crmkit: str = __version__

    @property
    def records(self) -> int:
        """How many records it has, deleted ones included."""
        return sum(each.lines for name, each in self.files.items() if name.startswith("records/"))

    def to_json(self) -> str:
        """Return the manifest as it is written."""
        plain = {
            "format": FORMAT,
            "version": VERSION,
            "crmkit": self.crmkit,
            "classes": self.classes,
            "files": {name: attrs.asdict(each) for name, each in self.files.items()},
        }
        return json.dumps(plain, ensure_ascii=False, indent=1)


@contextmanager
def opened(path: Path | str) -> Iterator[tuple[ZipFile, Manifest]]:
    """Open a backup and check it as a whole; raises `InvalidInput` for what is none, and `StoreError` for no file."""
    file = Path(path)
    with _read_from(file.name):
        archive = ZipFile(file)
    with archive:
        with _read_from(file.name):
            manifest = _manifest(archive, file.name)
        yield archive, manifest


def lines_of(archive: ZipFile, manifest: Manifest, name: str, file: str) -> Iterator[tuple[int, Any]]:
    """Go through the lines of one file in a backup, by number, as plain data; at its end its checksum is compared."""
    expected, digest, size, n = manifest.files[name], sha256(), 0, 0
    with _read_from(file), archive.open(name) as member, BufferedReader(cast("RawIOBase", member)) as lines:
        while size <= expected.bytes and (line := lines.readline(LONGEST_LINE + 1)):
            n, size = n + 1, size + len(line)
            digest.update(line)
            yield n, _plain(line, f"line {n} of {name}", file)
    if FileFacts(n, size, digest.hexdigest()) != expected:
        raise _refused(file, f"{name} is not what its checksum says, so it was changed after it was written")


def _plain(line: bytes, where: str, file: str) -> Any:
    if len(line) > LONGEST_LINE:
        raise _refused(file, f"{where} is longer than {LONGEST_LINE >> 20} MiB")
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        raise _refused(file, f"{where} is no JSON") from None
    if not isinstance(plain, dict):
        raise _refused(file, f"{where} is no JSON object")
    return plain


@contextmanager
def _read_from(file: str) -> Iterator[None]:
    """Say what is wrong with a zip where its own errors do."""
    try:
        yield
    except CrmError:
        raise
    except FileNotFoundError:
        raise StoreError(f"{file}: there is no such file") from None
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error):
        raise _refused(file, "it is no zip, or it is damaged or cut off") from None
    except OSError as error:
        raise StoreError(f"{file}: it cannot be read ({error.strerror or 'it is damaged'})") from None


def _manifest(archive: ZipFile, file: str) -> Manifest:
    infos = archive.infolist()
    names = [each.filename for each in infos]
    if "manifest.json" not in names:
        raise _refused(file, "it has no manifest.json, so crmkit dump did not write it")
    if len(set(names)) < len(names) or any(
        each.flag_bits & 1 or each.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for each in infos
    ):
        raise _refused(file, "it has a file twice, or one that is encrypted or packed in another way")
    info = archive.getinfo("manifest.json")
    if info.file_size > LARGEST_MANIFEST:
        raise _refused(file, "its manifest is too large")
    with archive.open(info) as held:
        text = held.read(LARGEST_MANIFEST + 1)
    manifest = _read(text, file)
    sizes = {each.filename: each.file_size for each in infos if each is not info}
    if sizes != {name: each.bytes for name, each in manifest.files.items()}:
        raise _refused(file, "its files are not those of its manifest")
    if sum(sizes.values()) > ALWAYS_EXPANDED + MOST_EXPANDED * sum(each.compress_size for each in infos):
        raise _refused(file, "it grows beyond reason when it is unpacked")
    return manifest


def _read(text: bytes, file: str) -> Manifest:
    try:
        plain = json.loads(text)
        files = {name: FileFacts(**each) for name, each in plain["files"].items()}
        classes = {name: tuple(each) for name, each in plain["classes"].items()}
        manifest, version = Manifest(files, classes, plain["crmkit"]), plain["version"]
        is_ours = plain["format"] == FORMAT and type(version) is int and _is_sound(manifest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_ours = False
    if is_ours and version > VERSION:
        raise InvalidInput(
            f"{file}: a newer crmkit wrote it (format {version}, this one knows {VERSION}); upgrade with: pip install -U crmkit"
        )
    if not is_ours or version < VERSION:
        raise _refused(file, "its manifest is not one that crmkit writes")
    return manifest


def _is_sound(manifest: Manifest) -> bool:
    """Whether names and numbers in a manifest are those that we write, in our order."""
    names = list(manifest.files)
    numbers = (number for each in manifest.files.values() for number in (each.lines, each.bytes))
    return (
        all(_NAME.fullmatch(name) for name in names)
        and names == sorted(names, key=lambda name: (_ORDER.get(name, _RECORDS), name))
        and all(type(number) is int and number >= 0 for number in numbers)
    )


def _refused(file: str, why: str) -> InvalidInput:
    return InvalidInput(f"{file}: {why}; nothing was loaded, so give a file of crmkit dump as it was written")
