"""The sample company: one seed and one size in, a year of business out."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from operator import attrgetter

import attrs

from crmkit.errors import InvalidInput
from crmkit.model import (
    Contact,
    Customer,
    Deal,
    Employee,
    Interaction,
    Order,
    Pipeline,
    Product,
    Record,
    SurveyResponse,
    Ticket,
    Transition,
)
from crmkit.sample import people
from crmkit.sample.draw import TZ, draw_of
from crmkit.sample.offer import offer
from crmkit.sample.opinions import survey_responses
from crmkit.sample.orders import orders
from crmkit.sample.sales import deal_stories
from crmkit.sample.service import ticket_stories, visits

_FIRST_YEAR, _LAST_YEAR = 1980, 2999
_DAYS_OPEN_BEFORE = 5 * 365


@attrs.frozen(kw_only=True)
class Company:
    """A supplier of coffee machines, beans and service, its customers, and what happened between them in `year`.

    Days are those of the time zone `tz`. What happened in time is in order of time.
    """

    year: int
    tz: str
    employees: tuple[Employee, ...]
    products: tuple[Product, ...]
    pipelines: tuple[Pipeline, ...]
    customers: tuple[Customer, ...]
    contacts: tuple[Contact, ...]
    deals: tuple[Deal, ...]
    orders: tuple[Order, ...]
    tickets: tuple[Ticket, ...]
    interactions: tuple[Interaction, ...]
    survey_responses: tuple[SurveyResponse, ...]
    transitions: tuple[Transition, ...]

    def records(self) -> Iterator[Record]:
        """Go through all records in the order of `crmkit.model.RECORDS`, so that links point backwards."""
        return chain(
            self.employees,
            self.products,
            self.pipelines,
            self.customers,
            self.contacts,
            self.deals,
            self.orders,
            self.tickets,
            self.interactions,
            self.survey_responses,
            self.transitions,
        )


def company(seed: int = 1, customers: int = 2000, year: int = 2025) -> Company:
    """Return the sample company with so many customers; the same arguments always give equal records.

    Nothing in it lies after the end of the year. Customers may have joined, and deals that were open when the year began
    may have been created, in the years before. Stages and statuses are reached by the moves of the model alone, and
    `transitions` holds every one of them.

    Raises `InvalidInput` for fewer than one customer and for a year before 1980 or after 2999.

    >>> sample = company(customers=10)
    >>> len(sample.customers), sample.customers[0].id, sample.tz
    (10, 'customer-0001', 'Europe/Warsaw')
    """
    if not isinstance(customers, int) or customers < 1:
        raise InvalidInput(f"customers={customers} makes no company; give a whole number from 1")
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise InvalidInput(f"year={year} is not possible; give a year from {_FIRST_YEAR} to {_LAST_YEAR}")
    draw = draw_of(seed, year)
    opened_at = draw.start - timedelta(days=_DAYS_OPEN_BEFORE)
    sold = offer(opened_at)
    everybody, contacts = people.customers(draw, customers)
    buyers = people.buyers(everybody, contacts)
    sales = deal_stories(draw, buyers, sold)
    service = ticket_stories(draw, buyers)
    deals = [story.deal for story in sales]
    tickets = [story.ticket for story in service]
    talks = chain(visits(draw, buyers), *(story.talks for story in sales), *(story.messages for story in service))
    moves = chain(*(story.moves for story in sales), *(story.moves for story in service))
    return Company(
        year=year,
        tz=TZ,
        employees=tuple(people.employees(opened_at)),
        products=tuple(sold.products),
        pipelines=(sold.machines, sold.contracts),
        customers=tuple(everybody),
        contacts=tuple(contacts),
        deals=tuple(deals),
        orders=tuple(orders(draw, buyers, deals, sold)),
        tickets=tuple(tickets),
        interactions=tuple(sorted(talks, key=attrgetter("at"))),
        survey_responses=tuple(survey_responses(draw, buyers, tickets)),
        transitions=tuple(sorted(moves, key=attrgetter("at"))),
    )
