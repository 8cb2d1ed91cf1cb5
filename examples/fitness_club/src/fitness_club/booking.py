"""The moves of a booking. Each returns the booking and its transition, as the moves of crmkit do."""

from datetime import datetime, timedelta

from crmkit.errors import InvalidTransition
from crmkit.model import Transition
from crmkit.model.transition import changed
from fitness_club.model import WORDS, BookingCategory, ClassBooking

FREE_UNTIL_HOURS = 12
"""How long before a class a place can be given back for nothing."""

Moved = tuple[ClassBooking, Transition]


def attend(booking: ClassBooking, *, at: datetime, by: str | None = None) -> Moved:
    """Note that the member was there.

    >>> noon = datetime(2025, 5, 2, 12, tzinfo=UTC)
    >>> attend(ClassBooking(customer_id="ann", session_id="yoga", starts_at=noon), at=noon)[0].status
    'Was there'
    """
    return _moved(booking, "attended", at, by)


def miss(booking: ClassBooking, *, at: datetime, by: str | None = None) -> Moved:
    """Note that the member did not come and had not given the place back."""
    return _moved(booking, "no_show", at, by)


def cancel(booking: ClassBooking, *, at: datetime, by: str | None = None) -> Moved:
    """Give the place back; later than 12 hours before the class it is too late, since nobody else may take it then."""
    in_time = at <= booking.starts_at - timedelta(hours=FREE_UNTIL_HOURS)
    return _moved(booking, "cancelled" if in_time else "cancelled_late", at, by)


def _moved(booking: ClassBooking, category: BookingCategory, at: datetime, by: str | None) -> Moved:
    if booking.category != "booked":
        raise InvalidTransition(f"booking {booking.id!r} is {booking.category} already")
    moved = booking.replace(category=category, status=WORDS[category])
    return moved, changed(booking, moved, "status", at=at, by=by)
