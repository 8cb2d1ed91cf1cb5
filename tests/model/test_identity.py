"""Ids: unique, in the order of their making, and the only thing that reads the clock."""

import ast
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import RFC_4122, UUID

import pytest

import crmkit
from crmkit.model import new_id

PURE = [
    path
    for room in ("model", "stats", "frames", "metrics")
    for path in sorted((Path(crmkit.__file__).parent / room).glob("**/*.py"))
    if path.name != "identity.py"
]


def test_ids_are_unique_and_sort_by_the_time_of_their_making() -> None:
    ids = [new_id() for _ in range(2000)]

    assert len(set(ids)) == 2000
    assert ids == sorted(ids)


def test_an_id_is_a_uuid_of_version_7_in_its_usual_form() -> None:
    made = new_id()

    assert str(UUID(made)) == made
    assert UUID(made).version == 7
    assert UUID(made).variant == RFC_4122


def test_an_id_holds_the_millisecond_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = UUID(new_id()).int >> 80
    after = time.time_ns() // 1_000_000

    assert before <= milliseconds <= after


def test_two_ids_of_one_instant_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_735_689_600_123_456_789)

    assert new_id() != new_id()


def reads_of_clock_or_chance(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today", "time_ns", "monotonic"}:
            yield f"line {node.lineno} reads .{node.attr}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {node.module} if isinstance(node, ast.ImportFrom) else {alias.name for alias in node.names}
            yield from (
                f"line {node.lineno} imports {name}" for name in names & {"time", "random", "secrets", "locale"}
            )


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_but_new_id_reads_the_clock(path: Path) -> None:
    assert not list(reads_of_clock_or_chance(ast.parse(path.read_text(encoding="utf-8"))))
