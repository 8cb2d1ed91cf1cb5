"""Writes a page for each KPI of the catalogue, and one that lists them: a hook of the tool that builds the documentation."""

import inspect
from collections.abc import Iterable
from datetime import date
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from crmkit import metrics
from crmkit.errors import CrmError

_FOLDER = "kpis"
_SAID_BELOW = "said below"
_UNITS = {
    "share": "a share from 0 to 1",
    "points": "points from -100 to 100",
    "days": "days",
    "minutes": "minutes",
    "money": "money of one currency",
    "count": "a number",
    "score": "a score on the scale of the survey",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation, by family."""
    pages: list[Any] = [{"All KPIs": f"{_FOLDER}/index.md"}]
    for family, definitions in metrics.families().items():
        pages.append({family: [{each.title: f"{_FOLDER}/{each.name}.md"} for each in definitions]})
    at = next(place for place, entry in enumerate(config.nav or []) if "Reference" in entry)
    config.nav.insert(at, {"KPIs": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those that are written by hand."""
    files.append(File.generated(config, f"{_FOLDER}/index.md", content=_index()))
    for definition in metrics.catalogue():
        files.append(File.generated(config, f"{_FOLDER}/{definition.name}.md", content=_page(definition)))
    return files


def _index() -> str:
    every = "Every KPI is a function of `crmkit.metrics`; [its reference](../reference/metrics.md) has the arguments that all of them take."
    lines = ["# All KPIs", "", every]
    for family, definitions in metrics.families().items():
        lines += ["", f"## {family}", "", "| KPI | Definition |", "|---|---|"]
        lines += [f"| [{each.title}]({each.name}.md) | {_cell(each.text)} |" for each in definitions]
    return "\n".join(lines) + "\n"


def _page(definition: metrics.Definition) -> str:
    function = metrics.registered()[definition.name]
    tables = {name: None for each in definition.methods for name in definition.tables(each)}
    facts = {
        "Formula": f"`{definition.formula}`",
        "Tables": ", ".join(f"`{name}`" for name in tables),
        "Parts add up when": f"no {definition.key} is in two of them",
        "For nothing": _for_nothing(function, definition),
        "Sources": "; ".join(definition.sources) or "the definition is crmkit's own",
    }
    lines = [
        f"# {definition.title}",
        "",
        definition.text,
        "",
        *_table(("Unit", _UNITS[definition.unit]), facts.items()),
    ]
    if len(definition.methods) > 1:
        methods = [(f"`{name}`", text) for name, text in definition.methods.items()]
        lines += ["", "## Definitions", "", "The first one is meant where `method=` is left out.", ""]
        lines += _table(("`method=`", "What it counts"), methods)
    module = inspect.unwrap(function).__module__
    lines += [
        "",
        "## Use",
        "",
        f"::: {module}.{definition.name}",
        "    options: { heading_level: 3, show_root_full_path: false }",
    ]
    return "\n".join(lines) + "\n"


def _for_nothing(function: Any, definition: metrics.Definition) -> str:
    """What comes back for tables without a row, computed and not claimed."""
    parameters = inspect.signature(function).parameters
    names = definition.inputs if len(definition.inputs) > 1 else [next(iter(parameters))]
    given: dict[str, Any] = {name: [] for name in names}
    given |= {"as_of": date(2025, 5, 31), "start": date(2025, 5, 1)}
    if any(each.default is each.empty and each.name not in given for each in parameters.values()):
        return _SAID_BELOW
    try:
        measure = function(**given).only
    except CrmError:
        return _SAID_BELOW
    return f"no value, because {measure.reason}" if measure.value is None else f"{measure.value:g}"


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {name} | {_cell(text)} |" for name, text in rows)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
