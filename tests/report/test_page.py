"""The page says what the KPIs say, to everybody, and safely."""

import random
import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from xml.etree import ElementTree as ET

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit import metrics
from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.model import Deal, Interaction, Money, Order, SurveyResponse, Ticket
from crmkit.report import Notice, page
from crmkit.report.format import escaped, quantity

AS_OF = date(2025, 12, 18)
_NAMES = ("win_rate", "sales_cycle", "average_order_value", "nps", "first_contact_resolution")
SHOWN = sorted((each for each in metrics.catalogue() if each.name in _NAMES), key=lambda each: _NAMES.index(each.name))
"""The KPIs of the page, in its order."""

TZ = "Europe/Warsaw"
_OUTCOMES: tuple[Literal["open", "won", "lost"], ...] = ("won", "lost", "won", "won", "open")
HOSTILE = "<script>alert('$title & \"co\"')</script>"


def _deals() -> list[Deal]:
    start = datetime(2024, 11, 4, 12, tzinfo=UTC)
    return [
        Deal(
            id=f"deal-{number}",
            pipeline_id="gym",
            stage=category,
            category=category,
            created_at=start + timedelta(days=5 * number),
            closed_at=None if category == "open" else start + timedelta(days=5 * number + number % 40),
            amount=Money.from_minor_units(10_000 + 100 * number, "PLN"),
            owner_id=("anna", "bo", None)[number % 3],
        )
        for number, category in enumerate(_OUTCOMES * 15)
    ]


def _tables() -> dict[str, Any]:
    days = [datetime(2025, 3, 1, 9, tzinfo=UTC) + timedelta(days=3 * number) for number in range(80)]
    answered = [day for day in days if day.month != 6]
    return {
        "deals": _deals(),
        "orders": [
            Order(id=f"o{place}", at=day, amount=Money.from_minor_units(5_000 + 100 * place, "PLN"))
            for place, day in enumerate(days)
        ],
        "tickets": [
            Ticket(
                id=f"t{place}",
                customer_id=f"c{place}",
                category="resolved",
                created_at=day,
                resolved_at=day + timedelta(hours=5),
                reopen_count=place % 3 // 2,
            )
            for place, day in enumerate(days)
        ],
        "interactions": [
            Interaction(id=f"i{place}", at=day, channel="email", direction="outbound", ticket_id=f"t{place}")
            for place, day in enumerate(days)
        ],
        "survey_responses": [
            SurveyResponse(id=f"s{place}", kind="nps", scale_low=0, scale_high=10, score=place % 11, responded_at=day)
            for place, day in enumerate(answered)
        ],
    }


@pytest.fixture(scope="module")
def text() -> str:
    notices = [Notice("deals without a customer", "deals.csv", 1425), Notice("amounts were read as PLN")]
    return page(_tables(), as_of=AS_OF, tz=TZ, title="Riverside", owners={"anna": "Anna K."}, notices=notices)


def _parsed(text: str) -> ET.Element:
    """The page as a tree; it is written so that an XML parser checks the balance of its tags."""
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>"))


