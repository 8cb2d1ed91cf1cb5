"""Contact points: the ways to reach a customer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from crmkit.model.records import Value, field, value

ContactKind = Literal["email", "phone", "social", "address", "web"]
InvalidReason = Literal["bounced", "malformed", "wrong", "closed"]
"""Why a point cannot be used: messages came back, no such form exists, it is somebody else's, it was given up."""


@value
class Address(Value):
    """A postal address in parts. Not every place has a street, a region or a postcode, so every part may be absent.

    >>> home = Address(["ul. Piotrkowska 1", "m. 5"], city="Łódź", postcode="90-001", country="PL")
    >>> home.line
    'ul. Piotrkowska 1, m. 5, 90-001, Łódź, PL'
    """

    lines: Sequence[str] = field(default=(), personal=True)
    city: str | None = field(default=None, personal=True)
    region: str | None = field(default=None, personal=True)
    postcode: str | None = field(default=None, personal=True)
    country: str | None = None

    @property
    def line(self) -> str:
        """The parts that are known in one line; empty where none is."""
        parts = (*self.lines, self.postcode, self.city, self.region, self.country)
        return ", ".join(part for part in parts if part is not None)


@value
class ContactPoint(Value):
    """One way to reach a customer. Several customers may have the same one, as families share a telephone.

    `value` is the e-mail address, number, handle, link or postal address as one text, in the form it was given in;
    `crmkit.model.normalise` has the normal forms. `address` is a postal address in parts besides. `label` tells points
    of one kind apart: "home", "work". A point that turned out invalid is kept and marked, so that an import of old data
    does not bring it back as a good one.

    >>> ContactPoint("phone", "+48 22 123 45 67 ext. 12", label="work").is_invalid
    False
    """

    kind: ContactKind
    value: str = field(category="identity", personal=True)
    label: str | None = None
    address: Address | None = field(default=None, personal=True)
    is_primary: bool = False
    is_invalid: bool = False
    invalid_at: datetime | None = None
    invalid_reason: InvalidReason | None = None

    @property
    def key(self) -> tuple[ContactKind, str]:
        """What two points have in common that are the same: the kind, and the value in whatever capitals."""
        return self.kind, self.value.casefold()
