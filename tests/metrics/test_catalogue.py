"""The catalogue: every KPI with its meaning, and no more than that."""

import inspect
import typing

import pytest

from crmkit import CRM, metrics
from crmkit.metrics import Definition, catalogue
from crmkit.metrics.definition import Unit

every_definition = pytest.mark.parametrize("definition", catalogue(), ids=lambda definition: definition.name)
SHARED = {"as_of", "start", "end", "every", "by", "where", "tz", "method", "ci", "columns"}


def test_the_catalogue_has_every_kpi_once() -> None:
    functions = [name for name in metrics.__all__ if _is_kpi(name)]

    assert sorted(definition.name for definition in catalogue()) == sorted(functions)


def _is_kpi(name: str) -> bool:
    return hasattr(getattr(metrics, name), "steps")


@every_definition
def test_the_first_method_is_the_default_and_the_shared_arguments_are_there(definition: Definition) -> None:
    parameters = inspect.signature(getattr(metrics, definition.name)).parameters

    assert parameters["method"].default == next(iter(definition.methods))
    assert parameters.keys() >= SHARED
    assert parameters["as_of"].default is inspect.Parameter.empty
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in SHARED)


@every_definition
def test_a_definition_is_written_for_people(definition: Definition) -> None:
    assert definition.title[0].isupper()
    assert definition.text.endswith(".")
    assert definition.formula
    assert definition.unit in typing.get_args(Unit)
    assert all(definition.methods.values())
    assert all(definition.sources)


@every_definition
def test_a_definition_names_tables_that_exist(definition: Definition) -> None:
    with CRM.open("memory://") as crm:
        for method in [None, *definition.methods]:
            assert all(name == "pairs" or hasattr(crm, name) for name in definition.tables(method))
    assert set(definition.other_inputs) <= set(definition.methods)


@every_definition
def test_the_documentation_names_every_method(definition: Definition) -> None:
    documented = inspect.getdoc(getattr(metrics, definition.name)) or ""

    assert all(f'"{method}"' in documented for method in definition.methods)
