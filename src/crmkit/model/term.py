"""Terms: civil days counted in whole months from one day, and money divided in proportion to them."""

from datetime import date

from dateutil.relativedelta import relativedelta

from crmkit.errors import InvalidInput
from crmkit.model.money import Money


def later(day: date, *, months: int = 0, days: int = 0) -> date:
    """Return the day so many months and then days later; a day that its month does not have is the month's last.

    Raises `InvalidInput` for a day outside the years 1 to 9999.

    >>> later(date(2025, 1, 31), months=1), later(date(2025, 1, 31), months=2)
    (datetime.date(2025, 2, 28), datetime.date(2025, 3, 31))
    """
    try:
        return day + relativedelta(months=months, days=days)
    except (OverflowError, ValueError):
        raise InvalidInput(
            f"{months} months and {days} days from {day} is no day between the years 1 and 9999"
        ) from None


def end_of_term(anchor: date, start: date, months: int | None) -> date | None:
    """Return the day so many months after the start of a term; None for a term without an end.

    Months are counted from the anchor if the start lies whole months after it, so that short months cause no drift.

    >>> end_of_term(date(2025, 1, 31), date(2025, 2, 28), 1)
    datetime.date(2025, 3, 31)
    """
    if months is None:
        return None
    elapsed = _months_between(anchor, start)
    return (
        later(anchor, months=elapsed + months)
        if later(anchor, months=elapsed) == start
        else later(start, months=months)
    )


def period_of(anchor: date, months: int, day: date) -> tuple[date, date]:
    """Return the first day of the period that a day lies in, and the first day after it.

    Periods of so many months are counted from the anchor, before it too, so that short months cause no drift.

    >>> period_of(date(2025, 1, 31), 1, date(2025, 3, 30))
    (datetime.date(2025, 2, 28), datetime.date(2025, 3, 31))
    """
    index = _months_between(anchor, day) // months
    if later(anchor, months=index * months) > day:
        index -= 1
    return later(anchor, months=index * months), later(anchor, months=(index + 1) * months)


def portion(amount: Money, part: int, whole: int) -> Money:
    """Return `part` of `whole` equal parts of an amount, rounded to the smallest unit, halves up.

    >>> portion(Money("100", "PLN"), 1, 12)
    Money(amount=Decimal('8.33'), currency='PLN')
    """
    return Money.from_minor_units((2 * amount.minor_units * part + whole) // (2 * whole), amount.currency)


def _months_between(start: date, end: date) -> int:
    return (end.year - start.year) * 12 + end.month - start.month
