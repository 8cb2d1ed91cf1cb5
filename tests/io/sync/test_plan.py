"""Plans: what may be kept in step, and how it is read from records and written to them."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from crmkit.errors import InvalidInput, InvalidRecord
from crmkit.io.sync import SyncConsent, SyncField, SyncPlan
from crmkit.model import ContactPoint, Customer, Deal, Record
from crmkit.model.records import field, record


@record
class Visit(Record):
    """A visit with a field of every kind that holds one value."""

    at: datetime
    on: date
    minutes: int = 0
    weight: float = 0.0
    is_trial: bool = False
    note: str | None = field(default=None, personal=True)


VISIT = Visit(
    id="v",
    at=datetime(2025, 3, 1, 9, 30, tzinfo=UTC),
    on=date(2025, 3, 1),
    minutes=45,
    weight=71.5,
    custom={"coach": "Eva"},
)
PATHS = ["at", "on", "minutes", "weight", "is_trial", "note", "custom.coach"]


def plan(cls: type[Any], *fields: SyncField, **options: Any) -> SyncPlan[Any]:
    return SyncPlan(name="mailer", cls=cls, fields=fields, **options)


def test_every_kind_of_field_goes_out_as_a_plain_value_and_comes_back() -> None:
    visits = plan(Visit, *map(SyncField, PATHS))
    values = visits.values(VISIT)
    assert values == {
        "at": "2025-03-01T09:30:00.000000Z",
        "on": "2025-03-01",
        "minutes": 45,
        "weight": 71.5,
        "is_trial": False,
        "note": None,
        "coach": "Eva",
    }
    assert visits.made("v", values) == VISIT
    assert visits.written(VISIT.replace(minutes=1, note="x", custom={}), values) == VISIT


def test_an_empty_custom_field_is_none() -> None:
    assert plan(Visit, SyncField("custom.coach")).written(VISIT, {"coach": None}).custom == {}


def test_what_does_not_fit_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidRecord, match="Visit.note: a personal value of type int"):
        plan(Visit, SyncField("note")).written(VISIT, {"note": 7})
    with pytest.raises(InvalidRecord, match="Visit.on: it is missing"):
        plan(Visit, SyncField("at")).made("v", {"at": "2025-03-01T09:30:00Z"})


HOME = ContactPoint("email", "home@example.com", label="home")
WORK = ContactPoint("email", "work@example.com", is_primary=True)
PHONE = ContactPoint("phone", "+48 501 234 567", is_primary=True)
BOUNCED = ContactPoint("email", "old@example.com", is_invalid=True, invalid_reason="bounced")


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ([], "a@example.com", [ContactPoint("email", "a@example.com", is_primary=True)]),
        ([HOME], "a@example.com", [HOME.replace(value="a@example.com")]),
        ([HOME, PHONE, WORK], "a@example.com", [HOME, PHONE, WORK.replace(value="a@example.com")]),
        (
            [WORK, PHONE, HOME],
            "HOME@example.com",
            [WORK.replace(is_primary=False), PHONE, HOME.replace(value="HOME@example.com", is_primary=True)],
        ),
        ([HOME, PHONE, WORK], None, [HOME, PHONE]),
        ([PHONE], None, [PHONE]),
        ([BOUNCED], "a@example.com", [BOUNCED, ContactPoint("email", "a@example.com", is_primary=True)]),
        ([BOUNCED], "Old@example.com", [BOUNCED]),
    ],
)
def test_an_address_of_the_other_system_becomes_the_one_to_use(
    before: list[ContactPoint], value: str | None, after: list[ContactPoint]
) -> None:
    ann = Customer(kind="person", name="Ann", contact_points=before)
    people = plan(Customer, SyncField("contact_points.email"))
    written = people.written(ann, {"email": value})
    assert list(written.contact_points) == after


@pytest.mark.parametrize(
    ("cls", "path", "direction", "says"),
    [
        (Customer, "nmae", "both", "Customer has no field 'nmae'; there are .*; did you mean 'name'"),
        (Customer, "contact_points.fax", "both", "'contact_points.fax' is no kind of contact point; there are 'email'"),
        (
            Customer,
            "contact_points",
            "both",
            "Customer.contact_points does not hold one plain value; keep 'custom.<name>'",
        ),
        (Deal, "amount", "out", "Deal.amount does not hold one plain value"),
        (Deal, "contact_points.email", "out", "Deal has no field"),
        (Customer, "custom.", "both", "Customer has no field 'custom.'"),
        (Deal, "stage", "both", "Deal.stage does not change by being written; give it direction='out'"),
        (Customer, "id", "in", "Customer.id does not change by being written"),
        (Customer, "name", "sideways", "direction='sideways' is unknown; there are 'in', 'out', 'both'"),
    ],
)
def test_a_field_that_cannot_be_kept_in_step_is_refused(
    cls: type[Record], path: str, direction: Any, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        plan(cls, SyncField(path, "x", direction))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"new": "inn"}, "new='inn' is unknown; there are .*did you mean 'in'"),
        ({"deletions": "never"}, "deletions='never' is unknown"),
        ({"conflict": "last"}, "conflict='last' is unknown; .*did you mean 'latest'"),
        ({"match": "phone"}, "match='phone' is unknown"),
        ({"match": "email"}, "needs a SyncField.'contact_points.email', ....; add it"),
        ({"fields": ["name"]}, "fields holds a str; give fields such as SyncField.'name'."),
        ({"fields": [SyncField("name", "out")]}, "remote='out' is a direction and no name; write .*direction='out'"),
        ({"defaults": {"knd": "person"}}, "Customer has no field 'knd'; .*did you mean 'kind'"),
        ({"consent": SyncConsent("mail", "news")}, "channel='mail' is unknown; .*did you mean 'email'"),  # type: ignore[arg-type]
        ({"name": "a:b"}, "names no system"),
        ({"name": " "}, "names no system"),
        ({"fields": [SyncField("city", "x"), SyncField("name", "x")]}, "two fields are 'x' in the other system"),
        ({"cls": Visit, "fields": [], "consent": SyncConsent("email", "news")}, "a Visit gives no consent"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        SyncPlan(**{"name": "mailer", "cls": Customer, "fields": [SyncField("name")], **options})
