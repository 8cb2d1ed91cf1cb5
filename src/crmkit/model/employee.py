"""Employees: the people of the business who own customers, deals and tickets."""

from crmkit.model.records import Record, field, record


@record
class Employee(Record):
    """Somebody who works for the business. `manager_id` is the employee whom they report to.

    One who has left is kept, because the past has their name in it, and is not active.
    """

    name: str = field(category="identity", personal=True)
    team: str | None = None
    department: str | None = None
    manager_id: str | None = field(default=None, links="Employee")
    is_active: bool = True
