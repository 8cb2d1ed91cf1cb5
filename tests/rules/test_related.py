"""What a rule says of the records that link to a record."""

import operator
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.model import (
    RECORDS,
    Contact,
    Customer,
    Deal,
    Employee,
    Interaction,
    Lead,
    Message,
    Money,
    Order,
    Record,
    SurveyResponse,
    Ticket,
)
from crmkit.model.records import field as declared
from crmkit.model.records import record
from crmkit.rules import AllOf, AnyOf, Comparison, Days, Not, Relative, Rule, days_ago, field, last_days, predicate
from crmkit.rules.related import happened_at, relations
from crmkit.rules.relative import moment_of
from tests.model.vertical import Member, Visit
from tests.rules.test_predicate import holds as holds_of
from tests.rules.test_predicate import in_days
from tests.rules.world import AS_OF, moments, rules_about_customers, world

ANN = Customer(id="ann", kind="person", name="Ann")
BOB = Customer(id="bob", kind="person", name="Bob")
WORLD = world()
LINKED = {"orders": Order, "tickets": Ticket, "interactions": Interaction, "messages": Message, "visits": Visit}
ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "is": operator.eq,
    "below": operator.lt,
    "at_most": operator.le,
    "above": operator.gt,
    "at_least": operator.ge,
    "in": lambda value, among: value in among,
}


def order(day: int, amount: Money | None = None, **given: Any) -> Order:
    return Order(
        at=datetime.fromisoformat(f"2025-05-{day:02}T12:00:00+00:00"), customer_id="ann", amount=amount, **given
    )


def holds(rule: Rule, *related: Record, of: Customer = ANN, as_of: Any = None) -> bool:
    given: dict[type[Record], list[Record]] = {Order: [], Ticket: [], Interaction: [], Visit: []}
    for each in related:
        given[type(each)].append(each)
    return predicate(rule, Customer, as_of=as_of, related=given)(of)


@given(rule=rules_about_customers(), moment=moments())
def test_every_rule_says_what_counting_by_hand_says(rule: Rule, moment: tuple[Any, str]) -> None:
    as_of, tz = moment
    says = predicate(rule, Customer, as_of=as_of, tz=tz, related={cls: WORLD[cls] for cls in LINKED.values()})

    for each in WORLD[Customer] + WORLD[Member]:
        assert says(each) is by_hand(rule, each, as_of, tz)


def by_hand(rule: Rule, customer: Any, as_of: date | datetime, tz: str) -> bool:
    match rule:
        case AllOf(parts=parts):
            return all(by_hand(part, customer, as_of, tz) for part in parts)
        case AnyOf(parts=parts):
            return any(by_hand(part, customer, as_of, tz) for part in parts)
        case Not(part=part):
            return not by_hand(part, customer, as_of, tz)
        case Comparison(path=path) if "." not in path:
            return holds_of(rule.at(as_of, tz), customer)
        case Comparison(path=path, operator=asked, operand=operand, where=where):
            name, question = path.split(".")
            today = (moment_of(as_of, tz)[0], tz)
            return told(question, asked, operand, linked(name, customer, where, as_of, tz), today)
    raise AssertionError(rule)


def linked(name: str, customer: Any, where: Rule | None, as_of: date | datetime, tz: str) -> list[Any]:
    _, last = moment_of(as_of, tz)
    cls = LINKED[name]
    link, when = "member_id" if cls is Visit else "customer_id", happened_at(cls)
    mine = [each for each in WORLD[cls] if getattr(each, link) == customer.id]
    known = [each for each in mine if getattr(each, when) is None or getattr(each, when) <= last]
    return [each for each in known if where is None or holds_of(renamed(where, when).at(as_of, tz), each)]


def renamed(rule: Rule, when: str) -> Rule:
    """The rule with the name that the class itself has for when it happened."""
    match rule:
        case AllOf(parts=parts):
            return AllOf([renamed(part, when) for part in parts])
        case Not(part=part):
            return Not(renamed(part, when))
        case Comparison(path="happened_at", operator=asked, operand=operand):
            return Comparison(when, asked, operand)
    return rule


