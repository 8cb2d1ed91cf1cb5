"""What a business looks at: its KPIs as one page that needs no server, no network and no script."""

from crmkit.report.document import page
from crmkit.report.notes import Notice

__all__ = ["Notice", "page"]
