"""What a business looks at: its KPIs as one page that needs no server, no network and no script.

`page` is the page that every business needs. A page of one's own is a `sheet` of parts: `kpi_cards`, `kpi_charts` and a `kpi_table` of any KPI, also of
a vertical's, a `heat_map`, a `table` and a `text`.
"""

from crmkit.report.document import page
from crmkit.report.notes import Notice
from crmkit.report.parts import as_of_facts, heat_map, kpi_cards, kpi_charts, kpi_table, sheet, table, text

__all__ = [
    "Notice",
    "as_of_facts",
    "heat_map",
    "kpi_cards",
    "kpi_charts",
    "kpi_table",
    "page",
    "sheet",
    "table",
    "text",
]
