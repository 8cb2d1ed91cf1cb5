"""Tries an installed crmkit alone: every module imports without an extra, and the main job runs. `make wheel` runs it."""

import importlib
import pkgutil
from contextlib import suppress
from datetime import date

import crmkit
from crmkit import CRM
from crmkit.errors import MissingExtra
from crmkit.report import page
from crmkit.sample import company

BEHIND = {"crmkit.io.matching.": "find_matches", "crmkit.io.sync.": "Mailchimp"}
"""Packages that load what is behind them when it is asked for, each with a name that then says which extra it needs."""


def main() -> None:
    for module in pkgutil.walk_packages(crmkit.__path__, "crmkit."):
        with suppress(MissingExtra):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError:
                if not module.name.startswith(tuple(BEHIND)):
                    raise
    for package, name in BEHIND.items():
        with suppress(MissingExtra):
            getattr(importlib.import_module(package.rstrip(".")), name)
    sample = company(customers=20)
    with CRM.open("sqlite://") as crm:
        crm.load(sample.records())
        assert crm.metrics.win_rate(as_of=date(sample.year, 12, 31)).only.n > 0
        assert "Win rate" in page({"deals": crm.deals}, as_of=date(sample.year, 12, 31))


if __name__ == "__main__":
    main()
