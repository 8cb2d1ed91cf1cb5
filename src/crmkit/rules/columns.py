"""What a rule or a sort key may name of a record: its fields, the currencies of its money, declared fields and external ids.

A rule may also name what is asked of related records, such as "orders.count".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any
from unicodedata import normalize

import attrs

from crmkit.errors import InvalidInput, InvalidRecord, choices
from crmkit.model.custom_field import CustomField, custom_value
from crmkit.model.money import currency_column
from crmkit.model.records import FieldInfo, Record, fields
from crmkit.model.shape import DECIMAL_DIGITS, DECIMAL_PLACES, Kind, Shape, converter
from crmkit.rules.related import HAPPENED_AT, Part, Relation, relations

CUSTOM, EXTERNAL_ID = "custom.", "external_ids."
"""How the paths begin of a field that is declared at run time and of another system's id."""

_DAY = (
    "(?!0000)([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
)
FORMS: Mapping[Kind, str] = {
    "instant": f"{_DAY}T([01][0-9]|2[0-3])(:[0-5][0-9]){{2}}[.][0-9]{{6}}Z",
    "day": _DAY,
    "decimal": f"-?0*([0-9]{{1,{DECIMAL_DIGITS}}}([.][0-9]{{0,{DECIMAL_PLACES}}})?|[.][0-9]{{1,{DECIMAL_PLACES}}})",
}
"""How a text in `custom` is written for rules to read it as one of a kind, as `with_custom` does; databases could read no other."""

_PATH = re.compile(r"[a-z][a-z0-9_]{0,62}(\.[^\s\0\ud800-\udfff][^\0-\x1f\ud800-\udfff]{0,98})?")
_COLLECTIONS = ("texts", "values", "mapping")


@attrs.frozen
class Column:
    """Something of a record that can be compared or sorted by.

    `get` reads its value from a record: as `shape` says, text in NFC and instants in UTC, and None where it is empty, which a
    collection without items is too. `where` is how errors call it, and a `personal` value does not stand in them. What is asked of
    related records has their `relation` and the `part` that is asked of them, and cannot be read from the record itself.
    """

    path: str
    where: str
    shape: Shape
    personal: bool
    get: Callable[[Any], Any]
    relation: Relation | None = None
    part: Part = ""

    def accept(self) -> Callable[[Any], Any]:
        """Return the function that checks a value for this column and brings it to the form of those that it holds."""
        return converter(attrs.evolve(self.shape, optional=False), self.where, personal=self.personal)


@attrs.frozen
class Columns:
    """The columns of a record class by their paths."""

    cls: type[Record]
    named: Mapping[str, Column]
    relations: Mapping[str, Relation] = attrs.field(factory=dict)
    declared: tuple[CustomField, ...] = ()

    def __getitem__(self, path: str) -> Column:
        """Return the column at a path; raise `InvalidInput`, which names the nearest one, where there is none."""
        check_path(path)
        if path.startswith(EXTERNAL_ID):
            return _external_id(self.cls, normalize("NFC", path))
        if is_related(path):
            return self._related(path)
        if path in self.relations and path not in self.named:
            asked = ", ".join(repr(f"{path}.{part}") for part in self.relations[path].parts())
            raise InvalidInput(f"{self.cls.__name__}.{path} are other records; ask them for one of {asked}")
        if path not in self.named:
            raise InvalidInput(f"{self.cls.__name__} has no field {path!r}; {choices(path, self.named)}")
        return self.named[path]

    def of_related(self, relation: Relation) -> "Columns":
        """Return what a rule about related records may name of them; `happened_at` is when they happened."""
        inner = columns(relation.cls, self.declared)
        return attrs.evolve(inner, named={HAPPENED_AT: inner.named[relation.happened_at], **inner.named})

    def _related(self, path: str) -> Column:
        name, _, part = path.partition(".")
        cls = self.cls.__name__
        if name not in self.relations:
            raise InvalidInput(f"{cls} has no related records {name!r}; {choices(name, self.relations)}")
        relation = self.relations[name]
        parts = relation.parts()
        if part not in parts:
            raise InvalidInput(f"{cls}.{name} has nothing called {part!r} to be asked; {choices(part, parts)}")

        def get(_: Any) -> Any:
            raise InvalidInput(
                f"{cls}.{path} is asked of other records; give them as related={{{relation.cls.__name__}: ...}}"
            )

        return Column(path, f"{cls}.{path}", parts[part], personal=False, get=get, relation=relation, part=part)


