"""Whatever bytes a file has: it is imported, once, or refused in a sentence. `bench/fuzz.py` looks for exceptions for longer."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError
from crmkit.io import formats, presets
from crmkit.io.importing import plan_import, suggest_mapping
from crmkit.io.mapping import folder_mapping
from crmkit.io.stores import MemoryStore

ROWS: list[dict[str, Any]] = [
    {"no": f"{number}", "name": f"Ann Łoś {number}", "mail": f"ann{number}@example.org", "born": "31/12/1990"}
    for number in range(3)
]
EVENTS: list[dict[str, Any]] = [
    {"uid": f"{number}", "summary": "tea", "start": datetime(2025, 5, 1, 10, tzinfo=UTC)} for number in range(3)
]
CARDS: list[dict[str, Any]] = [{"FN": f"Ann {number}", "EMAIL": f"ann{number}@example.org"} for number in range(3)]
OTHER_ROWS: dict[str, list[dict[str, Any]]] = {"ical": EVENTS, "vcard": CARDS}
TEXTS = {
    "mail": "From x\nMessage-ID: <1@example.org>\nFrom: Ann <ann@example.org>\nDate: Thu, 1 May 2025 10:00:00 +0200\nSubject: tea\n\nHello\n",
    "calls": "id,start,src,dst\n1,2025-05-01 10:00:00+02:00,+48600100200,22\n2,2025-05-01 11:00:00+02:00,22,33\n",
}


def _sound(form: formats.Format, folder: Path) -> Path:
    """A file without a fault."""
    path = folder / f"file{form.endings[0] if form.endings else '.csv'}"
    if form.name in TEXTS:
        path.write_text(TEXTS[form.name])
    else:
        rows = OTHER_ROWS.get(form.name, ROWS)
        form.write(path, [*rows[0]], rows)
    return path


@pytest.fixture(params=formats.FORMATS, ids=lambda form: form.name, scope="module")
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, str]:
    for package in ("python_calamine", "xlsxwriter", "pyarrow", "charset_normalizer"):
        pytest.importorskip(package)
    path = _sound(request.param, tmp_path_factory.mktemp("files"))
    return path, path.read_bytes(), request.param.name


def _words(path: Path, form: str, columns: tuple[str, ...]) -> dict[str, Any]:
    person = {"kind": {"value": "person"}, "name": {"columns": [*columns[:2]], "otherwise": columns[-1]}}
    point = {"kind": "email", "column": columns[len(columns) // 2]}
    fields = {**person, "contact_points": [point], "birth_on": {"column": columns[-1], "lenient": True}}
    key = "FN" if "FN" in columns else columns[0]
    return {"path": path.name, "record": "Customer", "format": form, "key": key, "custom": ["*"], "fields": fields}


def _import_twice(path: Path, form: str) -> int:
    """Import a file, see that the second time nothing is new, and return how many records it made."""
    store = MemoryStore()
    words = _words(path, form, formats.by_name(form).columns(path))
    mapping = folder_mapping(source="any", files=[words])
    with plan_import(store, path, mapping=mapping) as plan:
        made = plan.apply(store, partial=True, rejects=path.parent / "rejects").created
    with plan_import(store, path, mapping=mapping) as plan:
        assert (plan.counts["create"], plan.counts["update"]) == (0, 0)
    return made


@given(data=st.data())
def test_a_damaged_file_is_imported_once_or_refused_in_a_sentence(
    sound: tuple[Path, bytes, str], data: st.DataObject
) -> None:
    path, content, form = sound
    begin = data.draw(st.integers(0, len(content)))
    damage = data.draw(st.binary(max_size=4))
    path.write_bytes(content[:begin] + damage + content[begin + data.draw(st.integers(0, 4)) :])
    for use in (presets.recognise, suggest_mapping, lambda path: _import_twice(path, form)):
        with suppress(CrmError):
            use(path)


def test_a_sound_file_is_imported(sound: tuple[Path, bytes, str]) -> None:
    path, content, form = sound
    path.write_bytes(content)
    assert _import_twice(path, form) > 0
