"""A result as a picture: the chart says what the measures say."""

import sys
from datetime import UTC, date, datetime
from typing import Any

import pytest

from crmkit.errors import InvalidInput, MissingExtra
from crmkit.metrics import MetricResult, average_order_value, win_rate
from crmkit.model import Deal, Money, Order

AS_OF = date(2025, 3, 20)


def deal(month: int, category: Any, owner: str | None = None) -> Deal:
    at = datetime(2025, month, 2, tzinfo=UTC)
    return Deal(pipeline_id="gym", stage="Offer", category=category, created_at=at, closed_at=at, owner_id=owner)


DEALS = [
    deal(month, category, owner) for month in (1, 2, 3) for category in ("won", "lost") for owner in ("ann", "bo", None)
]


def drawn(result: MetricResult) -> tuple[list[dict[str, Any]], list[tuple[str, set[str]]]]:
    """The values of a chart, and its layers by mark with the columns that each shows."""
    chart = result.plot().to_dict()
    (values,) = chart["datasets"].values()
    layers = [
        (layer["mark"]["type"], {each["field"] for name, each in layer["encoding"].items() if name[0] in "xy"})
        for layer in chart["layer"]
    ]
    return values, layers


def test_periods_are_lines_with_the_band_of_the_interval() -> None:
    values, layers = drawn(win_rate(DEALS, every="month", as_of=AS_OF))

    assert [each["period"] for each in values] == ["2025-01", "2025-02", "2025-03"]
    assert [each["value"] for each in values] == [0.5] * 3
    assert [each["state"] for each in values] == ["whole", "whole", "unfinished"]
    assert [mark for mark, _ in layers] == ["area", "line", "point"]
    assert layers[0][1] == {"period", "low", "high"}


def test_without_an_interval_there_is_no_band() -> None:
    _, layers = drawn(win_rate(DEALS, every="month", as_of=AS_OF, ci=None))

    assert [mark for mark, _ in layers] == ["line", "point"]


def test_the_earlier_time_is_a_line_or_a_tick_of_its_own() -> None:
    values, layers = drawn(win_rate(DEALS[:-1], every="month", as_of=AS_OF, versus="previous"))
    assert [each["earlier"] for each in values] == [None, 0.5, 0.5]
    assert layers[-1] == ("line", {"period", "earlier"})

    values, layers = drawn(win_rate(DEALS, start=date(2025, 3, 1), as_of=date(2025, 3, 31), versus="previous"))
    assert [each["earlier"] for each in values] == [0.5]
    assert layers[-1] == ("tick", {"group", "earlier"})


def test_groups_are_bars_with_their_intervals() -> None:
    values, layers = drawn(win_rate(DEALS, by="owner_id", as_of=AS_OF))

    assert [each["group"] for each in values] == ["ann", "bo", "none"]
    assert layers == [("bar", {"group", "value"}), ("rule", {"group", "low", "high"})]


def test_groups_over_time_are_lines_of_a_colour_each() -> None:
    chart = win_rate(DEALS, by="owner_id", every="month", as_of=AS_OF).plot().to_dict()

    assert {layer["encoding"]["color"]["field"] for layer in chart["layer"]} == {"group"}


def test_the_title_says_what_is_counted_and_when() -> None:
    title = win_rate(DEALS, as_of=AS_OF, tz="Europe/Warsaw").plot().to_dict()["title"]

    assert title["text"] == "Win rate"
    assert title["subtitle"][1] == "as of 2025-03-20 22:59 UTC, days in Europe/Warsaw"


def test_several_currencies_do_not_fit_on_one_axis() -> None:
    at = datetime(2025, 3, 1, tzinfo=UTC)
    orders = [Order(customer_id="ann", at=at, amount=Money("10", currency)) for currency in ("PLN", "THB")]

    with pytest.raises(InvalidInput, match="values in PLN, THB do not fit on one axis"):
        average_order_value(orders, by="currency", as_of=AS_OF).plot()


def test_nothing_cannot_be_drawn() -> None:
    with pytest.raises(InvalidInput, match="win_rate has no measure to draw"):
        win_rate([], every="month", as_of=AS_OF).plot()


def test_without_the_packages_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    result = win_rate(DEALS, as_of=AS_OF)
    monkeypatch.setitem(sys.modules, "altair", None)

    with pytest.raises(MissingExtra, match=r"pip install 'crmkit\[plot\]'"):
        result.plot()


def test_an_arrow_table_has_the_rows_of_the_polars_frame() -> None:
    result = win_rate(DEALS, by="owner_id", as_of=AS_OF)

    assert result.to_arrow().to_pylist() == result.to_polars().to_dicts()