def told(part: str, asked: str, operand: Any, found: list[Any], today: Any) -> bool:
    if part == "any":
        return bool(found) is operand
    if part == "total":
        paid = [each.amount for each in found if each.amount is not None and each.amount.currency == operand.currency]
        return ORDERED[asked](sum(each.amount for each in paid), operand.amount)
    if part not in {"first_at", "last_at"}:
        counted = found if part == "count" else [each for each in found if each.category == part]
        return ORDERED[asked](len(counted), operand)
    instants = sorted(filter(None, (getattr(each, happened_at(type(each))) for each in found)))
    if asked == "empty" or not instants:
        return asked == "empty" and not instants
    value = instants[0 if part == "first_at" else -1]
    if isinstance(operand, Relative):
        operand = operand.days(*today)
    return in_days(asked, value, operand) if isinstance(operand, Days) else ORDERED[asked](value, operand)


def test_related_records_are_counted_summed_and_dated() -> None:
    orders = [order(1, Money(100, "PLN")), order(20, Money("50.50", "PLN")), order(25, Money(9, "EUR")), order(26)]

    assert holds(field("orders.count") == 4, *orders)
    assert holds(field("orders.total") == Money("150.50", "PLN"), *orders)
    assert holds(field("orders.total") == Money(9, "EUR"), *orders)
    assert holds(field("orders.last_at") == orders[3].at, *orders)
    assert holds(field("orders.first_at") == orders[0].at, *orders)
    assert not holds(field("orders.any") == True, *orders, of=BOB)  # noqa: E712 - a field makes a rule of it


def test_of_nothing_the_count_and_the_total_are_nought_and_no_instant_is_known() -> None:
    assert holds((field("orders.count") == 0) & (field("orders.total") == Money(0, "THB")))
    assert holds(field("orders.last_at").is_empty() & field("orders.first_at").is_empty())
    assert not holds(field("orders.last_at") < days_ago(90), as_of=AS_OF)


def test_related_records_of_a_category_are_counted_by_its_word() -> None:
    tickets = [Ticket(customer_id="ann", category=each) for each in ("open", "open", "paused")]

    assert holds(
        (field("tickets.open") == 2) & (field("tickets.paused") == 1) & (field("tickets.resolved") == 0), *tickets
    )


def test_a_rule_says_which_related_records_count() -> None:
    orders = [order(1, channel="web"), order(2, channel="web"), order(3, channel="shop")]
    online = field("orders.count").where(field("channel") == "web")

    assert holds(online == 2, *orders)
    assert holds(online.where(field("happened_at") == Days(date(2025, 5, 2), date(2025, 5, 9))) == 1, *orders)


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [(date(2025, 4, 30), False), (date(2025, 5, 1), True), (date(2025, 5, 31), True), (date(2025, 6, 1), False)],
)
def test_any_asks_by_values_and_within_days(as_of: date, expected: bool) -> None:
    came = field("interactions").any(channel="visit", within=last_days(30))
    at = datetime.fromisoformat("2025-05-01T00:00:00+00:00")
    visit = Interaction(at=at, channel="visit", direction="inbound", customer_id="ann")

    assert holds(came, visit, as_of=as_of) is expected
    assert not holds(came, visit.replace(channel="phone"), as_of=as_of)


def test_what_happened_after_the_moment_has_not_happened() -> None:
    orders = [order(1), order(2)]
    noon = orders[1].at

    assert holds(field("orders.count") == 2, *orders)
    assert holds(field("orders.count") == 2, *orders, as_of=noon)
    assert holds(field("orders.count") == 1, *orders, as_of=date(2025, 5, 1))
    assert holds(field("tickets.count") == 1, Ticket(customer_id="ann"), as_of=date(2025, 5, 1))


def test_a_rule_that_was_said_for_a_moment_stays_so() -> None:
    rule = (field("orders.count") == 1) & (field("birth_on") == last_days(3))

    assert rule.at(date(2025, 5, 1)).at(date(2026, 5, 1), "Asia/Bangkok") == rule.at(date(2025, 5, 1))