def columns(cls: type[Record], declared: Iterable[CustomField] = (), classes: Iterable[type[Record]] = ()) -> Columns:
    """Return what a rule or a sort key may name of records of a class, with the fields declared for it at run time.

    Records of `classes` that link to it are its related records. Raises `InvalidInput` for a name that is declared twice.

    >>> deals = columns(Deal, [CustomField(subject="Deal", name="rank", kind="integer")])
    >>> deal = Deal(pipeline_id="gym", stage="Trial", amount=Money("490", "PLN"), custom={"rank": 2})
    >>> [deals[path].get(deal) for path in ("stage", "amount", "currency", "tags", "custom.rank")]
    ['Trial', Money(amount=Decimal('490.00'), currency='PLN'), 'PLN', None, 2]
    """
    named = dict(_built_in(cls))  # type: ignore[arg-type]  # mypy takes the hash of a class for its instances'
    subjects = {extended.__name__ for extended in cls.__mro__}
    known = tuple(declared)
    for each in known:
        column = _custom(each)
        if each.subject in subjects and named.setdefault(column.path, column) is not column:
            raise InvalidInput(f"{each.where} is declared twice for {cls.__name__}; keep one declaration")
    return Columns(cls, named, relations(cls, classes), known)


def is_related(path: str) -> bool:
    """Return whether a path names what is asked of related records.

    >>> is_related("orders.count"), is_related("custom.size"), is_related("name")
    (True, False, False)
    """
    return "." in path and not path.startswith((CUSTOM, EXTERNAL_ID))


def check_path(path: str) -> None:
    """Raise `InvalidInput` for what cannot be a path."""
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        word = path[:80] if isinstance(path, str) else type(path).__name__
        raise InvalidInput(f"{word!r} is no name of a field; give one such as 'country' or 'custom.shoe_size'")


@cache
def _built_in(cls: type[Record]) -> Mapping[str, Column]:
    found = [column for info in fields(cls) for column in _of_field(cls, info)]
    return {column.path: column for column in found}


def _of_field(cls: type[Record], info: FieldInfo) -> list[Column]:
    where, get = f"{cls.__name__}.{info.name}", attrgetter(info.name)
    if info.shape.kind in _COLLECTIONS:
        return [Column(info.name, where, info.shape, info.personal, lambda record: get(record) or None)]
    column = Column(info.name, where, info.shape, info.personal, get)
    return [column, _currency(cls, column)] if info.shape.kind == "money" else [column]


def _currency(cls: type[Record], money: Column) -> Column:
    def get(record: Any) -> str | None:
        held = money.get(record)
        return None if held is None else held.currency

    path = currency_column(money.path)
    return Column(path, f"{cls.__name__}.{path}", Shape("text", optional=money.shape.optional), money.personal, get)


def _external_id(cls: type[Record], path: str) -> Column:
    system = path.removeprefix(EXTERNAL_ID)

    def get(record: Any) -> str | None:
        held = record.external_ids.get(system)
        return held if isinstance(held, str) else None

    return Column(path, f"{cls.__name__}.{path}", Shape("text", optional=True), personal=True, get=get)


def _custom(declared: CustomField) -> Column:
    """A declared field; what `custom` holds otherwise than declared, which an import may have put there, is read as empty."""
    form = FORMS.get(declared.kind)
    fits = re.compile(form).fullmatch if form else None

    def get(record: Any) -> Any:
        held = record.custom.get(declared.name)
        if held is None or (fits and isinstance(held, str) and not fits(held)):
            return None
        try:
            return custom_value(record, declared)
        except InvalidRecord:
            return None

    shape = Shape(declared.kind, optional=True, choices=tuple(declared.choices))
    return Column(CUSTOM + declared.name, declared.where, shape, declared.is_personal, get)
