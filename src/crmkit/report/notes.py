"""The end of the page: what the reader must know about the data, and what every number means."""

from collections import Counter
from collections.abc import Iterable, Sequence

import attrs

from crmkit.metrics import Definition
from crmkit.report.figures import Figures, Kpi
from crmkit.report.format import MISSING, counted, escaped, number
from crmkit.report.markup import facts, paragraph, table


@attrs.frozen
class Notice:
    """Something that the reader must know about the data: what it is, where it was found, and in how many records.

    >>> Notice("deals without a customer", "sales_pipeline.csv", 1425).count
    1425
    """

    what: str
    where: str | None = None
    count: int | None = None


def about_data(figures: Figures, notices: Iterable[Notice]) -> str:
    """Return what was noticed about the data, and what each KPI left out and why."""
    noticed = [[notice.what, notice.where or MISSING, _count(notice.count)] for notice in notices]
    left_out = [row for title, kpi in _named(figures) for row in _left_out(title, kpi)]
    return "\n".join(
        [
            "<h3>Noticed in the data</h3>",
            _table("Noticed in the data", ("What", "Where", "Records"), noticed, "Nothing was noticed."),
            "<h3>Left out of the numbers</h3>",
            paragraph(
                "Records that a KPI does not count, by reason. Most are left out because the definition says so."
            ),
            _table("Left out of the numbers", ("KPI", "Reason", "Count"), left_out, "Nothing was left out."),
        ]
    )


def definitions(figures: Figures) -> str:
    """Return every KPI of the page: text, formula, methods and sources, with the method marked that the page uses."""
    defined = [_definition(kpi.definition, kpi.method) for kpi in figures.kpis.values()]
    return "\n".join(['<div class="definitions">', *defined, "</div>"])


def _named(figures: Figures) -> list[tuple[str, Kpi]]:
    kpis = [(kpi.definition.title, kpi) for kpi in figures.kpis.values()]
    return kpis if figures.revenue in figures.kpis.values() else [*kpis, ("Won revenue", figures.revenue)]


def _left_out(title: str, kpi: Kpi) -> list[list[str]]:
    warned = Counter(warning for measure in kpi.months for warning in measure.warnings if warning not in kpi.caveats)
    rows = [] if kpi.total.value is not None else [(f"no value: {kpi.total.reason}", MISSING)]
    rows += [(reason, number(count)) for reason, count in kpi.excluded.items()]
    rows += [(f"note: {caveat}", MISSING) for caveat in kpi.caveats]
    rows += [(f"note: {warning}", counted(months, "month")) for warning, months in warned.items()]
    return [[title, *row] for row in rows]


def _count(count: int | None) -> str:
    return MISSING if count is None else number(count)


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> str:
    cells = [[escaped(cell) for cell in row] for row in rows]
    return table(caption, heads, cells, words=2) if cells else paragraph(nothing)


def _definition(definition: Definition, used: str | None) -> str:
    methods = [(name + (" (used here)" if name == used else ""), text) for name, text in definition.methods.items()]
    lines = [
        '<article class="definition">',
        f"<h3>{escaped(definition.title)}</h3>",
        paragraph(definition.text),
        f'<p class="formula"><span>Formula</span> {escaped(definition.formula)}</p>',
        "<h4>Methods</h4>",
        facts(methods, "methods"),
        paragraph(f"Unit: {definition.unit}. Reads: {', '.join(definition.inputs)}.", "reads"),
        paragraph(f"Sources: {'; '.join(definition.sources) or MISSING}", "sources"),
        "</article>",
    ]
    return "\n".join(lines)
