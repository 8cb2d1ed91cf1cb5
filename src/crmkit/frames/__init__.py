"""Records as columns: published schemas, conversion, and the counting that every KPI rests on."""

from crmkit.frames.convert import from_records
from crmkit.frames.schema import schema

__all__ = ["from_records", "schema"]
