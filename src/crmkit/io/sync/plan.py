"""What is kept in step with another system: which records, which fields, and which way."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, get_args

import attrs

from crmkit.codec import from_plain, to_plain
from crmkit.errors import InvalidInput, choices
from crmkit.io.sync.agreement import SyncDirection
from crmkit.io.sync.remote import Plain
from crmkit.model import ContactPoint, Customer, Record, fields
from crmkit.model.contact_point import ContactKind
from crmkit.model.customer import primary
from crmkit.model.interaction import Channel
from crmkit.rules import EVERYTHING, Rule

R = TypeVar("R", bound=Record)
ConflictRule = Literal["latest", "ours", "theirs"]
"""Who counts where both sides changed a field: who did so last, the store, or the other system."""

_CUSTOM, _POINT = "custom.", "contact_points."
_ONE_VALUE = ("text", "choice", "integer", "number", "decimal", "flag", "instant", "day")


@attrs.frozen
class SyncField:
    """A field that is kept in step.

    Args:
        path: the field here: its name, "custom." and the name of one that is declared at run time, or "contact_points." and a
            kind, which is the contact point of the kind that is to be used.
        remote: its name in the other system; without it the last word of the path.
        direction: "out" for what the store knows best, "in" for what the other system does, "both" for either.
        is_required: whether a record without it is not in the other system: it is not sent, and if it was, it is deleted there.

    >>> SyncField("contact_points.email").remote, SyncField("country", "COUNTRY", "out").direction
    ('email', 'out')
    """

    path: str
    remote: str = attrs.field()
    direction: SyncDirection = "both"
    is_required: bool = False

    @remote.default
    def _last_word(self) -> str:
        return self.path.rpartition(".")[2]


@attrs.frozen
class SyncConsent:
    """Which consent is kept in step: the one to be contacted on a channel for a purpose."""

    channel: Channel
    purpose: str


def _listed(given: Iterable[SyncField]) -> tuple[SyncField, ...]:
    return tuple(given)


@attrs.frozen(kw_only=True)
class SyncPlan(Generic[R]):
    """How records of a class are kept in step with another system. Each class of a system has a plan of its own.

    Args:
        name: what the system is called in `external_ids`, and by which the store remembers how far it came.
        cls: the class of the records.
        fields: what is kept in step.
        where: which records are sent; one that was sent stays in step when the rule no longer holds. Relative time counts
            from the run.
        new: which way new records go.
        deletions: which way deletions go; None for none. A record that was deleted there and is kept here is not sent again.
        conflict: who counts where both sides changed a field.
        consent: which consent is kept in step. Then only those are sent who granted it.
        match: whether a record of the other system that is new here is a known one with the same e-mail address, if there is
            exactly one. It needs a field "contact_points.email".
        defaults: what a record that is made here has besides, by field.

    Raises:
        InvalidInput: for a field that the class does not have or that cannot be kept in step, for two fields of one name, and for
            words that mean nothing.

    >>> plan = SyncPlan(name="mailer", cls=Customer, fields=[SyncField("name"), SyncField("contact_points.email", "email")])
    >>> plan.values(Customer(kind="person", name="Ann", contact_points=[ContactPoint("email", "ann@example.com")]))
    {'name': 'Ann', 'email': 'ann@example.com'}
    """

    name: str
    cls: type[R]
    fields: Sequence[SyncField] = attrs.field(converter=_listed)
    where: Rule = EVERYTHING
    new: SyncDirection | None = "both"
    deletions: SyncDirection | None = "out"
    conflict: ConflictRule = "latest"
    consent: SyncConsent | None = None
    match: Literal["email"] | None = None
    defaults: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        """Check that the plan can be carried out."""
        if not self.name.strip() or ":" in self.name:
            raise InvalidInput(f"name={self.name!r} names no system; give a word without a colon, such as 'mailer'")
        for word, name, known in (
            (self.new, "new", (*get_args(SyncDirection), None)),
            (self.deletions, "deletions", (*get_args(SyncDirection), None)),
            (self.conflict, "conflict", get_args(ConflictRule)),
            (self.match, "match", ("email", None)),
        ):
            if word not in known:
                raise InvalidInput(f"{name}={word!r} is unknown; {choices(str(word), known)}")
        known_fields = {info.name for info in fields(self.cls)}
        strange = next((each for each in self.defaults if each not in known_fields), None)
        if strange is not None:
            raise InvalidInput(
                f"defaults: {self.cls.__name__} has no field {strange!r}; {choices(strange, sorted(known_fields))}"
            )
        for each in self.fields:
            _check_field(each, self.cls)
        names = [each.remote for each in self.fields]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InvalidInput(f"two fields are {twice!r} in the other system; give each a name of its own")
        self._check_people()

    def _check_people(self) -> None:
        if self.match is not None and self._email is None:
            raise InvalidInput(
                "match='email' needs a SyncField('contact_points.email', ...); add it, or leave match= out"
            )
        if self.consent is None:
            return
        if not issubclass(self.cls, Customer):
            raise InvalidInput(f"a {self.cls.__name__} gives no consent; leave consent= out, or sync customers")
        if self.consent.channel not in get_args(Channel):
            raise InvalidInput(
                f"channel={self.consent.channel!r} is unknown; {choices(self.consent.channel, get_args(Channel))}"
            )

    @property
    def _email(self) -> SyncField | None:
        return next((each for each in self.fields if each.path == f"{_POINT}email"), None)

    @property
    def directions(self) -> Mapping[str, SyncDirection]:
        """Which way each field goes, by its name in the other system."""
        return {each.remote: each.direction for each in self.fields}

    def values(self, record: R) -> dict[str, Plain]:
        """Return the fields of a record by their names in the other system."""
        plain = to_plain(record)
        return {each.remote: _read(record, plain, each.path) for each in self.fields}

    def written(self, record: R, values: Mapping[str, Plain]) -> R:
        """Return a record with some fields as the other system has them; raise `InvalidRecord` for what does not fit."""
        paths = {each.remote: each.path for each in self.fields}
        changes = {paths[name]: value for name, value in values.items()}
        return _written(record, changes) if changes else record

    def made(self, record_id: str, values: Mapping[str, Plain], **known: Any) -> R:
        """Return a new record of what the other system has; raise `InvalidRecord` where something is missing or does not fit."""
        paths = {each.remote: each.path for each in self.fields if each.direction != "out"}
        changes = {paths[name]: values[name] for name in paths if values.get(name) is not None}
        direct = {path: value for path, value in changes.items() if "." not in path}
        made = from_plain(self.cls, {**self.defaults, **direct, "id": record_id})
        rest = {path: value for path, value in changes.items() if "." in path}
        return _written(made.replace(**known), rest)

    def lacks(self, values: Mapping[str, Plain]) -> bool:
        """Return whether a required field is empty."""
        return any(each.is_required and values.get(each.remote) is None for each in self.fields)

    def address(self, values: Mapping[str, Plain]) -> str | None:
        """Return the e-mail address by which a record of the other system may be known here; None for none."""
        found = values.get(self._email.remote) if self.match is not None and self._email is not None else None
        return found if isinstance(found, str) else None


def _check_field(each: SyncField, cls: type[Record]) -> None:
    if not isinstance(each, SyncField):
        raise InvalidInput(f"fields holds a {type(each).__name__}; give fields such as SyncField('name')")
    if each.remote in get_args(SyncDirection):
        raise InvalidInput(
            f"remote={each.remote!r} is a direction and no name; write SyncField({each.path!r}, direction={each.remote!r})"
        )
    if each.direction not in get_args(SyncDirection):
        raise InvalidInput(
            f"direction={each.direction!r} is unknown; {choices(each.direction, get_args(SyncDirection))}"
        )
    known = {info.name: info for info in fields(cls)}
    if each.path.startswith(_POINT) and "contact_points" in known:
        kind = each.path.removeprefix(_POINT)
        if kind not in get_args(ContactKind):
            raise InvalidInput(f"{each.path!r} is no kind of contact point; {choices(kind, get_args(ContactKind))}")
        return
    if each.path.startswith(_CUSTOM) and each.path != _CUSTOM:
        return
    if each.path not in known:
        raise InvalidInput(f"{cls.__name__} has no field {each.path!r}; {choices(each.path, known)}")
    if known[each.path].shape.kind not in _ONE_VALUE:
        raise InvalidInput(
            f"{cls.__name__}.{each.path} does not hold one plain value; keep 'custom.<name>' or 'contact_points.<kind>' in step instead"
        )
    is_state = each.path in ("stage", "status", "category") and "category" in known
    if each.direction != "out" and (each.path in ("id", "created_at") or is_state):
        raise InvalidInput(f"{cls.__name__}.{each.path} does not change by being written; give it direction='out'")


def _read(record: Record, plain: Mapping[str, Any], path: str) -> Plain:
    if path.startswith(_POINT):
        point = primary(record, path.removeprefix(_POINT))  # type: ignore[arg-type]
        return point.value if point is not None else None
    value: Plain = plain["custom"].get(path.removeprefix(_CUSTOM)) if path.startswith(_CUSTOM) else plain[path]
    return value


def _written(record: R, changes: Mapping[str, Plain]) -> R:
    direct = {path: value for path, value in changes.items() if "." not in path}
    custom = {path.removeprefix(_CUSTOM): value for path, value in changes.items() if path.startswith(_CUSTOM)}
    points = {path.removeprefix(_POINT): value for path, value in changes.items() if path.startswith(_POINT)}
    if custom:
        held = {**record.custom, **custom}
        record = record.replace(custom={name: value for name, value in held.items() if value is not None})
    for kind, value in points.items():
        record = record.replace(contact_points=_pointed(record, kind, value))  # type: ignore[arg-type]
    return from_plain(type(record), {**to_plain(record), **direct}) if direct else record


def _pointed(record: Any, kind: ContactKind, value: Plain) -> list[ContactPoint]:
    """The contact points of a record of which the one to use for a kind is `value`; None takes away the one that there is."""
    used = primary(record, kind)
    points: list[ContactPoint] = list(record.contact_points)
    if value is None:
        return [each for each in points if each is not used]
    new = ContactPoint(kind, value)  # type: ignore[arg-type]
    if any(each.key == new.key and each.is_invalid for each in points):
        return points  # what came back as wrong is not made good by another system
    same = next((each for each in points if each.key == new.key), None)
    if same is None and used is not None:
        return [used.replace(value=new.value) if each is used else each for each in points]
    # Its kind has one primary point at most, so the others give way.
    others = [each.replace(is_primary=each.is_primary and each.kind != kind) for each in points]
    if same is None:
        return [*others, new.replace(is_primary=True)]
    place = points.index(same)
    return [*others[:place], same.replace(value=new.value, is_primary=True), *others[place + 1 :]]
