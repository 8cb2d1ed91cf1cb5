"""Leads: people and organizations that may become customers, and the moves that change their status."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from crmkit.errors import InvalidTransition
from crmkit.model.contact_point import ContactPoint
from crmkit.model.records import Record, field, record
from crmkit.model.transition import Transition, changed

LeadCategory = Literal["open", "converted", "disqualified"]


@record
class Lead(Record):
    """Somebody who showed interest, before it is known whether they will ever buy.

    `status` is the business's own label and `category` what it means; an open lead with `qualified_at` is qualified.
    Both change through `work`, `qualify`, `disqualify`, `recycle` and `crmkit.model.conversion.convert` alone. A
    converted lead stays as it is, with the ids of what it became. `recycle_count` says how often a disqualified lead
    was taken up again.
    """

    status: str = "New"
    category: LeadCategory = "open"
    name: str | None = field(default=None, category="identity", personal=True)
    organization_name: str | None = field(default=None, category="identity")
    job_title: str | None = field(default=None, personal=True)
    contact_points: Sequence[ContactPoint] = field(default=(), category="identity", personal=True)
    source: str | None = None
    campaign_id: str | None = field(default=None, links="Campaign")
    owner_id: str | None = field(default=None, links="Employee")
    score: float | None = field(default=None, category="quantitative")
    first_responded_at: datetime | None = None
    qualified_at: datetime | None = None
    converted_at: datetime | None = None
    disqualified_reason: str | None = None
    recycle_count: int = field(default=0, category="quantitative")
    customer_id: str | None = field(default=None, links="Customer")
    organization_id: str | None = field(default=None, links="Customer")
    deal_id: str | None = field(default=None, links="Deal")


Moved = tuple[Lead, Transition]


def possible_moves(lead: Lead, *, is_automatic: bool = False) -> tuple[str, ...]:
    """Return the names of the moves that the lead's state allows.

    People may take a qualified lead back to work; a rule that acts by itself, `is_automatic`, goes forward only.

    >>> possible_moves(Lead())
    ('work', 'qualify', 'disqualify')
    """
    if lead.category == "converted":
        return ()
    if lead.category == "disqualified":
        return ("recycle",)
    if not lead.qualified_at:
        return ("work", "qualify", "disqualify")
    return ("disqualify", "convert") if is_automatic else ("work", "disqualify", "convert")


def refused(lead: Lead, move: str, *, is_automatic: bool = False) -> InvalidTransition:
    """Return the error of a move that is impossible for a lead; it lists the possible ones.

    >>> refused(Lead(id="l1"), "recycle").possible
    ('work', 'qualify', 'disqualify')
    """
    what = f"lead {lead.id!r} at {lead.status!r} ({lead.category}) does not allow {move}"
    return InvalidTransition(what, possible_moves(lead, is_automatic=is_automatic))


def work(
    lead: Lead,
    *,
    at: datetime,
    status: str = "Working",
    is_automatic: bool = False,
    by: str | None = None,
    reason: str | None = None,
) -> Moved:
    """Move an open lead to another status of work, such as "Contacted"; return the lead and its transition.

    A qualified lead is no longer qualified then. Raises `InvalidTransition` for a lead that is not open or has this
    status, and for a qualified one where the move `is_automatic`.

    >>> lead, transition = work(Lead(), status="Contacted", at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> transition.before, lead.status
    ('New', 'Contacted')
    """
    if "work" not in possible_moves(lead, is_automatic=is_automatic) or status == lead.status:
        raise refused(lead, "work", is_automatic=is_automatic)
    return _moved(lead, lead.replace(status=status, qualified_at=None), at=at, by=by, reason=reason)


def qualify(
    lead: Lead, *, at: datetime, status: str = "Qualified", by: str | None = None, reason: str | None = None
) -> Moved:
    """Find an open lead worth a conversion; return the lead and its transition.

    Raises `InvalidTransition` for a lead that is not open or is qualified already.

    >>> lead, _ = qualify(Lead(), at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> possible_moves(lead)
    ('work', 'disqualify', 'convert')
    """
    _check(lead, "qualify")
    return _moved(lead, lead.replace(status=status, qualified_at=at), at=at, by=by, reason=reason)


def disqualify(lead: Lead, *, reason: str, at: datetime, status: str = "Disqualified", by: str | None = None) -> Moved:
    """Give up an open lead for a reason; return the lead and its transition.

    Raises `InvalidTransition` for a lead that is not open.

    >>> disqualify(Lead(), reason="no budget", at=datetime(2025, 5, 1, tzinfo=UTC))[0].disqualified_reason
    'no budget'
    """
    _check(lead, "disqualify")
    disqualified = lead.replace(status=status, category="disqualified", disqualified_reason=reason)
    return _moved(lead, disqualified, at=at, by=by, reason=reason)


def recycle(
    lead: Lead, *, at: datetime, status: str = "Recycled", by: str | None = None, reason: str | None = None
) -> Moved:
    """Take up a disqualified lead again, not qualified and without the reason; return the lead and its transition.

    Raises `InvalidTransition` for a lead that is not disqualified.

    >>> lead, _ = disqualify(Lead(), reason="no budget", at=datetime(2025, 5, 1, tzinfo=UTC))
    >>> recycle(lead, at=datetime(2025, 11, 1, tzinfo=UTC))[0].recycle_count
    1
    """
    _check(lead, "recycle")
    recycled = lead.replace(
        status=status,
        category="open",
        qualified_at=None,
        disqualified_reason=None,
        recycle_count=lead.recycle_count + 1,
    )
    return _moved(lead, recycled, at=at, by=by, reason=reason)


def _check(lead: Lead, move: str) -> None:
    if move not in possible_moves(lead):
        raise refused(lead, move)


def _moved(before: Lead, after: Lead, *, at: datetime, by: str | None, reason: str | None) -> Moved:
    return after, changed(before, after, "status", at=at, by=by, reason=reason)
