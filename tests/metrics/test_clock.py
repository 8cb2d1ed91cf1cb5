"""No KPI reads the clock, the time zone of the machine or its locale."""

import json
import os
import subprocess
import sys
from pathlib import Path

_CALCULATE = """
import sys
import time
from datetime import date, datetime

import time_machine

time_machine.travel(float(sys.argv[1]), tick=False).start()
assert datetime.now().timestamp() == time.time() == time.time_ns() / 1e9 == float(sys.argv[1])
assert date.today().year in {1971, 2999}

import json
from tests.metrics.cases import CASES
from tests.metrics.tables import Facts

print(json.dumps({name: repr(case(case.tables(Facts(0)))) for name, case in CASES.items()}))
"""
_ROOT = Path(__file__).parents[2]


def results(now: float, **environment: str) -> dict[str, str]:
    """What every KPI says, by each method, in a process of its own whose clock stands still at an instant."""
    command = [sys.executable, "-c", _CALCULATE, str(now)]
    told = subprocess.run(
        command, cwd=_ROOT, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, str] = json.loads(told.stdout)
    return found


def test_a_clock_that_stands_still_at_an_absurd_date_changes_nothing() -> None:
    before = results(40_000_000, TZ="America/New_York", LC_ALL="C", LANG="C")
    after = results(32_480_000_000, TZ="Pacific/Apia", LC_ALL="pl_PL.UTF-8", LANG="th_TH.UTF-8")

    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == set()
