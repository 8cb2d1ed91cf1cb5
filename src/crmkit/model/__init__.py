"""The nouns of a CRM: records, value objects and the moves that change their state.

Every record is a frozen value that knows no store, file or clock. The moves live beside their record, as in
`crmkit.model.deal.advance`.
"""

from crmkit.model.customer import Contact, Customer
from crmkit.model.deal import Deal
from crmkit.model.employee import Employee
from crmkit.model.identity import new_id
from crmkit.model.interaction import Interaction
from crmkit.model.money import Money
from crmkit.model.order import Order
from crmkit.model.pipeline import Pipeline, Stage
from crmkit.model.product import Product
from crmkit.model.record import FieldInfo, Record, Value, field, fields, record, value
from crmkit.model.survey import SurveyResponse
from crmkit.model.ticket import Ticket
from crmkit.model.transition import Transition

RECORDS: tuple[type[Record], ...] = (
    Employee,
    Product,
    Pipeline,
    Customer,
    Contact,
    Deal,
    Order,
    Ticket,
    Interaction,
    SurveyResponse,
    Transition,
)
"""Every built-in record class; one comes after those that it links to."""

__all__ = [
    "RECORDS",
    "Contact",
    "Customer",
    "Deal",
    "Employee",
    "FieldInfo",
    "Interaction",
    "Money",
    "Order",
    "Pipeline",
    "Product",
    "Record",
    "Stage",
    "SurveyResponse",
    "Ticket",
    "Transition",
    "Value",
    "field",
    "fields",
    "new_id",
    "record",
    "value",
]
