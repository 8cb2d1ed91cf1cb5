"""The score that is learned: its evidence, its points, and that it is the same whatever the data is in."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit import CRM
from crmkit.errors import InvalidInput
from crmkit.model import Customer, Lead, Money, Order
from crmkit.rules import days_ago, field
from crmkit.segmentation import Scorecard
from crmkit.segmentation.scoring.bins import MOST_WORDS
from tests.examples import few
from tests.segmentation.lifetime.cdnow import in_polars
from tests.segmentation.scoring.prospects import ASKED, FIELDS, KINDS, NOW, prospects, telco

PEOPLE = prospects()
WON = field("category") == "converted"


def fitted(frame: Any = PEOPLE, **options: Any) -> Scorecard:
    return Scorecard.fit(frame, **{"outcome": "won", "fields": FIELDS} | ASKED | options)


def leads(**counts: tuple[int, int]) -> list[Lead]:
    """As many leads of each source as are said, and of those so many converted."""
    made = []
    for source, (n, hits) in counts.items():
        made += [
            Lead(id=f"{source}{at}", source=source, category="converted" if at < hits else "open") for at in range(n)
        ]
    return made


def test_it_tells_the_churn_of_a_telephone_company_as_well_as_logistic_regression_does(published: Path) -> None:
    frame, fields, folds = telco(published)
    found = []
    for fold in range(4):
        card = Scorecard.fit(frame.filter(folds != fold), outcome="churned", fields=fields)
        found.append(card.quality(frame.filter(folds == fold), outcome="churned"))

    areas = [each.auc for each in found if each.auc is not None]
    assert [each.n for each in found] == folds.value_counts(sort=False).sort("")["count"].to_list()
    assert sum(areas) / 4 == pytest.approx(0.84, abs=0.005)
    assert min(areas) > 0.82
    assert sum(each.hits for each in found) == 1869
    assert sum(each.expected or 0 for each in found) == pytest.approx(1869, rel=0.02)
    groups = [group for each in found for group in each.groups]
    assert sum(group.low <= (group.expected or 0) <= group.high for group in groups) >= 0.85 * len(groups)


def test_the_churn_by_contract_is_the_published_one(published: Path) -> None:
    frame, _, _ = telco(published)
    card = Scorecard.fit(frame, outcome="churned", fields=["Contract"])

    rows = {label: (n, hits) for _, label, n, hits, *_ in card.to_polars().rows()}
    assert rows == {"Month-to-month": (3875, 1655), "One year": (1473, 166), "Two year": (1695, 48)}
    for contract, rate in (("Month-to-month", 0.4270967742), ("One year", 0.1126951799), ("Two year", 0.02831858407)):
        assert card.explain({"Contract": contract}).probability == pytest.approx(rate, abs=0.02)


def test_evidence_is_the_logarithm_of_the_odds_against_those_of_all() -> None:
    card = Scorecard.fit(leads(web=(100, 20), fair=(100, 60)), outcome=WON, fields=["source"], smoothing=1e-9)
    found = dict(card.to_polars().select("label", "evidence").rows())

    assert found["web"] == pytest.approx(math.log((20 / 80) / (80 / 120)))
    assert found["fair"] == pytest.approx(math.log((60 / 40) / (80 / 120)))
    information = (20 / 80 - 80 / 120) * found["web"] + (60 / 80 - 40 / 120) * found["fair"]
    assert card.fields[0].information == pytest.approx(information)


def test_the_probability_of_one_field_is_what_came_true() -> None:
    card = Scorecard.fit(leads(web=(1000, 200), fair=(1000, 600)), outcome=WON, fields=["source"])

    assert card.explain(Lead(source="web")).probability == pytest.approx(0.2, abs=0.01)
    assert card.explain(Lead(source="fair")).probability == pytest.approx(0.6, abs=0.01)


def test_what_few_rows_show_counts_little() -> None:
    card = Scorecard.fit(leads(web=(500, 250), fair=(2, 2)), outcome=WON, fields=["source"], least=1)
    few_rows, many = (each.points for each in sorted(card.fields[0].bins, key=lambda each: each.n))

    assert abs(few_rows) < 20
    assert many == 0
    assert card.to_polars().filter(pl.col("label") == "fair")["evidence"].item() < math.log(2)


def test_two_fields_that_say_the_same_count_once() -> None:
    twice = PEOPLE.with_columns(again="source")
    one, both = (fitted(twice, fields=fields) for fields in (["source"], ["source", "again"]))

    weight, again = (each.weight for each in both.fields)
    assert weight == pytest.approx(again)
    assert 0.9 < (weight + again) / one.fields[0].weight < 1.25
    assert both.score(twice)["score"].std() == pytest.approx(one.score(PEOPLE)["score"].std(), rel=0.25)


def test_a_field_that_would_count_against_its_own_evidence_is_left_out() -> None:
    # Who is old has many visits, and among as many visits age says the opposite of what it says alone.
    rows = [(age, visits) for age in range(2) for visits in range(2) for _ in range(400)]
    rates = {(0, 0): 0.3, (1, 0): 0.2, (0, 1): 0.7, (1, 1): 0.65}
    weights = {(0, 0): 350, (1, 0): 50, (0, 1): 50, (1, 1): 350}
    data = [(*key, at < rates[key] * n) for key, n in weights.items() for at in range(n) if key in set(rows)]
    frame = pl.DataFrame(data, schema=["age", "visits", "won"], orient="row")
    age, visits = fitted(frame, fields=["age", "visits"]).fields

    assert age.information > 0.1
    assert age.weight == 0
    assert all(each.points == 0 for each in age.bins)
    assert visits.weight > 0


def test_a_missing_value_is_a_bin_of_its_own() -> None:
    found = fitted().to_polars().filter(pl.col("label") == "no value")

    assert dict(found.select("field", "n").rows()) == {"source": 14, "visits": 18, "is_member": 12}


def test_blank_text_and_what_is_no_finite_number_are_no_value() -> None:
    words = PEOPLE.with_columns(pl.col("source").fill_null("  "))
    numbers = PEOPLE.with_columns(pl.col("visits").cast(pl.Float64).fill_null(math.nan))
    infinite = PEOPLE.with_columns(pl.col("visits").cast(pl.Float64).fill_null(math.inf))

    assert fitted(words) == fitted(numbers) == fitted(infinite) == fitted()


def test_what_was_never_seen_adds_nothing_and_says_so() -> None:
    card = fitted(fields=["source", "visits"])
    found = card.explain({"source": "carrier pigeon", "visits": 3})

    strange = next(each for each in found.contributions if each.name == "source")
    assert (strange.label, strange.points) == ("carrier pigeon", 0)
    assert strange.note == "nothing was learned about this value"
    table = card.score(pl.DataFrame({"id": ["a"], "source": ["carrier pigeon"], "visits": [3]}))
    assert table.row(0)[1] == found.score


def test_rare_words_say_nothing_and_are_not_kept() -> None:
    frame = PEOPLE.with_columns(name=pl.lit("Ann ") + pl.col("id"))
    card = fitted(frame, fields=["name", "source"])

    assert card.fields[0].bins == ()
    assert "Ann" not in card.to_json()
    assert card.warnings == (
        "'name' says nothing about 100% of the rows, whose texts are rare; give numbers as numbers",
    )


def test_only_the_commonest_words_have_a_bin() -> None:
    words = [f"w{at:03}" for at in range(MOST_WORDS + 50) for _ in range(3 + (at >= 50))]
    frame = pl.DataFrame({"word": words, "won": [at % 2 == 0 for at in range(len(words))]})
    (word,) = fitted(frame, fields=["word"], least=1).fields

    assert [each.word for each in word.bins] == [f"w{at:03}" for at in range(50, MOST_WORDS + 50)]


def test_times_count_in_days_before_as_of_in_the_zone() -> None:
    late = datetime(2025, 5, 30, 18, tzinfo=UTC)  # already the day of as_of in Bangkok
    rows = [(late - timedelta(days=30 * (at % 2)), date(2025, 5, 31 - 30 * (at % 2)), at % 2 == 0) for at in range(80)]
    frame = pl.DataFrame(rows, schema={"at": pl.Datetime("us", "UTC"), "on": pl.Date, "won": pl.Boolean}, orient="row")

    bangkok, utc = (
        Scorecard.fit(frame, outcome="won", fields=["at", "on"], as_of=NOW, tz=tz) for tz in (ASKED["tz"], "UTC")
    )
    assert [[part.upto for part in each.bins] for each in bangkok.fields] == [[0, None], [0, None]]
    assert [[part.upto for part in each.bins] for each in utc.fields] == [[1, None], [0, None]]


def test_an_instant_after_as_of_has_not_happened_when_somebody_is_scored() -> None:
    card = fitted()
    later = PEOPLE.with_columns(joined_at=pl.lit(datetime(2025, 6, 1, tzinfo=UTC)))

    assert card.score(later, **ASKED).equals(card.score(PEOPLE.with_columns(joined_at=pl.lit(None)), **ASKED))


def test_a_monotone_field_only_rises_or_only_falls() -> None:
    free, ordered = (fitted(bins=8, monotone=names) for names in ((), ("visits", "spent")))
    visits = [each for each in ordered.fields[1].bins if not each.is_missing]
    rates = [each.hits / each.n for each in visits]

    assert rates == sorted(rates)
    assert sum(each.n for each in ordered.fields[2].bins) == sum(each.n for each in free.fields[2].bins)
    assert ordered.fields[1].bins[-1].is_missing


@given(st.permutations(range(60)), st.integers(1, 6))
@few
def test_neither_order_nor_parts_of_rows_matter(order: list[int], bins: int) -> None:
    some = PEOPLE.head(60)
    card = fitted(some, bins=bins, least=3)

    assert fitted(some[order], bins=bins, least=3) == card
    assert card.score(some[order], **ASKED).equals(card.score(some, **ASKED))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "ü", None]),
            st.none() | st.floats(-3, 3).map(lambda each: round(each, 1)),
            st.none() | st.booleans(),
            st.booleans(),
        ),
        min_size=2,
        max_size=40,
    ).filter(lambda rows: len({row[-1] for row in rows}) == 2)
)
@few
def test_contributions_add_up_to_the_score_of_the_table(rows: list[Any]) -> None:
    types = {"word": pl.String, "number": pl.Float64, "flag": pl.Boolean, "won": pl.Boolean}
    frame = pl.DataFrame(rows, schema=types, orient="row").with_columns(id=pl.int_range(pl.len()).cast(pl.String))
    card = Scorecard.fit(frame, outcome="won", fields=["word", "number", "flag"], least=2, bins=3)
    scored = {row["id"]: row for row in card.score(frame).to_dicts()}

    for row in frame.head(5).to_dicts():
        found = card.explain(row)
        assert found.start + sum(each.points for each in found.contributions) == found.score
        assert (found.score, found.probability) == (scored[row["id"]]["score"], scored[row["id"]]["probability"])
    assert all(0 <= each["probability"] <= 1 for each in scored.values())
    assert sum(n for _, n, _ in card.histogram) == len(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_to_the_last_digit_whatever_the_data_is(kind: str) -> None:
    data, card = KINDS[kind](PEOPLE), fitted()

    assert fitted(data) == card
    found = card.score(data, **ASKED)
    assert type(found) is type(data)
    assert in_polars(found).rows() == card.score(PEOPLE, **ASKED).rows()
    assert card.quality(data, outcome="won", **ASKED) == card.quality(PEOPLE, outcome="won", **ASKED)


@pytest.mark.parametrize("given_", [list, iter, tuple])
def test_records_say_their_class_themselves(given_: Callable[[list[Lead]], Any]) -> None:
    rows = leads(web=(60, 10), fair=(60, 40))
    card = Scorecard.fit(given_(rows), outcome=WON, fields=["source"])

    assert card == Scorecard.fit(rows, outcome=WON, fields=["source"], record_class=Lead)
    assert (card.n, card.hits) == (120, 50)
    assert isinstance(card.score(given_(rows)), pl.DataFrame)


def test_the_outcome_is_a_column_a_rule_or_ids() -> None:
    known = PEOPLE.with_columns(pl.col("won").fill_null(False))
    ids = known.filter("won")["id"].to_list()

    assert fitted(known, outcome=ids) == fitted(known) == fitted(known.with_columns(pl.col("won").cast(pl.Int8)))
    assert fitted().left_out == PEOPLE["won"].null_count() == 9


def test_rules_may_ask_of_related_records() -> None:
    people = [Customer(id=f"c{at}", kind="person", name="?", country="TH" if at % 3 else "PL") for at in range(90)]
    orders = [
        Order(customer_id=f"c{at}", at=datetime(2025, 5, 1, tzinfo=UTC), amount=Money("9", "PLN"))
        for at in range(0, 90, 2)
    ]
    asked: dict[str, Any] = {"fields": ["country"], "related": {Order: orders}, "as_of": NOW}
    card = Scorecard.fit(people, outcome=field("orders.last_at") > days_ago(60), **asked)

    assert (card.n, card.hits) == (90, 45)
    assert Scorecard.fit(people, outcome=[f"c{at}" for at in range(0, 90, 2)], **asked) == card


def test_amounts_in_several_currencies_are_not_compared() -> None:
    orders = [
        Order(id=f"o{at}", at=datetime(2025, 5, 1, tzinfo=UTC), amount=Money(str(at), "PLN" if at % 2 else "EUR"))
        for at in range(60)
    ]
    asked: dict[str, Any] = {"outcome": [f"o{at}" for at in range(30, 60)], "fields": ["amount"]}

    with pytest.raises(InvalidInput, match="amounts in EUR, PLN cannot be compared; convert them first"):
        Scorecard.fit(orders, **asked)
    assert Scorecard.fit(orders, where=field("currency") == "PLN", **asked).n == 30


def test_history_is_what_a_store_knew_then() -> None:
    crm = CRM.open("memory://", clock=lambda: datetime(2025, 3, 1, tzinfo=UTC))
    with crm.transaction(by="anna"):
        for each in leads(web=(40, 0), fair=(40, 0)):
            crm.leads.add(each)
    then = list(crm.as_of(datetime(2025, 3, 2, tzinfo=UTC)).leads)
    won = [each.id for each in then if each.id.startswith("fair") and each.id[-1] in "0123456"]
    crm.close()

    card = Scorecard.fit(then, outcome=won, fields=["source"], as_of=date(2025, 3, 1))
    assert (card.n, card.hits, card.warnings) == (80, len(won), ())
    assert (card.explain(Lead(source="fair")).probability or 0) > (card.explain(Lead(source="web")).probability or 1)


def test_a_field_that_separates_perfectly_is_warned_of_and_stays_finite() -> None:
    card = Scorecard.fit(leads(web=(100, 0), fair=(100, 100)), outcome=WON, fields=["source"])

    assert card.warnings == ("'source' tells the outcome almost perfectly by itself (AUC 1.000); was it known before?",)
    never, always = (card.explain(Lead(source=source)).probability or 0 for source in ("web", "fair"))
    assert 0 < never < 0.05
    assert 0.95 < always < 1


def test_too_few_outcomes_for_so_many_fields_are_warned_of() -> None:
    card = fitted(PEOPLE.head(40))

    assert any("below 10 a field" in each for each in card.warnings)
    assert fitted().warnings == ()


def test_a_score_of_no_information_is_the_same_for_all() -> None:
    card = Scorecard.fit(leads(web=(100, 30), fair=(100, 30)), outcome=WON, fields=["source"])

    assert {each.points for each in card.fields[0].bins} == {0}
    assert card.explain(Lead(source="web")).probability == pytest.approx(0.3, abs=0.01)


def test_nothing_to_score_is_no_row() -> None:
    card = fitted()
    found = card.score(PEOPLE.clear(), **ASKED)

    assert found.schema == {"id": pl.String, "score": pl.Int64, "probability": pl.Float64}
    assert found.height == 0
    assert card.score([]).equals(found)
    assert card.quality(PEOPLE.clear(), outcome="won", **ASKED).auc is None


def test_points_double_the_odds_as_asked() -> None:
    card = fitted(base=600, points_to_double=50)

    assert card.probability(600) == 0.5
    assert card.probability(650) == pytest.approx(2 / 3)
    assert card.probability(-100_000) == pytest.approx(0)


def test_a_column_of_another_name_is_found() -> None:
    renamed = PEOPLE.rename({"id": "Id", "source": "Lead Source"})
    columns = {"id": "Id", "source": "Lead Source"}

    assert fitted(renamed, columns=columns) == fitted()
    assert fitted().score(renamed, columns=columns, **ASKED).equals(fitted().score(PEOPLE, **ASKED))


def test_json_makes_the_same_score() -> None:
    card = fitted()

    assert Scorecard.from_json(card.to_json()) == card
    assert Scorecard.from_json(card.to_json()).score(PEOPLE, **ASKED).equals(card.score(PEOPLE, **ASKED))


def test_no_value_of_a_person_stands_in_its_repr() -> None:
    card = fitted(fields=["source"])

    assert "o'neil" not in repr(card) + repr(card.explain({"source": "o'neil"}))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fields": []}, "fields= has no list of columns"),
        ({"fields": [1]}, "fields= has no list of columns"),
        ({"fields": None}, "fields= has no list of columns"),
        ({"fields": "source"}, "fields= has no list of columns"),
        ({"fields": ["sauce"]}, "no column 'sauce'.*did you mean 'source'"),
        ({"fields": ["won"]}, "'won' is what the outcome is read from"),
        ({"outcome": "source", "fields": ["spent"]}, "the outcome 'source' is String; give a column of True and False"),
        (
            {"outcome": "visits", "fields": ["spent"]},
            "the outcome holds 2; give a column of True and False, or of 1 and 0",
        ),
        ({"outcome": "joined_at", "fields": ["spent"]}, "the outcome 'joined_at' is Datetime"),
        ({"outcome": []}, "the outcome is the same in all 240 rows"),
        ({"data": []}, "the outcome is the same in all 0 rows"),
        ({"outcome": ["a", 1]}, "the outcome is no column, no rule and no list of ids"),
        ({"outcome": 3}, "the outcome is no column, no rule and no list of ids"),
        ({"as_of": None}, "column 'joined_at' is a time, and counts as days before as_of; give as_of="),
        ({"as_of": date(2025, 3, 1)}, "column 'joined_at' has instants after as_of, so it was not known then"),
        ({"bins": 0}, "bins=0 is out of range; give a whole number from 1"),
        ({"least": 2.5}, "least=2.5 is out of range"),
        ({"base": "500"}, "base='500' is out of range; give a whole number"),
        ({"points_to_double": True}, "points_to_double=True is out of range"),
        ({"smoothing": 0}, "smoothing=0 is no number of rows; give one above 0"),
        ({"smoothing": math.nan}, "smoothing=nan is no number of rows"),
        ({"monotone": ["source"]}, "monotone= names 'source', which is no field of numbers; there are 'visits'"),
        ({"tz": "Bangkok"}, "tz='Bangkok' is not a time zone"),
        ({"where": field("source") == "web"}, "nothing here says which; give record_class="),
        ({"where": field("sauce") == "web", "record_class": Lead}, "Lead has no field 'sauce'"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        fitted(options.pop("data", PEOPLE), **options)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"visits": pl.lit("many")}, "column 'visits' is String, and was numbers or times where the score was made"),
        ({"source": pl.lit(1)}, "column 'source' is Int32, and was texts or flags"),
        ({"source": pl.lit([1])}, "is List"),
        ({"joined_at": pl.lit(datetime(2025, 5, 1, 9))}, "without a time zone; give timestamps with one, or dates"),
        ({"joined_at": pl.duration(days=pl.lit(1))}, "a score is made of numbers, texts, flags, dates and timestamps"),
    ],
)
def test_a_column_of_another_kind_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        fitted().score(PEOPLE.with_columns(**change), **ASKED)


def test_one_row_is_explained_at_a_time() -> None:
    with pytest.raises(InvalidInput, match="one row is explained at a time, and these are 240"):
        fitted().explain(PEOPLE, **ASKED)
    assert fitted().explain(PEOPLE.head(1), **ASKED).score == fitted().score(PEOPLE.head(1), **ASKED)["score"].item()


def test_a_score_without_rows_is_a_value_like_any_other() -> None:
    card = fitted()

    assert attrs.evolve(card, warnings=("x",)) != card
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        card.base = 1  # type: ignore[misc]