def test_a_verticals_own_records_are_related_by_what_they_link_to() -> None:
    visits = [Visit(id=str(number), member_id="ann", at=AS_OF, guests=number) for number in range(3)]

    assert holds((field("visits.count") == 3) & field("visits").any(guests=2), *visits)
    assert "visits" not in relations(Customer, RECORDS)


def test_relations_are_called_after_the_linking_class() -> None:
    assert list(relations(Customer, [Order, Lead, Contact, SurveyResponse])) == [
        "orders",
        "leads",
        "leads_by_organization",
        "contacts_by_person",
        "contacts_by_organization",
        "survey_responses",
    ]
    assert list(relations(Employee, [Deal, Ticket, Interaction])) == ["deals", "tickets", "interactions"]
    assert list(relations(Deal, [Deal, Order])) == ["orders"]
    assert {name for name, each in relations(Ticket, [Ticket]).items() if each.link == "merged_into_id"} == {
        "tickets_by_merged_into"
    }


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("Visit", "visits"),
        ("PetOwner", "pet_owners"),
        ("Company", "companies"),
        ("Stay", "stays"),
        ("Class", "classes"),
    ],
)
def test_names_are_in_the_plural(name: str, plural: str) -> None:
    made: type[Record] = record(
        type(name, (Record,), {"__annotations__": {"customer_id": str}, "customer_id": declared(links="Customer")})
    )

    assert list(relations(Customer, [made])) == [plural]


def test_what_is_not_related_or_not_known_is_named() -> None:
    for rule, said in {
        field("ordres.count") > 1: "Customer has no related records 'ordres'; .* did you mean 'orders'?",
        field("orders.cuont") > 1: "Customer.orders has nothing called 'cuont' to be asked; .* did you mean 'count'?",
        field("orders")
        == "x": "Customer.orders are other records; ask them for one of 'orders.open', .*'orders.count'",
        field("orders.count").where(field("chanel") == "web")
        > 1: "Order has no field 'chanel'; .* did you mean 'channel'?",
        field("orders.count").where(field("channel") == 7) > 1: "Order.channel: 7 is not accepted",
        field("orders.total") > 5: "Customer.orders.total: 5 is not accepted; give Money",
        field("orders.total").is_empty(): "cannot be asked 'empty'",
        field("tickets.total") > Money(1, "PLN"): "has nothing called 'total'",
    }.items():
        (problem,) = rule.check(Customer)
        with pytest.raises(InvalidInput, match=said):
            predicate(rule, Customer, related={Order: []})
        assert said.split("'")[0] in problem


def test_a_rule_about_related_records_asks_of_their_own_fields() -> None:
    with pytest.raises(
        InvalidInput, match="a rule about the records behind deals.count can ask for their own fields only"
    ):
        _ = field("deals.count").where(field("orders.count") > 1) > 1
    with pytest.raises(InvalidInput, match="name is no question about related records such as 'orders.count'"):
        _ = field("name").where(field("at") > 1) == "Ann"


def test_related_records_must_be_given_and_of_their_class() -> None:
    with pytest.raises(
        InvalidInput, match="Customer.orders.count is asked of other records; give them as related={Order: ...}"
    ):
        predicate(field("orders.count") > 1, Customer)
    with pytest.raises(InvalidInput, match="a Ticket stands among the related records of Order"):
        predicate(field("orders.count") > 1, Customer, related={Order: [Ticket()]})


def test_records_given_once_may_be_asked_several_times() -> None:
    rule = (field("orders.count") == 1) & (field("orders.last_at") == order(1).at)

    assert predicate(rule, Customer, related={Order: iter([order(1)])})(ANN)


@given(rule=rules_about_customers(), data=st.data())
def test_a_rule_that_fits_is_without_problems(rule: Rule, data: st.DataObject) -> None:
    as_of, tz = data.draw(moments())

    assert rule.check(Customer, classes=[*RECORDS, Visit]) == ()
    assert rule.at(as_of, tz).check(Customer, classes=[*RECORDS, Visit]) == ()
