"""The parts of a page of one's own."""

from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest

from crmkit import metrics
from crmkit.errors import InvalidInput
from crmkit.model import Deal, Ticket
from crmkit.report import as_of_facts, heat_map, kpi_cards, kpi_charts, kpi_table, sheet, table, text

MAY = date(2025, 5, 31)
DEALS = [
    Deal(
        id=f"d{number}",
        pipeline_id="gym",
        stage="Won" if is_won else "Lost",
        category="won" if is_won else "lost",
        closed_at=datetime(2025, month, 2, tzinfo=UTC),
        owner_id=owner,
    )
    for number, (is_won, month, owner) in enumerate(
        [(True, 4, "<Ann>"), (False, 4, "Bo"), (True, 5, "<Ann>"), (True, 5, None)]
    )
]


class _Reader(HTMLParser):
    """Collects the words of a page, and the elements that are open."""

    _ALONE = ("meta", "line", "circle", "rect", "polygon")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.open = list[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self._ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._ALONE:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += [data.strip()] if data.strip() else []


def test_a_sheet_is_a_whole_page_of_its_sections() -> None:
    page = sheet(
        "A & B", [("First", [text("one < two")]), ("Second", [])], subtitle="Sub", facts=as_of_facts(MAY, "UTC")
    )
    reader = _Reader(page)

    assert reader.open == []
    for words in ("A & B", "Sub", "As of", "31 May 2025", "First", "one < two", "Second"):
        assert words in reader.words
    assert page == sheet(
        "A & B", [("First", [text("one < two")]), ("Second", [])], subtitle="Sub", facts=as_of_facts(MAY, "UTC")
    )


def test_a_card_says_of_any_kpi_its_value_and_what_it_was_made_of() -> None:
    rate = metrics.win_rate(DEALS, as_of=MAY)
    nobody = metrics.nps([], as_of=MAY)
    new = metrics.new_leads([], as_of=MAY)
    read = _Reader(kpi_cards([rate, nobody, new])).words

    assert {"75.0 %", "3 won of 4 closed deals", "No value: nobody answered.", "0 records"} <= {*read}


def test_a_card_is_of_one_measure() -> None:
    with pytest.raises(InvalidInput, match="has 3 measures, not one"):
        kpi_cards([metrics.win_rate(DEALS, as_of=MAY, by="owner_id")])


def test_a_chart_is_of_months_and_shows_them_as_a_table_too() -> None:
    drawn = kpi_charts([metrics.win_rate(DEALS, as_of=MAY, every="month")])

    assert drawn.count("<svg") == 1
    assert {"Last full month, May 2025: 100.0 %", "Apr 2025", "50.0"} <= {*_Reader(drawn).words}


@pytest.mark.parametrize("options", [{}, {"every": "month", "by": "owner_id"}])
def test_what_is_not_by_month_alone_is_no_chart(options: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="win_rate is not by month alone; ask for every='month' and no by="):
        kpi_charts([metrics.win_rate(DEALS, as_of=MAY, **options)])  # type: ignore[arg-type]


def test_charts_of_nothing_and_of_a_month_that_runs_say_so() -> None:
    nothing = kpi_charts([metrics.win_rate([], as_of=MAY, every="month")])
    running = kpi_charts([metrics.win_rate(DEALS[2:], as_of=date(2025, 5, 9), every="month")])

    assert "<svg" not in nothing
    assert "No month is over yet" in running


def test_a_table_of_a_kpi_has_a_row_for_each_group_with_words_escaped() -> None:
    read = _Reader(kpi_table(metrics.win_rate(DEALS, as_of=MAY, by="owner_id"), heads=["Seller"])).words

    assert read[1:5] == ["Seller", "Win rate", "95 % interval", "Records"]
    assert read[5:7] == ["<Ann>", "100.0 %"]
    assert "none" in read


def test_a_table_of_a_kpi_has_its_periods_and_the_details_that_are_asked_for() -> None:
    waiting = metrics.sales_cycle(
        [each.replace(created_at=datetime(2025, 4, 1, tzinfo=UTC)) for each in DEALS], as_of=MAY, every="month"
    )
    read = _Reader(kpi_table(waiting, details=["mean", "p90"])).words

    assert read[1:3] == ["Period", "Sales cycle"]
    assert read[4:7] == ["mean", "p90", "Records"]
    assert {"2025-04", "2025-05"} <= {*read}


def test_numbers_without_a_word_of_a_unit_are_written_as_numbers() -> None:
    backlog = metrics.backlog([Ticket(id="t", created_at=datetime(2025, 5, 2, tzinfo=UTC))], as_of=MAY)
    assert _Reader(kpi_table(backlog)).words[4] == "1"


def test_the_most_of_a_heat_map_is_the_darkest_and_nothing_is_no_heat() -> None:
    assert [part[:4] for part in heat_map("H", ["Day", "9", "10"], [("Mon", [2, 8])]).split("--heat:")[1:]] == [
        "0.25",
        "1.00",
    ]
    assert "--heat:0.00" in heat_map("H", ["Day", "9"], [("Mon", [0])])


def test_a_table_of_plain_values_escapes_them_and_says_when_it_is_empty() -> None:
    assert _Reader(table("T", ["A", "B"], [["<b>", None]])).words == ["T", "A", "B", "<b>", "–"]
    assert _Reader(table("T", ["A"], [])).words == ["T: nothing."]