def _words(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _of_class(root: ET.Element, kind: str) -> list[ET.Element]:
    return [element for element in root.iter() if kind in element.get("class", "").split()]


def _section(text: str, name: str) -> str:
    return _words(next(each for each in _parsed(text).iter("section") if each.get("id") == name))


def _rows(text: str, caption: str) -> list[list[str]]:
    tables = [each for each in _parsed(text).iter("table") if _words(each[0]) == caption]
    return [[_words(cell) for cell in row] for row in tables[0].iter("tr")][1:]


def test_every_kpi_has_its_title_definition_and_formula_on_a_card(text: str) -> None:
    cards = [_words(card) for card in _of_class(_parsed(text), "card")]
    for card, definition in zip(cards, SHOWN, strict=True):
        assert definition.title in card
        assert definition.text in card
        assert definition.formula in card


def test_the_definitions_name_every_method_and_source_and_mark_the_method_in_use(text: str) -> None:
    defined = _section(text, "definitions")
    for definition in SHOWN:
        assert all(f"{name}" in defined and meaning in defined for name, meaning in definition.methods.items())
        assert all(source in defined for source in definition.sources)
    assert defined.count("(used here)") == 5


def test_the_cards_show_the_values_of_the_kpis(text: str) -> None:
    tables = _tables()
    scope: dict[str, Any] = {"as_of": AS_OF, "tz": TZ}
    expected = [
        metrics.win_rate(tables["deals"], **scope).only,
        metrics.sales_cycle(tables["deals"], **scope).only,
        metrics.average_order_value(tables["orders"], **scope).only,
        metrics.nps(tables["survey_responses"], **scope).only,
        metrics.first_contact_resolution(tickets=tables["tickets"], interactions=tables["interactions"], **scope).only,
    ]
    shown = [_words(value) for value in _of_class(_parsed(text), "value")]
    assert shown == [quantity(measure.value, measure.unit) for measure in expected]


def test_a_card_says_how_sure_its_value_is_and_of_how_many(text: str) -> None:
    card = _words(_of_class(_parsed(text), "card")[0])
    assert "95 % interval" in card
    assert "45 won of 60 closed deals" in card


def test_the_totals_count_the_deals_and_sum_the_won_revenue(text: str) -> None:
    won = metrics.average_order_value(_deals(), as_of=AS_OF, tz=TZ, method="won_deal").only
    said = _section(text, "deals")
    assert f"Won revenue{quantity(won.numerator, 'PLN')}" in said
    assert "Deals won45" in said


def test_the_order_value_comes_from_won_deals_where_there_are_no_orders() -> None:
    card = _words(_of_class(_parsed(page({"deals": _deals(), "orders": []}, as_of=AS_OF)), "card")[2])
    assert "45 won deals" in card


@pytest.mark.parametrize("nothing", [None, [], (), iter(()), pl.DataFrame(), pl.LazyFrame(), pd.DataFrame()])
def test_an_empty_table_gives_dashes_with_reasons(nothing: Any) -> None:
    text = page(dict.fromkeys(_tables(), nothing), as_of=AS_OF)
    assert text == page({}, as_of=AS_OF)
    root = _parsed(text)
    assert [_words(value) for value in _of_class(root, "value")] == ["–"] * 5
    assert [_words(card).split("No value: ")[1].split(".")[0] for card in _of_class(root, "card")] == [
        "the data has no deals",
        "the data has no deals",
        "the data has neither orders nor deals",
        "the data has no survey responses",
        "the data has no tickets",
    ]
    assert not list(root.iter("svg"))


def test_records_frames_and_iterators_give_the_same_page(text: str) -> None:
    tables = _tables()
    classes = {
        "deals": Deal,
        "orders": Order,
        "tickets": Ticket,
        "interactions": Interaction,
        "survey_responses": SurveyResponse,
    }
    frames = {name: from_records(tables[name], cls) for name, cls in classes.items()}
    expected = page(tables, as_of=AS_OF)
    assert page(frames, as_of=AS_OF) == expected
    assert page({name: frame.lazy() for name, frame in frames.items()}, as_of=AS_OF) == expected
    assert page({name: iter(rows) for name, rows in tables.items()}, as_of=AS_OF) == expected


@settings(max_examples=5, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_change_a_byte(chance: random.Random) -> None:
    tables = _tables()
    shuffled = {name: chance.sample(rows, len(rows)) for name, rows in tables.items()}
    assert page(shuffled, as_of=AS_OF, tz=TZ) == page(tables, as_of=AS_OF, tz=TZ)


def test_hostile_text_is_shown_and_never_run() -> None:
    frame = pl.DataFrame(
        {
            "category": ["won"],
            "closed_at": [datetime(2025, 5, 1, tzinfo=UTC)],
            "created_at": [datetime(2025, 4, 1, tzinfo=UTC)],
            "owner_id": [HOSTILE],
            "amount": [1.0],
            "currency": [HOSTILE],
        }
    )
    strange = frame.rename({"category": HOSTILE})
    for tables in ({"deals": frame}, {"deals": strange}):
        text = page(
            tables,
            as_of=AS_OF,
            title=HOSTILE,
            subtitle=HOSTILE,
            notices=[Notice(HOSTILE, HOSTILE, 1)],
            owners={HOSTILE: HOSTILE},
        )
        root = _parsed(text)
        assert "<script" not in text
        assert text.count(escaped(HOSTILE)) >= 5
        assert _words(next(root.iter("h1"))) == HOSTILE


def test_the_page_needs_nothing_from_elsewhere(text: str) -> None:
    root = _parsed(text)
    for element in root.iter():
        assert element.tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        assert not {"src", "href", "srcset", "action", "data"} & set(element.attrib)
        assert not any(name.startswith("on") for name in element.attrib)
    for word in ("://", "url(", "@import", "javascript:"):
        assert word not in text


def test_headings_are_in_order_and_labels_lead_somewhere(text: str) -> None:
    root = _parsed(text)
    levels = [int(element.tag[1]) for element in root.iter() if element.tag in {"h1", "h2", "h3", "h4"}]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(label in ids for element in root.iter() for label in element.get("aria-labelledby", "").split())
    assert root.get("lang") == "en"
    assert [len(list(root.iter(landmark))) for landmark in ("header", "main", "footer")] == [1, 1, 1]


def test_every_chart_is_an_image_with_words_and_the_same_months_as_a_table(text: str) -> None:
    figures = list(_parsed(text).iter("figure"))
    assert len(figures) == 6
    for figure in figures:
        svg = next(figure.iter("svg"))
        assert svg.get("role") == "img"
        assert [child.tag for child in svg][:2] == ["title", "desc"]
        assert len(list(figure.iter("tr"))) == 1 + 14


def test_the_running_month_is_marked_and_a_full_one_is_not(text: str) -> None:
    assert _of_class(_parsed(text), "partial")
    assert _rows(text, "Win rate by month")[-1][0].startswith("Dec 2025month not over yet")
    full = page(_tables(), as_of=date(2025, 11, 30), tz=TZ)
    assert not _of_class(_parsed(full), "partial")
    assert _rows(full, "Win rate by month")[-1][0] == "Nov 2025"


def test_a_month_without_a_value_is_a_dash_with_a_reason_and_never_a_zero(text: str) -> None:
    rows = {row[0][:8]: row for row in _rows(text, "Net promoter score by month")}
    assert rows["Jun 2025"] == ["Jun 2025nobody answered", "–", "–", "0"]
    assert rows["Jan 2025"] == ["Jan 2025no data yet", "–", "–", "0"]


@pytest.mark.parametrize(
    ("created", "shown"), [(date(2025, 10, 1), 12), (date(2024, 11, 1), 14), (date(2001, 1, 1), 24)]
)
def test_the_charts_show_a_year_at_least_and_two_at_most(created: date, shown: int) -> None:
    at = datetime(created.year, created.month, 1, 12, tzinfo=UTC)
    deal = Deal(pipeline_id="gym", stage="Won", category="won", created_at=at, closed_at=at)
    text = page({"deals": [deal, *_deals()[-5:]]}, as_of=AS_OF)
    assert len(_rows(text, "Win rate by month")) == shown


def test_owners_have_names_and_come_by_their_revenue_and_deals_without_one_last(text: str) -> None:
    rows = _rows(text, "Deals by owner")
    assert {row[0] for row in rows} == {"Anna K.", "bo", "No owner"}
    assert rows[-1][0] == "No owner"
    won, lost, open_ = (sum(int(row[place]) for row in rows) for place in (1, 2, 3))
    assert (won, lost, open_) == (45, 15, 15)
    revenue = [float(row[6].split(" ")[0].replace(",", "")) for row in rows[:-1]]
    assert revenue == sorted(revenue, reverse=True)


def test_deals_without_a_column_of_owners_say_so() -> None:
    frame = from_records(_deals(), Deal).drop("owner_id")
    text = page({"deals": frame}, as_of=AS_OF)
    assert "No owners: the Deal data has no column 'owner_id'" in _section(text, "owners")


def test_the_page_tells_what_was_noticed_and_what_was_left_out(text: str) -> None:
    assert _rows(text, "Noticed in the data") == [
        ["deals without a customer", "deals.csv", "1,425"],
        ["amounts were read as PLN", "–", "–"],
    ]
    assert ["Win rate", "open", "15"] in _rows(text, "Left out of the numbers")


def test_warnings_stand_beside_the_value_and_in_the_notes() -> None:
    answer = SurveyResponse(
        kind="nps", scale_low=0, scale_high=10, score=10, responded_at=datetime(2025, 5, 1, tzinfo=UTC)
    )
    text = page({"survey_responses": [answer]}, as_of=AS_OF)
    warning = "all answers are of one kind, so the interval has no width"
    assert warning in _words(_of_class(_parsed(text), "card")[3])
    assert ["Net promoter score", f"note: {warning}", "–"] in _rows(text, "Left out of the numbers")


def test_a_share_without_replies_says_that_it_may_be_too_high() -> None:
    tables = _tables()
    del tables["interactions"]
    card = _words(_of_class(_parsed(page(tables, as_of=AS_OF)), "card")[4])
    assert "the data has no interactions, so replies are not counted" in card


def test_amounts_of_two_currencies_are_a_reason_and_leave_the_other_kpis_alone() -> None:
    foreign = Deal(
        pipeline_id="gym",
        stage="Won",
        category="won",
        created_at=datetime(2025, 5, 1, tzinfo=UTC),
        closed_at=datetime(2025, 5, 2, tzinfo=UTC),
        amount=Money.from_minor_units(1000, "EUR"),
    )
    text = page({"deals": [*_deals(), foreign]}, as_of=AS_OF)
    cards = [_words(card) for card in _of_class(_parsed(text), "card")]
    assert "46 won of 61 closed deals" in cards[0]
    assert "amounts in EUR, PLN cannot be added" in cards[2]
    assert "Won revenue–" in _section(text, "deals")


@pytest.mark.parametrize("wrong", [{"tz": "Nowhere"}, {"as_of": datetime(2025, 1, 1)}, {"as_of": "today"}])
def test_an_argument_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        page({}, **{"as_of": AS_OF, **wrong})


def test_progress_is_told_in_short_sentences_and_changes_nothing() -> None:
    said: list[str] = []
    assert page({}, as_of=AS_OF, progress=said.append) == page({}, as_of=AS_OF)
    assert said[0] == "Computing: win rate"
    assert said[-1] == "Writing the page"
    assert all(len(sentence) < 60 for sentence in said)


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_has_the_contrast_of_wcag_aa_in_light_and_in_dark(text: str, scheme: int) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6});", text.split("--page:")[scheme + 1].join(["--page:", ""])))
    for ground in ("page", "surface"):
        for ink in ("ink", "muted", "accent", "warm"):
            darker, lighter = sorted((_luminance(colours[ground]), _luminance(colours[ink])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ground, ink)
