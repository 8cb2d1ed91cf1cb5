"""What was said to be kept is there after a crash, and nothing is there in part."""

import importlib
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pytest

from crmkit.io.stores import open_store
from tests.io.stores import crashes, units
from tests.io.stores.places import KINDS, place

KILLS = 8
POWER_CUTS, UNITS = 40, 60


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from place(request, request.param, tmp_path)


def test_a_process_that_is_killed_loses_no_unit_of_work_and_halves_none(url: str) -> None:
    chance = random.Random(4)
    with closing(open_store(url)) as store:
        units.begin(store)
    done = 0
    for _ in range(KILLS):
        acknowledged = crashes.killed_while_committing(url, chance)
        assert acknowledged > done
        done = crashes.check(url, acknowledged)


@pytest.fixture
def power_loss() -> ModuleType:
    pytest.importorskip("apsw", reason="a disk that loses power is simulated with apsw")
    return importlib.import_module("tests.io.stores.power_loss")


def test_a_power_cut_loses_no_unit_of_work_and_halves_none(power_loss: Any, tmp_path: Path) -> None:
    events = power_loss.record(tmp_path / "club.db", UNITS)
    for crash in range(POWER_CUTS):
        with TemporaryDirectory(dir=tmp_path) as folder:
            said = power_loss.cut(events, random.Random(crash), Path(folder))
            power_loss.check(Path(folder), said)


def test_a_power_cut_loses_what_another_setting_would_not_have_synced(power_loss: Any, tmp_path: Path) -> None:
    events = power_loss.record(tmp_path / "club.db", UNITS, settings=["PRAGMA synchronous = NORMAL"])
    losses = 0
    for crash in range(POWER_CUTS):
        with TemporaryDirectory(dir=tmp_path) as folder:
            said = power_loss.cut(events, random.Random(crash), Path(folder))
            try:
                power_loss.check(Path(folder), said)
            except AssertionError:
                losses += 1

    assert losses > POWER_CUTS // 10
