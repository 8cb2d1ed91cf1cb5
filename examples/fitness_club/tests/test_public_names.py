"""The vertical is small, and stands on public names of crmkit alone: those of the modules that its documentation names."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
DOCS = HERE.parents[1] / "docs"


def _imports() -> Iterator[tuple[str, str, str]]:
    """File, module and name of everything that is imported of crmkit."""
    for path in sorted((HERE / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "crmkit":
                yield from ((path.name, node.module or "", each.name) for each in node.names)
            if isinstance(node, ast.Import):
                assert not [each.name for each in node.names if each.name.split(".")[0] == "crmkit"], path


def test_only_documented_modules_are_imported_and_no_private_names() -> None:
    if not DOCS.is_dir():
        pytest.skip(f"the documentation of crmkit is not at {DOCS}")
    text = "\n".join(path.read_text("utf-8") for path in DOCS.rglob("*.md"))
    documented = {each.rstrip(".") for each in re.findall(r"crmkit(?:\.[a-z_]+)*", text)}
    private = [each for each in _imports() if each[1] not in documented or each[2].startswith("_")]

    assert private == []


def test_every_name_is_one_that_its_module_offers() -> None:
    offers = {module: getattr(import_module(module), "__all__", None) for _, module, _ in _imports()}
    hidden = [
        each
        for each in _imports()
        if (names := offers[each[1]]) is not None and each[2] not in names and each[2] != "csv"
    ]

    assert hidden == []


def test_the_vertical_is_small() -> None:
    files = {path: path.read_text("utf-8") for path in (HERE / "src").rglob("*.py")}

    assert sum(len(text.splitlines()) for path, text in files.items() if path.parent.name != "season") < 1500
    assert sum(map(_lines_of_code, files.values())) < 1500


def _lines_of_code(text: str) -> int:
    """How many lines hold code: not those of docstrings and comments, and no blank ones."""
    tree = ast.parse(text)
    said = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(text.splitlines(), start=1)
    return sum(1 for place, line in lines if line.strip() and not line.strip().startswith("#") and place not in said)
