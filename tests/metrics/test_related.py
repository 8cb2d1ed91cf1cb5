"""KPIs of the rows for which a rule about related records holds."""

from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest

from crmkit import CRM
from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics import win_rate
from crmkit.model import Deal, Quote, Ticket
from crmkit.rules import field, last_days
from crmkit.testing.strategies import simplest

MAY = datetime(2025, 5, 2, tzinfo=UTC)
AS_OF = date(2025, 5, 31)
DEALS = [
    simplest(Deal, id=name, category=category, created_at=MAY, closed_at=MAY)
    for name, category in (("a", "won"), ("b", "won"), ("c", "lost"))
]
QUOTES = [simplest(Quote, id=f"q{name}", deal_id=name, category="sent", sent_at=MAY) for name in "bc"]
QUOTED = field("quotes.count") > 0


def test_a_rule_asks_about_related_records() -> None:
    assert win_rate(DEALS, where=QUOTED, related={Quote: QUOTES}, as_of=AS_OF).value == 1 / 2
    assert win_rate(DEALS, where=~QUOTED, related={Quote: QUOTES}, as_of=AS_OF).value == 1


def test_in_an_engine_as_on_records() -> None:
    deals, quotes = (
        duckdb.from_arrow(from_records(rows, cls, columns).to_arrow())
        for rows, cls, columns in (
            (DEALS, Deal, ["id", "category", "created_at", "closed_at"]),
            (QUOTES, Quote, ["id", "deal_id", "category", "sent_at", "created_at"]),
        )
    )
    assert win_rate(deals, where=QUOTED, related={Quote: quotes}, as_of=AS_OF).value == 1 / 2
    with pytest.raises(InvalidInput, match="Deal and Quote are in duckdb and polars, and no engine reads another's"):
        win_rate(deals, where=QUOTED, related={Quote: QUOTES}, as_of=AS_OF)


def test_the_facade_gives_them() -> None:
    crm = CRM.open("memory://", clock=lambda: datetime(2025, 5, 31, tzinfo=UTC))
    crm.load([*DEALS, *QUOTES])

    assert crm.metrics.win_rate(where=QUOTED).value == 1 / 2
    assert crm.metrics.win_rate(where=field("closed_at") == last_days(7)).value is None


@pytest.mark.parametrize(
    ("related", "message"),
    [
        (None, r"the rule asks of Quote records; give them as related=\{Quote: \.\.\.\}"),
        ({Ticket: []}, r"the rule asks of Quote records"),
        ([QUOTES], r"related= takes the data of other classes by class, such as \{Order: orders\}"),
    ],
)
def test_what_is_not_given_is_asked_for(related: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        win_rate(DEALS, where=QUOTED, related=related, as_of=AS_OF)
