"""The records that the contract keeps in a store: built-in ones, a class that extends one, and a field of every kind."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from crmkit.model import Customer, CustomField, Employee, Money, Record, Ticket, Transition, Value, field, record, value
from crmkit.model.shape import Scalar


@record
class Member(Customer):
    """A customer of a club: a class that extends a built-in one."""

    card: str | None = field(default=None, category="identity", personal=True, unique=True)
    joined_on: date | None = None


@value
class Coin(Value):
    """A value inside a record."""

    metal: str
    worth: Money | None = None
    minted_on: date | None = None


@record
class Specimen(Record):
    """A record with a field of every kind, both required and optional."""

    number: int | None = field(default=None, unique=True)
    text: str = "x"
    choice: Literal["red", "green"] = "red"
    integer: int = 0
    share: float = 0.0
    decimal: Decimal = Decimal(0)
    flag: bool = False
    instant: datetime = datetime(2025, 1, 31, 12, tzinfo=UTC)
    day: date = date(2025, 1, 31)
    amount: Money = Money(0, "PLN")
    labels: AbstractSet[str] = frozenset()
    steps: Sequence[str] = ()
    coin: Coin = Coin("tin")
    coins: Sequence[Coin] = ()
    measured: Mapping[str, Scalar] = field(factory=dict, personal=True)
    maybe_text: str | None = None
    maybe_choice: Literal["red", "green"] | None = None
    maybe_integer: int | None = None
    maybe_share: float | None = None
    maybe_decimal: Decimal | None = None
    maybe_flag: bool | None = None
    maybe_instant: datetime | None = None
    maybe_day: date | None = None
    price: Money | None = None
    maybe_labels: AbstractSet[str] | None = None
    maybe_steps: Sequence[str] | None = None
    maybe_coin: Coin | None = None
    maybe_coins: Sequence[Coin] | None = None
    maybe_measured: Mapping[str, Scalar] | None = field(default=None, personal=True)


CLASSES: tuple[type[Record], ...] = (Employee, CustomField, Customer, Ticket, Transition, Member, Specimen)
"""The classes that the stores of the contract are opened for."""

ANN = Employee(id="ann", name="Ann")
BOB = Employee(id="bob", name="Bob")
CAT = Employee(id="cat", name="Cat")

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
LARGEST = 2**63 - 1
LONG_AGO, FAR_AHEAD = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
DECIMALS = tuple(
    map(Decimal, ("0", "-1", "1.5", "10", "9.9999999999", f"{'9' * 28}.{'9' * 10}", f"-{'9' * 28}.{'9' * 10}"))
)
SHARES = (0.0, -0.5, 0.1, 1e-300, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 3.0)
MONIES = tuple(
    Money.from_minor_units(units, currency)
    for currency in ("JPY", "PLN", "KWD", "CLF")
    for units in (0, 1, -LARGEST, LARGEST)
)
TEXTS = (
    "plain",
    " padded ",
    "Łódź",
    "กรุงเทพฯ",
    "שלום",
    "👩‍👩‍👧",
    "\U0010ffff",
    "\uffee",
    "%_*?[a-z]\\",
    "'; DROP TABLE crm_customer; --",
    '"quoted"',
    "a\tb\r\nc\x01",
    "null",
    "0012",
    "true",
    "2025-01-31",
    "{}",
    "x" * 10_000,
)


def specimens() -> list[Specimen]:
    """Return specimens with the extremes of every kind, in no order."""
    drawn: dict[str, Sequence[Any]] = {
        "text": TEXTS,
        "choice": ("red", "green"),
        "integer": (0, 1, -1, 10, 9, LARGEST, -LARGEST - 1),
        "share": SHARES,
        "decimal": DECIMALS,
        "flag": (True, False),
        "instant": (NOON, LONG_AGO, FAR_AHEAD, NOON.replace(microsecond=1)),
        "day": (date(2025, 1, 31), date.min, date.max, date(2024, 2, 29)),
        "amount": MONIES,
        "labels": (frozenset(), frozenset(TEXTS[:9]), frozenset({"a,b", "{x}"})),
        "steps": ((), TEXTS[:9], ("b", "a", "b")),
        "coin": (Coin("tin"), Coin("Gold", Money("1.5", "THB"), date(1500, 1, 1))),
        "coins": ((), (Coin("tin"), Coin("Łódź", MONIES[-1]))),
        "measured": ({}, {"a": 1, "b": 1.5, "c": True, "d": None, "Łódź": "'\"", "e": LARGEST, "f": "1"}),
    }
    optional = {"amount": "price"}
    most = max(map(len, drawn.values()))
    made = [
        {name: values[place % len(values)] for name, values in drawn.items()}
        | {optional.get(name, f"maybe_{name}"): values[place % len(values)] for name, values in drawn.items()}
        for place in range(most)
    ]
    empty: list[dict[str, Any]] = [{}, {"tags": {"vip", "staff"}}, {"price": Money(1, "USD"), "maybe_text": "plain"}]
    return [Specimen(id=f"s{(7 * place) % 100:02}", **given) for place, given in enumerate((*made, *empty))]
