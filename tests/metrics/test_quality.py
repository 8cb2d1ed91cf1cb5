"""The quality of data: filled, fresh, and there only once."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.frames import from_records
from crmkit.metrics.quality import DuplicatePair, completeness, duplicate_share, freshness
from crmkit.model import Customer, Deal, Interaction, Money
from crmkit.model.completeness import completeness as of_one
from crmkit.rules import field
from crmkit.testing.strategies import simplest
from tests.examples import few
from tests.frames.kinds import KINDS
from tests.metrics.cases import AS_OF, maybe, owners
from tests.metrics.oracle import Asked, Fact, asked, check, share

MAY = date(2025, 5, 31)
OF = ["name", "city", "birth_on", "tags"]
COLUMNLESS = ["external_ids", "contact_points", "preferences"]
DAY = timedelta(days=1)

customers = st.lists(
    st.builds(
        Customer,
        id=st.sampled_from("abcdefgh"),
        kind=st.sampled_from(["person", "organization"]),
        name=st.just("Ann"),
        city=st.sampled_from([None, "Gdynia"]),
        birth_on=st.sampled_from([None, date(1990, 1, 1)]),
        tags=st.sampled_from([frozenset(), frozenset({"vip"})]),
        owner_id=owners,
        created_at=maybe,
    ),
    max_size=8,
    unique_by=lambda each: each.id,
)
pairs = st.lists(
    st.builds(
        DuplicatePair,
        first_id=st.sampled_from("abcdefghij"),
        second_id=st.sampled_from("abcdefghij"),
        score=st.sampled_from([None, 0.4, 0.9]),
    ),
    max_size=6,
)


def ann(**given_: Any) -> Customer:
    return simplest(Customer, **{"kind": "person", "name": "Ann"} | given_)


@few
@given(customers)
def test_it_is_what_the_completeness_of_each_record_adds_up_to(given_: list[Customer]) -> None:
    known = [each for each in given_ if each.created_at is None or each.created_at < datetime(2025, 4, 1, tzinfo=UTC)]
    each_ = [of_one(each, excluded=COLUMNLESS) for each in known]
    measure = completeness(given_, as_of=AS_OF).only

    assert measure.n == len(known)
    assert (measure.value or 0) * len(known) == pytest.approx(sum(each.share or 0 for each in each_))
    for category, value in measure.details.items():
        shares = [each.by_category[category] or 0 for each in each_]  # type: ignore[index]
        assert value == pytest.approx(sum(shares) / len(known))


@few
@given(customers, st.booleans())
def test_a_field_counts_where_it_applies(given_: list[Customer], is_strict: bool) -> None:
    persons = {"birth_on": field("kind") == "person", "city": field("tags").has("vip")}
    method = "records" if is_strict else "fields"
    measure = completeness(given_, as_of=date(2025, 5, 1), of=OF, applicable=persons, method=method).only
    filled, of, complete = 0, 0, 0
    for each in given_:
        parts: list[object] = [each.name, each.tags]
        parts += [each.birth_on] if each.kind == "person" else []
        parts += [each.city] if "vip" in each.tags else []
        filled, of, complete = filled + sum(map(bool, parts)), of + len(parts), complete + all(parts)

    assert (measure.numerator, measure.denominator) == ((complete, len(given_)) if is_strict else (filled, of))


def test_zero_and_false_are_answers_and_blank_and_nan_are_none() -> None:
    deal = simplest(Deal, amount=Money(0, "PLN"))
    call = from_records([simplest(Interaction, duration_seconds=0.0)], Interaction)
    text = from_records([ann(city="x")], Customer)

    assert completeness([deal], cls=Deal, of=["amount"], as_of=MAY).value == 1
    for seconds, value in ((0.0, 1), (float("nan"), 0), (None, 0)):
        frame = call.with_columns(duration_seconds=pl.lit(seconds, pl.Float64))
        for kind in (frame, frame.lazy(), frame.to_pandas()):
            assert completeness(kind, cls=Interaction, of=["duration_seconds"], as_of=MAY).value == value
    for city, value in (("", 0), (" \t\n", 0), ("Gdynia", 1), ("0", 1)):
        assert completeness(text.with_columns(city=pl.lit(city)), of=["city"], as_of=MAY).value == value


def test_fields_that_the_data_does_not_have_are_not_judged_unless_asked_for() -> None:
    frame = from_records([ann()], Customer, ["name", "city"])

    assert completeness(frame, as_of=MAY).value == 0.5
    with pytest.raises(InvalidInput, match="the Customer data has no column 'country'"):
        completeness(frame, of=["country"], as_of=MAY)
    with pytest.raises(InvalidInput, match="Customer has no field 'town' to be filled"):
        completeness(frame, of=["town"], as_of=MAY)
    with pytest.raises(InvalidInput, match="Customer has no field 'town' to be filled"):
        completeness(frame, applicable={"town": field("kind") == "person"}, as_of=MAY)


def test_nothing_to_fill_has_no_value_but_a_reason() -> None:
    assert completeness([], as_of=MAY).only.reason == "there is no record"
    assert completeness([ann()], of=[], as_of=MAY).only.reason == "there is no field to fill"
    assert completeness([], as_of=MAY, method="records").only.reason == "there is no record"


def test_real_leads_have_the_published_gaps(published: Path) -> None:
    columns = {"city": "City", "country": "Country", "source": "Lead Source"}
    expected = json.loads((published / "expected" / "xeducation.json").read_text())
    files = ("Lead_Scoring.csv", "eval_leads_heldout49.csv")
    tables = [pl.read_csv(published / "xeducation_leads" / each, infer_schema=False) for each in files]
    leads = pl.concat(each.select(columns.values()) for each in tables)
    measure = completeness(leads, of=list(columns), columns=columns, as_of=MAY).only
    missing = sum(expected["nulls"][column] for column in columns.values())

    assert (measure.n, measure.denominator) == (expected["rows"], 3 * expected["rows"])
    assert measure.numerator == 3 * expected["rows"] - missing


def ages(given_: list[Customer], asked_: Asked, within: int) -> list[Fact]:
    as_of = asked_.day(asked_.as_of) if isinstance(asked_.as_of, datetime) else asked_.as_of
    return [
        Fact(None, "never updated", asked_.group(each))
        if each.created_at is None
        else Fact(
            each.created_at,
            "fresh" if (as_of - asked_.day(each.created_at)).days <= within else "stale",
            asked_.group(each),
        )
        for each in given_
    ]


@few
@given(customers, asked(by="owner_id"), st.sampled_from([0, 30, 60]))
def test_freshness_is_the_share_updated_within_the_days(given_: list[Customer], asked_: Asked, within: int) -> None:
    result = freshness(given_, within_days=within, **asked_.options)
    counted = ["fresh", "stale"] if asked_.every else ["fresh", "stale", "never updated"]
    facts = ages(given_, asked_, within)

    if asked_.every:  # what was never updated is in no period
        dated = [fact for fact in facts if fact.at is not None]
        assert result.excluded == {}
        check(result, dated, counted, asked_, lambda inside: share(inside, "fresh"))
    else:
        check(result, facts, counted, asked_, lambda inside: share(inside, "fresh"))


def test_freshness_says_how_old_the_records_are() -> None:
    now = datetime(2025, 5, 31, 12, tzinfo=UTC)
    rows = [ann(created_at=now - age * DAY) for age in (0, 10, 365, 366)] + [ann(created_at=None)]
    measure = freshness(rows, as_of=MAY).only

    assert (measure.value, measure.numerator, measure.denominator) == (0.6, 3, 5)
    assert measure.details["median"] == 187.5
    assert freshness([], as_of=MAY).only.reason == "there is no record"


def test_a_column_of_the_callers_may_say_when_it_was_updated() -> None:
    frame = pl.DataFrame({"verified": [datetime(2025, 5, 1, tzinfo=UTC), None]})

    assert freshness(frame, columns={"created_at": "verified"}, as_of=MAY).value == 0.5
    with pytest.raises(InvalidInput, match="updated='city' is no instant of Customer"):
        freshness([], updated="city", as_of=MAY)
    with pytest.raises(InvalidInput, match="^within_days="):
        freshness([], within_days=-1, as_of=MAY)


@few
@given(customers, pairs, st.booleans(), st.sampled_from([None, 0.5]))
def test_duplicates_are_records_in_a_pair_of_two_that_are_there(
    given_: list[Customer], pairs_: list[DuplicatePair], is_surplus: bool, least: float | None
) -> None:
    method = "surplus" if is_surplus else "involved"
    result = duplicate_share(
        customers=given_, pairs=pairs_, method=method, least_score=least, as_of=AS_OF, by="owner_id"
    )
    known = [each for each in given_ if each.created_at is None or each.created_at < datetime(2025, 4, 1, tzinfo=UTC)]
    ids = {each.id for each in known}
    twice = set()
    for pair in pairs_:
        both = {pair.first_id, pair.second_id}
        if both <= ids and len(both) == 2 and (least is None or (pair.score or 0) >= least):
            twice |= {max(both)} if is_surplus else both

    for measure in result:
        mine = {each.id for each in known if each.owner_id == measure.group["owner_id"]}
        assert (measure.numerator, measure.denominator) == (len(mine & twice), len(mine))
        assert result.explain(measure)["numerator"] == sorted(mine & twice)


def test_no_record_is_no_share_of_duplicates() -> None:
    assert duplicate_share(customers=[], pairs=[], as_of=MAY).only.reason == "there is no record"


def _all_pairs(ids: pl.DataFrame, entity: str) -> list[DuplicatePair]:
    groups = ids.group_by(entity).agg("id")["id"].to_list()
    return [DuplicatePair(first_id=a, second_id=b) for group in groups for a, b in combinations(group, 2)]


def test_real_duplicates_have_the_published_shares(published: Path) -> None:
    expected = json.loads((published / "expected" / "entity_resolution.json").read_text())
    febrl = pl.read_csv(published / "febrl" / "dataset1.csv", infer_schema=False).select(id="rec_id")
    febrl = febrl.with_columns(entity=pl.col("id").str.extract(r"rec-(\d+)-"))
    splink = pl.read_csv(published / "splink_fake" / "fake_1000_from_splink_demos.csv", infer_schema=False)
    splink = splink.select(id="unique_id", entity="cluster")

    for name, ids, entities in (("febrl_dataset1", febrl, "entities"), ("splink_fake_1000", splink, "clusters")):
        true = _all_pairs(ids, "entity")
        surplus = duplicate_share(customers=ids, pairs=true, as_of=MAY, method="surplus").only
        assert len(true) == expected[name]["true_pairs"]
        assert surplus.denominator == expected[name]["records"]
        assert surplus.numerator == expected[name]["records"] - expected[name][entities]


@few
@given(st.data(), customers, pairs, st.sampled_from(["involved", "surplus"]))
def test_neither_order_nor_kind_nor_a_rule_changes_anything(
    data: st.DataObject, given_: list[Customer], pairs_: list[DuplicatePair], method: str
) -> None:
    kind = KINDS[data.draw(st.sampled_from(list(KINDS)))]
    shuffled = data.draw(st.permutations(given_))
    bos = [each for each in given_ if each.owner_id == "bo"]
    options: dict[str, Any] = {"as_of": AS_OF, "every": "month", "by": "owner_id", "tz": "Asia/Bangkok"}

    for kpi in (completeness, freshness):
        assert kpi(kind(shuffled, Customer), **options) == kpi(given_, **options)
        assert kpi(given_, where=field("owner_id") == "bo", as_of=AS_OF) == kpi(bos, as_of=AS_OF)
        assert kpi(given_[:3], as_of=AS_OF) + kpi(given_[3:], as_of=AS_OF) == kpi(given_, as_of=AS_OF)
    same = duplicate_share(
        customers=kind(shuffled, Customer), pairs=kind(pairs_, DuplicatePair), method=method, **options
    )
    assert same == duplicate_share(customers=given_, pairs=pairs_, method=method, **options)
    left = duplicate_share(customers=given_, pairs=pairs_, where=field("owner_id") == "bo", as_of=AS_OF)
    assert left == duplicate_share(customers=bos, pairs=pairs_, as_of=AS_OF)


@pytest.mark.parametrize("kind", KINDS)
def test_no_data_of_any_kind_is_nothing(kind: str) -> None:
    def empty() -> Any:
        return KINDS[kind]([], Customer)

    results = [
        completeness(empty(), as_of=MAY),
        completeness(empty(), as_of=MAY, method="records"),
        freshness(empty(), as_of=MAY),
        duplicate_share(customers=empty(), pairs=KINDS[kind]([], DuplicatePair), as_of=MAY),
    ]
    for result in results:
        assert (result.only.value, result.only.n, result.only.reason) == (None, 0, "there is no record")
