"""The people of the season: members with their families, those whom two front desks entered twice, and the staff."""

import unicodedata
from datetime import date, timedelta

from crmkit.model import ContactPoint, Employee
from fitness_club.model import EmergencyContact, Member, Trainer
from fitness_club.season.draw import BEGIN, END, Draw, at, civil_day


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GIVEN = _words(
    "Anna Katarzyna Małgorzata Agnieszka Barbara Ewa Magdalena Elżbieta Joanna Zofia Łucja Alicja Oliwia Maja Hanna Julia Weronika "
    "Piotr Krzysztof Andrzej Tomasz Paweł Jan Michał Marcin Jakub Adam Łukasz Grzegorz Mateusz Wojciech Kacper Filip Szymon Antoni"
)
_ROOTS = _words(
    "Nowak Wójcik Kowalczyk Woźniak Mazur Krawczyk Kaczmarek Zając Król Wróbel Pawlak Walczak Stępień Michalak Sikora Baran Duda "
    "Szewczyk Pietrzak Marciniak Bąk Włodarczyk Borowiec Gajda Szulc Kubiak Lis Czarnecki Sobczak Głowacki Urban Mróz Kołodziej Ptak "
    "Kurek Gołąb Sowa Żak Cichoń Świątek Rogala Polak Jarosz Bielak Madej Stolarz Górka Śliwa Wrona Kruk Żuraw Rataj Chmiel Jaros"
)
_MIDDLES = ("", "", "an", "er", "in", "ol", "ur")
_ENDS = ("", "owski", "iak", "ewicz", "ski", "czyk", "ik", "ecki")
_MAIL = _words("wp.example onet.example poczta.example mail.example firma.example post.example")
_NICKNAMES = _words("mis kotek sloneczko biegacz silacz tygrys zebra sokol gwiazda orzel wilk rybka")
_GOALS = ("lose weight", "build muscle", "stay fit", "less back pain", "run a marathon", "meet people")
_NOTES = ("asthma", "pregnant", "knee surgery", "high blood pressure")
MANAGERS = ("manager-1", "manager-2", "manager-3")
TRAINERS = tuple(f"trainer-{number}" for number in range(1, 9))


def staff() -> list[Employee]:
    """Return the managers and the trainers."""
    managers = [Employee(id=each, name=f"Manager {each[-1]}", department="Front desk") for each in MANAGERS]
    return [*managers, *(Trainer(id=each, name=f"Trainer {each[-1]}", department="Training") for each in TRAINERS)]


def family_of(draw: Draw, number: int, size: int) -> list[Member]:
    """Return so many members of one home: one family name, one telephone, and of each adult an e-mail address of their own."""
    surname = _surname(draw)
    phone = ContactPoint("phone", f"+48 {draw.random.randrange(500, 900)} {draw.random.randrange(10**6):06}")
    joined = draw.day(BEGIN - timedelta(days=500), END - timedelta(days=10))
    owner, trainer = draw.random.choice(MANAGERS), draw.random.choice(TRAINERS)
    return [
        _member(draw, f"{number}-{place}", surname, phone, owner=owner, trainer=trainer).replace(
            created_at=at(joined, 10), birth_on=_born(draw, is_child=place > 1)
        )
        for place in range(size)
    ]


def _member(draw: Draw, key: str, surname: str, phone: ContactPoint, *, owner: str, trainer: str) -> Member:
    given = draw.random.choice(_GIVEN)
    points = [phone] if draw.happens(0.15) else [phone, ContactPoint("email", _mail(draw, given, surname))]
    is_filled = draw.happens({"manager-1": 0.95, "manager-2": 0.7, "manager-3": 0.4}[owner])
    return Member(
        id=f"member-{key}",
        external_ids={"card": f"C{key}"},
        kind="person",
        name=f"{given} {surname}",
        given_name=given,
        family_name=surname,
        contact_points=points,
        city="Łódź",
        country="PL",
        source=draw.random.choice(("web", "friend", "walk-in", "social")),
        owner_id=owner,
        trainer_id=trainer if draw.happens(0.5) else None,
        goals={draw.random.choice(_GOALS)} if is_filled else frozenset(),
        health_notes=draw.random.choice(_NOTES) if draw.happens(0.1) else None,
        emergency_contact=EmergencyContact(f"{draw.random.choice(_GIVEN)} {surname}", phone.value)
        if is_filled
        else None,
    )


def _surname(draw: Draw) -> str:
    root, middle, end = (draw.random.choice(each) for each in (_ROOTS, _MIDDLES, _ENDS))
    return root[: -1 if middle + end and root[-1] in "aeiouyą" else None] + middle + end


def _mail(draw: Draw, given: str, surname: str) -> str:
    first, last, number = _plain(given), _plain(surname), draw.random.randrange(40, 2000)
    name = draw.random.choice(
        (
            f"{first}.{last}",
            f"{first[0]}{last}{number}",
            f"{draw.random.choice(_NICKNAMES)}{number}",
            f"{last}.{number}",
        )
    )
    return f"{name}@{draw.random.choice(_MAIL)}"


def entered_again(draw: Draw, member: Member) -> Member:
    """Return what the other front desk made of a member: other letters, a typing error, a telephone without its code."""
    given, surname = member.given_name or "", member.family_name or ""
    points = [each for each in member.contact_points if each.kind == "phone" or draw.happens(0.5)]
    points = [each.replace(value=each.value.removeprefix("+48 ")) if each.kind == "phone" else each for each in points]
    if draw.happens(0.15):
        points = [each for each in points if each.kind != "phone"]
    way = draw.random.random()
    if way < 0.4:  # noqa: PLR2004 - the shares of what a front desk does
        given, surname = _plain(given).title(), _plain(surname).title()
    elif way < 0.7:  # noqa: PLR2004 - as above
        surname = _mistyped(draw, surname)
    born = member.birth_on
    if born is not None and draw.happens(0.08):
        born = born.replace(day=born.day % 28 + 1)
    return member.replace(
        id=f"{member.id}-again",
        external_ids={"card": f"{member.external_ids['card']}B"},
        name=f"{surname} {given}" if draw.happens(0.3) else f"{given} {surname}",
        given_name=given,
        family_name=surname,
        birth_on=born,
        contact_points=points,
        created_at=at(draw.day(max(civil_day(member.created_at or at(BEGIN, 0)), BEGIN), END), 15),
        goals=(),
        emergency_contact=None,
        health_notes=None,
    )


def _mistyped(draw: Draw, name: str) -> str:
    place = draw.random.randrange(1, len(name) - 1)
    return draw.random.choice(
        (
            name[:place] + name[place + 1 :],
            name[: place - 1] + name[place] + name[place - 1] + name[place + 1 :],
            name[:place] + name[place] + name[place:],
        )
    )


def _born(draw: Draw, *, is_child: bool) -> date:
    return draw.day(date(2007, 1, 1), date(2012, 1, 1)) if is_child else draw.day(date(1950, 1, 1), date(2004, 1, 1))


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.lower().replace("ł", "l"))
    return "".join(each for each in decomposed if not unicodedata.combining(each))
