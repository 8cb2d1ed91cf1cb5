"""Teams: employees who sell or help together."""

from crmkit.model.records import Record, field, record


@record
class Team(Record):
    """A team of employees. Its members and targets have its `name` as their `team`; `manager_id` leads it."""

    name: str = field(category="identity")
    manager_id: str | None = field(default=None, links="Employee")
