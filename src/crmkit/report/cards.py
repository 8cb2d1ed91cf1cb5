"""The top of the page: one card for every KPI, and how many deals there are."""

from crmkit.metrics import Measure
from crmkit.report.figures import Figures, Kpi
from crmkit.report.format import MISSING, counted, escaped, interval, number, quantity, unit_word
from crmkit.report.markup import facts, paragraph

_FEW = 3
"""Fewer records than this are the reason why there is no interval; of more there is none by definition."""


def cards(figures: Figures) -> str:
    """Return a card for every KPI: its value, how sure that is, what it is made of, and what it means."""
    return "\n".join(['<div class="cards">', *map(card, figures.kpis.values()), "</div>"])


def totals(figures: Figures) -> str:
    """Return how many deals were won, lost and are open, and what the won ones are worth."""
    wins, revenue = figures.kpis["win_rate"].total, figures.revenue.total
    won, closed = wins.numerator, wins.denominator
    if won is None or closed is None:
        return paragraph(f"{MISSING} {wins.reason}", "reason")
    pairs = [
        ("Deals won", number(won)),
        ("Deals lost", number(closed - won)),
        ("Deals open", number(wins.excluded.get("open", 0))),
        ("Won revenue", quantity(revenue.numerator if revenue.n else None, revenue.unit)),
    ]
    return facts(pairs, "totals")


def basis(kpi: Kpi) -> str:
    """Return what the value of a KPI was made of, in a sentence of its own words."""
    total, details = kpi.total, kpi.total.details
    made_of = number(total.numerator or 0)
    match kpi.definition.name:
        case "win_rate":
            return f"{made_of} won of {counted(total.n, 'closed deal')}"
        case "sales_cycle":
            return (
                f"{counted(total.n, 'won deal')}; on average {quantity(details['mean'], 'days')}, "
                f"9 of 10 within {quantity(details['p90'], 'days')}"
            )
        case "average_order_value":
            noun = "won deal" if kpi.method == "won_deal" else "order"
            return f"{quantity(total.numerator, total.unit)} from {counted(total.n, noun)}"
        case "nps":
            kinds = ", ".join(f"{number(count)} {kind}" for kind, count in details.items())
            return f"{counted(total.n, 'answer')}: {kinds}"
        case "first_contact_resolution":
            return f"{made_of} at first contact of {counted(total.n, 'resolved ticket')}"
        case _:
            return _made_of(total)


def _made_of(total: Measure) -> str:
    """What any KPI can say: what was divided by what, or how many records there were."""
    if total.numerator is None or not total.denominator:
        return counted(total.n, "record")
    return f"{number(total.numerator)} {'of' if total.unit == 'share' else '/'} {number(total.denominator)}"


def card(kpi: Kpi) -> str:
    """Return the card of one KPI."""
    total, name = kpi.total, kpi.definition.name
    lines = [
        f'<article class="card" aria-labelledby="{name}-card">',
        f'<h3 id="{name}-card">{escaped(kpi.definition.title)}</h3>',
        f'<p class="value">{escaped(quantity(total.value, total.unit))}</p>',
        f'<div class="evidence">{"".join(_evidence(kpi))}</div>',
        paragraph(kpi.definition.text, "meaning"),
        f'<p class="formula"><span>Formula</span> {escaped(kpi.definition.formula)}</p>',
        "</article>",
    ]
    return "\n".join(lines)


def _evidence(kpi: Kpi) -> list[str]:
    total = kpi.total
    if total.value is None:
        return [paragraph(f"No value: {total.reason}.", "reason")]
    bounds = interval(total.low, total.high, total.unit)
    known = f"95 % interval {bounds} {unit_word(total.unit)}".rstrip()
    unsure = "Too few records for an interval" if total.n < _FEW else "Has no interval"
    sure = unsure if bounds == MISSING else known
    caveats = [paragraph(f"Note: {caveat}.", "reason") for caveat in kpi.caveats]
    return [paragraph(sure, "interval"), paragraph(basis(kpi), "basis"), *caveats]
