"""The nouns of a CRM: records, value objects and the moves that change their state.

Every record is a frozen value that knows no store, file or clock. The moves live beside their record, as in
`crmkit.model.deal.advance`.
"""

from crmkit.model.alias import Alias
from crmkit.model.calendar import BusinessCalendar, Hours, SpecialDay, TimeRange
from crmkit.model.campaign import Campaign
from crmkit.model.consent import Consent
from crmkit.model.contact_point import Address, ContactPoint
from crmkit.model.cost import Cost
from crmkit.model.custom_field import CustomField
from crmkit.model.customer import Contact, Customer
from crmkit.model.deal import Deal, DealContact
from crmkit.model.employee import Employee
from crmkit.model.identity import new_id
from crmkit.model.interaction import Interaction
from crmkit.model.lead import Lead
from crmkit.model.line import Line
from crmkit.model.merge import Merge
from crmkit.model.message import Message
from crmkit.model.money import Money
from crmkit.model.order import Order
from crmkit.model.package import Package
from crmkit.model.payment import Payment
from crmkit.model.pipeline import Pipeline, Stage
from crmkit.model.points import PointsEntry
from crmkit.model.preference import Preference
from crmkit.model.product import Product
from crmkit.model.quote import Quote
from crmkit.model.records import FieldInfo, Record, Value, field, fields, record, value
from crmkit.model.segment import Segment
from crmkit.model.service_level import ServiceLevel, ServiceTarget
from crmkit.model.subscription import Subscription
from crmkit.model.survey import Survey, SurveyResponse
from crmkit.model.target import Target
from crmkit.model.task import Participant, Task
from crmkit.model.team import Team
from crmkit.model.ticket import Ticket
from crmkit.model.transition import Transition
from crmkit.model.usage import Usage

RECORDS: tuple[type[Record], ...] = (
    Employee,
    Team,
    CustomField,
    Target,
    Product,
    Pipeline,
    Customer,
    Contact,
    Merge,
    Alias,
    Consent,
    Campaign,
    Deal,
    Quote,
    Lead,
    Order,
    Subscription,
    Package,
    Usage,
    Payment,
    PointsEntry,
    BusinessCalendar,
    ServiceLevel,
    Ticket,
    Interaction,
    Message,
    Survey,
    SurveyResponse,
    Task,
    Cost,
    Segment,
    Transition,
)
"""Every built-in record class; one comes after those that it links to, except for links to its own class."""

__all__ = [
    "RECORDS",
    "Address",
    "Alias",
    "BusinessCalendar",
    "Campaign",
    "Consent",
    "Contact",
    "ContactPoint",
    "Cost",
    "CustomField",
    "Customer",
    "Deal",
    "DealContact",
    "Employee",
    "FieldInfo",
    "Hours",
    "Interaction",
    "Lead",
    "Line",
    "Merge",
    "Message",
    "Money",
    "Order",
    "Package",
    "Participant",
    "Payment",
    "Pipeline",
    "PointsEntry",
    "Preference",
    "Product",
    "Quote",
    "Record",
    "Segment",
    "ServiceLevel",
    "ServiceTarget",
    "SpecialDay",
    "Stage",
    "Subscription",
    "Survey",
    "SurveyResponse",
    "Target",
    "Task",
    "Team",
    "Ticket",
    "TimeRange",
    "Transition",
    "Usage",
    "Value",
    "field",
    "fields",
    "new_id",
    "record",
    "value",
]
