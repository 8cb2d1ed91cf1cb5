"""Views for analysis: the published columns of every record class, for programs that read the database themselves."""

from crmkit.io.stores.sql.tables import FamilyTable


def views(table: FamilyTable) -> list[str]:
    """Return the statements that make the views of a table anew."""
    return []
