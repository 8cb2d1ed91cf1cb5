"""The people of the sample: those who work for the company, and its customers with their contacts."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from crmkit.model import Contact, Customer, Employee
from crmkit.sample import words
from crmkit.sample.draw import Draw
from crmkit.sample.records import numbered

_JOINING = (1.2, 1.1, 1.1, 1.0, 1.0, 0.8, 0.6, 0.6, 1.2, 1.3, 1.2, 0.9)
_SOURCES = {"web": 40, "referral": 22, "cold call": 16, "trade fair": 12, "partner": 10}
_UNITS = {("person",): 40, ("organization", "contact"): 45, ("organization", "contact", "contact"): 15}
_JOINED_BEFORE = 0.75
_DAYS_BEFORE = 4 * 365


class Staff(NamedTuple):
    """An employee as the company knows one: the number of the manager, and the share of cases that go well with this person.

    Those who take no cases have the skill 0.
    """

    name: str
    team: str | None
    department: str
    manager: int | None
    skill: float = 0.0


_STAFF = (
    Staff("Halina Borowiecka", None, "management", None),
    Staff("Krzysztof Maliński", None, "sales", 1),
    Staff("Dorota Szczęsna", "Offices", "sales", 2, 0.42),
    Staff("Ömer Yıldızlı", "Offices", "sales", 2, 0.33),
    Staff("Paweł Kosiński", "Offices", "sales", 2, 0.21),
    Staff("ปรียา วงศ์ทอง", "Cafés and homes", "sales", 2, 0.37),
    Staff("Ігор Савчук", "Cafés and homes", "sales", 2, 0.27),
    Staff("Beata Łęcka", None, "service", 1),
    Staff("Mwangaza", "Help desk", "service", 8, 0.8),
    Staff("Tomasz Górecki", "Help desk", "service", 8, 0.72),
    Staff("Lê Thị Hoa", "Help desk", "service", 8, 0.62),
    Staff("Václav Říha", "Field service", "service", 8),
)
SELLING_TEAMS = ("Offices", "Cafés and homes")
_SKILLS = {numbered("employee", number): staff.skill for number, staff in enumerate(_STAFF, 1)}


def employees(at: datetime) -> list[Employee]:
    """Return the employees, managers before their people, all employed since an instant."""
    return [
        Employee(
            id=numbered("employee", number),
            created_at=at,
            name=staff.name,
            team=staff.team,
            department=staff.department,
            manager_id=numbered("employee", staff.manager) if staff.manager else None,
        )
        for number, staff in enumerate(_STAFF, 1)
    ]


def ids_of(*teams: str) -> list[str]:
    """Return the ids of the employees of some teams."""
    return [numbered("employee", number) for number, staff in enumerate(_STAFF, 1) if staff.team in teams]


def skill(employee_id: str) -> float:
    """Return the share of cases that go well with an employee."""
    return _SKILLS[employee_id]


def customers(draw: Draw, count: int) -> tuple[list[Customer], list[Contact]]:
    """Return so many customers in the order in which they joined, and the contacts of the organizations."""
    found: list[Customer] = []
    contacts: list[Contact] = []
    units = _units(draw, count)
    for at, unit in zip(_joined(draw, len(units)), units, strict=True):
        if unit == ("person",):
            found.append(_private(draw, len(found) + 1, at))
            continue
        organization = _organization(draw, len(found) + 1, at)
        found.append(organization)
        for place in range(1, len(unit)):
            person = _employed(draw, len(found) + 1, organization)
            found.append(person)
            contacts.append(_contact(draw, len(contacts) + 1, person, organization, is_primary=place == 1))
    return found, contacts


def buyers(found: list[Customer], contacts: list[Contact]) -> list[Customer]:
    """Return the customers who buy for themselves: all but the contacts of organizations."""
    employed = {contact.person_id for contact in contacts}
    return [customer for customer in found if customer.id not in employed]


def source(draw: Draw) -> str | None:
    """Return where somebody heard of the company; not everybody says it."""
    return draw.weighed(_SOURCES) if draw.chance(0.93) else None


def _units(draw: Draw, count: int) -> list[tuple[str, ...]]:
    """Private persons, and organizations with their people, until there are so many customers."""
    units = []
    while count > 0:
        unit = draw.weighed(_UNITS)[:count]
        units.append(unit)
        count -= len(unit)
    return units


def _joined(draw: Draw, count: int) -> list[datetime]:
    season = draw.season(_JOINING)
    before = draw.count(count * _JOINED_BEFORE)
    first = draw.start - timedelta(days=_DAYS_BEFORE)
    return draw.moments(season, before, first, draw.start) + draw.moments(season, count - before, draw.start, draw.end)


def _private(draw: Draw, number: int, at: datetime) -> Customer:
    country, city = draw.weighed(words.PLACES)
    return Customer(
        id=numbered("customer", number),
        created_at=at,
        kind="person",
        name=_name(draw),
        birth_on=_birthday(draw) if draw.chance(0.7) else None,
        country=country,
        city=city,
        source=source(draw),
        owner_id=draw.pick(ids_of("Cafés and homes")) if draw.chance(0.3) else None,
        tags={"newsletter"} if draw.chance(0.5) else set(),
    )


def _organization(draw: Draw, number: int, at: datetime) -> Customer:
    country, city = draw.weighed(words.PLACES)
    industry = draw.pick(list(words.INDUSTRIES))
    return Customer(
        id=numbered("customer", number),
        created_at=at,
        external_ids={"accounting": f"K{10_000 + number}"},
        kind="organization",
        name=_company_name(draw, industry),
        country=country,
        city=city,
        industry=industry,
        source=source(draw),
        owner_id=draw.pick(ids_of("Cafés and homes" if industry == "hospitality" else "Offices")),
        tags={"key account"} if draw.chance(0.06) else set(),
    )


def _employed(draw: Draw, number: int, organization: Customer) -> Customer:
    return Customer(
        id=numbered("customer", number),
        created_at=organization.created_at,
        kind="person",
        name=_name(draw),
        country=organization.country,
        city=organization.city,
        source=organization.source,
        owner_id=organization.owner_id,
    )


def _contact(draw: Draw, number: int, person: Customer, organization: Customer, *, is_primary: bool) -> Contact:
    return Contact(
        id=numbered("contact", number),
        created_at=organization.created_at,
        person_id=person.id,
        organization_id=organization.id,
        role=draw.pick(words.ROLES),
        is_primary=is_primary,
    )


def _name(draw: Draw) -> str:
    names = draw.weighed(words.NAMES)
    return names.pattern.format(given=draw.pick(names.given), family=draw.pick(names.family))


def _company_name(draw: Draw, industry: str) -> str:
    invented = draw.pick(words.COMPANY_BEGINNINGS) + draw.pick(words.COMPANY_ENDINGS)
    return f"{invented} {draw.pick(words.INDUSTRIES[industry])}"


def _birthday(draw: Draw) -> date:
    return date(draw.year - 70, 1, 1) + timedelta(days=draw.random.randrange(50 * 365))
