"""Backup: a whole store as one file, and back into any store.

The file is a zip of JSON Lines that any program reads. `manifest.json` says which version of the format it is, which classes and
fields are in it, and the lines, bytes and SHA-256 of every other file:

- `units.jsonl`: units of work, numbered from 1, with who did them, when they were true and when they became known;
- `ledger.jsonl`: every change in the order of the feed, with the record as it was before;
- `records/*.jsonl`: the records as they are, deleted ones included, one file for each family of classes;
- `notes.jsonl`: the notes of the host. A place in the feed is kept as the number of entries before it, so followers go on.

The same content makes the same bytes, whatever the store.
"""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from crmkit.codec import from_plain, instant_to_text, to_plain
from crmkit.errors import CrmError, InvalidInput, StoreError
from crmkit.io.backup_file import LONGEST_LINE, FileFacts, Manifest, lines_of, opened
from crmkit.io.stores.families import family
from crmkit.io.stores.parts import EntryPart, NotePart, Part, RecordPart, UnitPart
from crmkit.io.stores.port import Copying, Records, Stamp
from crmkit.model.records import Record, fields

_WRITTEN_AT_A_TIME = 1 << 20
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # zip's first day: the bytes depend on the content alone


def dump(store: Records, path: Path | str) -> Manifest:
    """Write all that a store keeps to a file, in the place of one that is there, and return what it holds.

    Records of every class with versions and history, external ids, run-time fields, deleted records and notes; of a store for
    one of several tenants, what that tenant has. It is what was kept at one moment, and others may go on writing. Memory does not
    grow with the store. The file appears when it is whole.

    Args:
        store: with the capability "copying".
        path: of the file, which usually ends in ".zip".

    Raises:
        InvalidInput: for a store that cannot be copied, inside a unit of work, and where records are stored of a class that the
            store was not opened for.
        StoreError: where the file cannot be written or the store cannot be read.

    >>> from tempfile import mkdtemp
    >>> from crmkit.io.stores import MemoryStore
    >>> store, other = MemoryStore(), MemoryStore()
    >>> store.add([Employee(id="ann", name="Ann")])
    1
    >>> path = f"{mkdtemp()}/club.zip"
    >>> dump(store, path).files["records/Employee.jsonl"].lines
    1
    >>> _ = load(path, other)
    >>> other.get(Employee, "ann") == store.get(Employee, "ann"), differences(other, path)
    (True, ())
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        with _written(target):
            try:
                manifest = _dump(_copying(store), part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
    except RecursionError:
        raise InvalidInput("a record is nested too deep to be written") from None
    return manifest


def load(path: Path | str, store: Records) -> Manifest:
    """Keep in an empty store all that a file of `dump` holds, and return what that is; all of it or nothing.

    The store may be of another kind than the one that the file came from. Memory does not grow with the file, but for a store in
    memory. Every file in it is checked against its checksum in the same unit of work in which it is kept, so of one that was
    changed, cut off or made up nothing is kept.

    Args:
        path: of the file.
        store: empty, with the capability "copying", and opened for all classes that are in the file.

    Raises:
        InvalidInput: for a file that `dump` did not write, or that is no longer as it wrote it; for one of a newer crmkit; for
            records of a class that the store was not opened for; for a store that is not empty or cannot be copied.
        StoreError: where the file cannot be read or the store cannot be written.
    """
    with opened(path) as (archive, manifest):
        known = {each.__name__: each for each in store.classes}
        _check_classes(manifest, known, Path(path).name)
        with closing(_parts(archive, manifest, known, Path(path).name)) as parts:
            _copying(store).fill(parts)
    return manifest


def read_manifest(path: Path | str) -> Manifest:
    """Return what a file of `dump` holds, without reading the rest; raises as `load` does for a file that is none."""
    with opened(path) as (_, manifest):
        return manifest


def differences(store: Records, path: Path | str) -> tuple[str, ...]:
    """Return the names of the files in a dump that are not what the store keeps now; nothing where both are the same.

    Asked after `load`, it shows that nothing was lost. Raises as `load` does for a file that cannot be read.
    """
    with opened(path) as (_, manifest):
        there = {name: _facts(lines) for name, lines in _files(_copying(store))}
    names = sorted(manifest.files.keys() | there.keys())
    return tuple(name for name in names if manifest.files.get(name) != there.get(name))


def _copying(store: Records) -> Copying:
    if isinstance(store, Copying):
        return store
    raise InvalidInput(
        f"a {type(store).__name__} cannot be copied; give a store with the capability 'copying', such as one of open_store"
    )


def _dump(store: Copying, path: Path) -> Manifest:
    facts, classes = dict[str, FileFacts](), dict[str, tuple[str, ...]]()
    with ZipFile(path, "w", ZIP_DEFLATED) as archive, closing(_files(store, classes)) as files:
        for name, lines in files:
            with archive.open(_info(name), "w", force_zip64=True) as target:
                facts[name] = _facts(lines, target.write)
        manifest = Manifest(facts, dict(sorted(classes.items())))
        archive.writestr(_info("manifest.json"), manifest.to_json())
    return manifest


def _info(name: str) -> ZipInfo:
    info = ZipInfo(name, _LONG_AGO)
    info.compress_type, info.external_attr = ZIP_DEFLATED, 0o600 << 16
    return info


def _files(
    store: Copying, classes: dict[str, tuple[str, ...]] | None = None
) -> Generator[tuple[str, Iterator[bytes]], None, None]:
    """The files of a dump by name, with their lines; `classes` takes the classes that are met, and their fields."""
    met = {} if classes is None else classes
    with closing(store.contents()) as contents:
        for name, parts in groupby(contents, _file_of):
            yield name, (_line(part, met) for part in parts)


def _file_of(part: Part) -> str:
    if isinstance(part, RecordPart):
        return f"records/{family(type(part.record)).__name__}.jsonl"
    return {UnitPart: "units.jsonl", EntryPart: "ledger.jsonl", NotePart: "notes.jsonl"}[type(part)]


def _facts(lines: Iterable[bytes], write: Callable[[bytes], object] = len) -> FileFacts:
    """Write lines, and say how many they are, how many bytes, and their checksum."""
    digest, n, size, held = sha256(), 0, 0, bytearray()

    def flush() -> None:
        digest.update(held)
        write(bytes(held))
        held.clear()

    for line in lines:
        n, size = n + 1, size + len(line)
        held += line
        if len(held) >= _WRITTEN_AT_A_TIME:
            flush()
    flush()
    return FileFacts(n, size, digest.hexdigest())


def _line(part: Part, classes: dict[str, tuple[str, ...]]) -> bytes:
    plain = _plain(part)
    for record in (getattr(part, "record", None), getattr(part, "before", None)):
        if record is not None and type(record).__name__ not in classes:
            classes[type(record).__name__] = tuple(each.name for each in fields(type(record)))
    line = (
        json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode() + b"\n"
    )
    if len(line) > LONGEST_LINE:
        raise InvalidInput(
            f"a record or note is larger than {LONGEST_LINE >> 20} MiB as JSON; make it smaller to copy it"
        )
    return line


def _plain(part: Part) -> dict[str, Any]:
    if isinstance(part, UnitPart):
        stamp = part.stamp
        times = {"at": stamp.at, "recorded_at": stamp.recorded_at}
        told = {name: None if each is None else instant_to_text(each) for name, each in times.items()}
        return {"number": part.number, "by": stamp.by, **told}
    if isinstance(part, EntryPart):
        names = {"class": part.subject, "id": part.subject_id}
        before = None if part.before is None else _named(part.before)
        return {"unit": part.unit, "kind": part.kind, **names, "version": part.version, "before": before}
    if isinstance(part, RecordPart):
        where = {"version": part.version, "added_in": part.added_in, "deleted_in": part.deleted_in}
        return {**_named(part.record), **where}
    return {"key": part.key, "text": part.text, "after": part.after}


def _named(record: Record) -> dict[str, Any]:
    return {"class": type(record).__name__, "record": to_plain(record)}


def _check_classes(manifest: Manifest, known: Mapping[str, type[Record]], name: str) -> None:
    missing = sorted(manifest.classes.keys() - known.keys())
    if missing:
        raise InvalidInput(
            f"{name}: it has records of {', '.join(missing)}, which the store was not opened for; open it with records="
        )


def _parts(
    archive: ZipFile, manifest: Manifest, known: Mapping[str, type[Record]], file: str
) -> Generator[Part, None, None]:
    """The parts in a file, each checked as it is read."""
    for name in manifest.files:
        make = _MAKERS.get(name, _record_part)
        for n, plain in lines_of(archive, manifest, name, file):
            try:
                part = make(plain, known)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                said = f" ({error})" if isinstance(error, CrmError) else ""
                raise InvalidInput(
                    f"{file}: line {n} of {name} is nothing that crmkit writes{said}; nothing was loaded"
                ) from None
            yield part


def _unit_part(plain: Mapping[str, Any], _: Mapping[str, type[Record]]) -> UnitPart:
    at, recorded_at = (
        None if plain[name] is None else datetime.fromisoformat(plain[name]) for name in ("at", "recorded_at")
    )
    return UnitPart(_whole(plain["number"]), Stamp(_text(plain["by"]), at, recorded_at))


def _entry_part(plain: Mapping[str, Any], known: Mapping[str, type[Record]]) -> EntryPart:
    if plain["kind"] not in ("added", "changed", "deleted", "restored", "purged"):
        raise TypeError
    before = None if plain["before"] is None else _record(plain["before"], known)
    names = str(_text(plain["class"])), str(_text(plain["id"]))
    return EntryPart(_whole(plain["unit"]), plain["kind"], *names, _whole(plain["version"]), before)


def _record_part(plain: Mapping[str, Any], known: Mapping[str, type[Record]]) -> RecordPart:
    gone = None if plain["deleted_in"] is None else _whole(plain["deleted_in"])
    return RecordPart(_record(plain, known), _whole(plain["version"]), _whole(plain["added_in"]), gone)


def _note_part(plain: Mapping[str, Any], _: Mapping[str, type[Record]]) -> NotePart:
    after = None if plain["after"] is None else _whole(plain["after"], least=0)
    if (plain["text"] is None) == (after is None) or plain["key"] is None:
        raise TypeError
    return NotePart(str(_text(plain["key"])), _text(plain["text"]), after)


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, type[Record]]], Part]] = {
    "units.jsonl": _unit_part,
    "ledger.jsonl": _entry_part,
    "notes.jsonl": _note_part,
}


def _record(plain: Mapping[str, Any], known: Mapping[str, type[Record]]) -> Record:
    return from_plain(known[plain["class"]], plain["record"])


def _whole(number: object, least: int = 1) -> int:
    if type(number) is not int or not least <= number < 2**62:
        raise TypeError
    return number


def _text(text: object) -> str | None:
    """Text that every store holds, or None."""
    if text is not None and (not isinstance(text, str) or "\x00" in text or not _is_utf8(text)):
        raise TypeError
    return text


def _is_utf8(text: str) -> bool:
    return text.encode(errors="replace").decode() == text


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path}: it cannot be written ({error.strerror}); choose another place") from None
