"""Money of several currencies: the rate of each amount is that of a stated day, and what has no rate is not priced."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics import MetricResult, Rates, average_order_value, pipeline_value, retention_cost, win_rate
from crmkit.model import Cost, Deal, Money, Order, Subscription
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few

AS_OF = date(2025, 3, 31)
TABLE = [
    {"currency": "EUR", "on": date(2025, 1, 10), "rate": 4.25},
    {"currency": "EUR", "on": date(2025, 2, 20), "rate": 4.5},
    {"currency": "THB", "on": date(2025, 3, 1), "rate": 0.125},
]
INTO_PLN = Rates(table=TABLE, into="PLN")
AT_PERIOD_END = Rates(table=TABLE, into="PLN", at="period_end")
RECORDED = Rates(table=TABLE, into="PLN", at="record")


def order(at: datetime, amount: Money | None) -> Order:
    return Order(customer_id="ann", at=at, amount=amount)


def on(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2025, month, day, hour, tzinfo=UTC)


def deal(
    amount: Money | None, closed_at: datetime | None, category: Any = "won", reporting: Money | None = None
) -> Deal:
    return Deal(
        pipeline_id="gym",
        stage="Offer",
        category=category,
        created_at=on(1, 1),
        closed_at=closed_at,
        amount=amount,
        reporting_amount=reporting,
    )


def rate_on(currency: str, day: date) -> float | None:
    known = [row for row in TABLE if row["currency"] == currency and row["on"] <= day]  # type: ignore[operator]
    return 1.0 if currency == "PLN" else known[-1]["rate"] if known else None  # type: ignore[return-value]


def said(result: MetricResult) -> list[tuple[float | None, str, int, dict[str, int]]]:
    return [(each.value, each.unit, each.n, dict(each.excluded)) for each in result]


orders = st.lists(
    st.builds(
        order,
        st.datetimes(datetime(2024, 12, 20), datetime(2025, 3, 30)).map(lambda at: at.replace(tzinfo=UTC)),
        st.none()
        | st.builds(
            Money, st.integers(-999, 9999).map(lambda n: Decimal(n * 2)), st.sampled_from(["PLN", "EUR", "THB", "USD"])
        ),
    ),
    max_size=8,
)


@few
@given(orders, st.sampled_from(["UTC", "Asia/Bangkok", "America/New_York"]))
def test_the_sum_is_that_of_amounts_converted_one_by_one(given_: list[Order], tz: str) -> None:
    converted, without = [], 0
    for each in given_:
        assert each.at is not None
        rate = None if each.amount is None else rate_on(each.amount.currency, each.at.astimezone(ZoneInfo(tz)).date())
        without += each.amount is not None and rate is None
        if each.amount is not None and rate is not None:
            converted.append(each.replace(amount=Money(each.amount.amount * Decimal(str(rate)), "PLN")))
    expected = average_order_value(converted, as_of=AS_OF, tz=tz).only
    found = average_order_value(given_, as_of=AS_OF, tz=tz, rates=INTO_PLN).only

    assert (found.value, found.n, found.numerator) == (expected.value, expected.n, expected.numerator)
    assert found.excluded.get("no exchange rate", 0) == without


ORDERS = [
    order(on(1, 15), Money("10", "EUR")),
    order(on(2, 15), Money("10", "EUR")),
    order(on(2, 16), Money("40", "PLN")),
    order(on(3, 5), Money("8", "THB")),
    order(on(3, 6), Money("5", "USD")),
    order(on(3, 7), None),
]


def test_the_rate_is_that_of_the_day_of_the_event() -> None:
    assert said(average_order_value(ORDERS, every="month", as_of=AS_OF, rates=INTO_PLN)) == [
        (42.5, "PLN", 1, {}),
        (41.25, "PLN", 2, {}),
        (1.0, "PLN", 1, {"no amount": 1, "no exchange rate": 1}),
    ]


def test_the_rate_may_be_that_of_the_end_of_the_period() -> None:
    assert [each.value for each in average_order_value(ORDERS, every="month", as_of=AS_OF, rates=AT_PERIOD_END)] == [
        42.5,
        42.5,
        1.0,
    ]
    assert average_order_value(ORDERS[:3], as_of=AS_OF, rates=AT_PERIOD_END).value == pytest.approx(130 / 3)
    early = [order(on(1, 5), Money("10", "EUR"))]
    assert average_order_value(early, as_of=AS_OF, every="month", rates=INTO_PLN)[0].excluded == {"no exchange rate": 1}
    assert average_order_value(early, as_of=AS_OF, every="month", rates=AT_PERIOD_END)[0].value == 42.5


def test_no_rate_of_after_as_of_is_known() -> None:
    open_deal = [deal(Money("10", "EUR"), None, "open")]

    for rates in (INTO_PLN, AT_PERIOD_END):
        assert pipeline_value(open_deal, as_of=date(2025, 2, 10), rates=rates).value == 42.5
        assert pipeline_value(open_deal, as_of=AS_OF, rates=rates).value == 45
        assert pipeline_value(open_deal, as_of=date(2025, 1, 9), rates=rates).only.excluded == {"no exchange rate": 1}


def test_a_closed_deal_keeps_the_rate_of_its_day() -> None:
    deals = [deal(Money("10", "EUR"), on(1, 20)), deal(Money("10", "EUR"), on(3, 20), "lost")]

    only = win_rate(deals, method="amount", as_of=AS_OF, rates=INTO_PLN).only
    assert (only.value, only.numerator, only.unit) == (42.5 / 87.5, 42.5, "share")


def test_the_amount_may_be_the_one_that_was_recorded() -> None:
    deals = [
        deal(Money("10", "EUR"), on(1, 20), reporting=Money("41", "PLN")),
        deal(Money("10", "EUR"), on(3, 20), "lost", reporting=Money("59", "PLN")),
        deal(Money("10", "EUR"), on(3, 21), reporting=Money("9", "USD")),
        deal(Money("10", "EUR"), on(3, 21)),
        deal(None, on(3, 21)),
    ]
    only = win_rate(deals, method="amount", as_of=AS_OF, rates=RECORDED).only

    assert (only.numerator, only.denominator) == (41, 100)
    assert only.excluded == {"no amount": 1, "no exchange rate": 2}
    with pytest.raises(InvalidInput, match=r"a Order keeps no amount in another currency; give Rates\(at='event'\)"):
        average_order_value(ORDERS, as_of=AS_OF, rates=RECORDED)


def test_costs_have_the_rate_of_the_day_on_which_they_begin() -> None:
    paid = date(2025, 3, 1)
    costs = [
        Cost(category="staff", amount=Money("10", "EUR"), incurred_on=paid, starts_on=date(2025, 1, 20)),
        Cost(category="staff", amount=Money("10", "EUR"), incurred_on=paid),
        Cost(category="staff", amount=Money("1", "USD"), incurred_on=paid),
    ]
    ann = simplest(Subscription, category="active", customer_id="ann", started_at=datetime(2024, 1, 1, tzinfo=UTC))
    frame = from_records(costs, Cost, ["category", "amount", "currency", "incurred_on", "starts_on"])
    for given_ in (costs, frame, frame.to_pandas(), duckdb.from_arrow(frame.to_arrow())):
        only = retention_cost(
            costs=given_, subscriptions=[ann], start=date(2025, 1, 1), as_of=AS_OF, rates=INTO_PLN, accrual="cash"
        ).only
        assert (only.value, only.unit, dict(only.excluded)) == (87.5, "PLN", {"no exchange rate": 1})


def test_every_kind_of_data_has_the_same_answer() -> None:
    frame = from_records(ORDERS, Order, ["at", "amount", "currency", "customer_id", "id"])
    arrow = frame.to_arrow()
    kinds = [ORDERS, frame, frame.lazy(), arrow, frame.to_pandas(), duckdb.from_arrow(arrow)]
    for rates in (INTO_PLN, AT_PERIOD_END, Rates(table=TABLE[:0] or pl.DataFrame(TABLE).clear(), into="PLN")):
        answers = [average_order_value(each, every="month", as_of=AS_OF, rates=rates).to_dicts() for each in kinds]
        assert answers == [answers[0]] * len(kinds)


def test_parts_add_up() -> None:
    one, other = (average_order_value(part, as_of=AS_OF, rates=INTO_PLN) for part in (ORDERS[:2], ORDERS[2:]))

    assert one + other == average_order_value(ORDERS, as_of=AS_OF, rates=INTO_PLN)


def test_a_rule_is_about_the_amount_of_the_record() -> None:
    in_euro = field("amount") >= Money("10", "EUR")

    assert average_order_value(ORDERS, where=in_euro, as_of=AS_OF, rates=INTO_PLN).only.n == 2


def test_an_amount_without_a_currency_is_taken_for_the_one_asked_for() -> None:
    frame = pl.DataFrame({"at": [on(1, 1)] * 2, "amount": [1.0, 3.0], "currency": [None, "PLN"], "id": ["a", "b"]})
    only = average_order_value(frame, as_of=AS_OF, rates=INTO_PLN).only

    assert (only.value, only.unit) == (2, "PLN")
    assert only.warnings == ("1 amounts have no currency and are taken for PLN",)


@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        pl.DataFrame(TABLE),
        pl.DataFrame(TABLE).lazy(),
        pl.DataFrame(TABLE).to_pandas(),
        pl.DataFrame(TABLE).to_arrow(),
    ],
)
def test_rates_come_as_any_table(table: Any) -> None:
    assert average_order_value(ORDERS[:1], as_of=AS_OF, rates=Rates(table=table, into="PLN")).value == 42.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"table": [{"currency": "EUR", "rate": 4.2}]},
            "table is no table of rates; give the columns 'currency', 'on'",
        ),
        ({"table": 4.2}, "table is no table of rates"),
        ({"table": [*TABLE, TABLE[0]]}, "EUR has more than one rate on 2025-01-10; give one a day"),
        ({"table": [{**TABLE[0], "rate": 0.0}]}, "1 rates have no currency, no day or no positive number"),
        ({"table": [{**TABLE[0], "rate": float("nan")}]}, "1 rates have no currency"),
        ({"table": [{**TABLE[0], "currency": None}]}, "1 rates have no currency"),
        ({"at": "close"}, "at='close' is no policy; .*'event', 'period_end', 'record'"),
        ({"into": None}, "into=None is no currency; give its code, such as 'EUR'"),
    ],
)
def test_rates_that_are_none_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Rates(**{"table": TABLE, "into": "PLN", **wrong})


def test_rates_are_given_as_such() -> None:
    with pytest.raises(InvalidInput, match=r"rates= takes crmkit.metrics.Rates"):
        average_order_value(ORDERS, as_of=AS_OF, rates={"EUR": 4.2})  # type: ignore[arg-type]


def test_without_rates_several_currencies_are_refused() -> None:
    with pytest.raises(InvalidInput, match="amounts in EUR, PLN, THB, USD cannot be added"):
        average_order_value(ORDERS, as_of=AS_OF)


def test_the_facade_takes_rates() -> None:
    crm = CRM.open("memory://", clock=lambda: on(3, 31))
    crm.load(ORDERS)

    assert crm.metrics.average_order_value(rates=INTO_PLN).value == pytest.approx((42.5 + 42.5 + 40 + 1) / 4)
