"""Sources: which of them bring leads, customers and money, at what cost, and which differ from the others by more than chance."""

from collections.abc import Generator, Sequence
from typing import Any, Unpack

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import MICROSECONDS_A_DAY
from crmkit.frames.table import MONEY_UNITS, shared
from crmkit.frames.tally import Counts, Key, Question, Sums, Tally, merged
from crmkit.frames.words import one_of
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.definition import Definition
from crmkit.metrics.leads import (
    CATEGORIES,
    CONVERTED,
    COUNTED,
    DEAL_CATEGORIES,
    LEAD_CONVERSION,
    conversions,
    converted_share,
)
from crmkit.metrics.money import currency_bucket, one_currency, unpriced
from crmkit.metrics.result import COLUMNS, Measure, MetricResult
from crmkit.metrics.scope import Asked, Scope, all_sums, check_outcomes, make_scope, result, rows, unknown_words
from crmkit.metrics.spending import COST, Accrual, spent
from crmkit.model.deal import Deal
from crmkit.model.lead import Lead
from crmkit.stats.differences import difference, exact_p, holm

_REVENUE = "won deal"
_ELSEWHERE = ("converted elsewhere", "not converted elsewhere")
"""The leads of all other sources, to compare with."""

SOURCE_COMPARISON = Definition(
    name="source_comparison",
    title="Comparison of sources",
    text="Of the leads of each source, the share that was converted, and how far chance alone explains that it differs from the others.",
    formula="leads converted / leads created, by source; difference = that share - the share of the leads of all other sources",
    unit="share",
    inputs=("leads",),
    key="lead",
    methods=LEAD_CONVERSION.methods,
    other_inputs=LEAD_CONVERSION.other_inputs,
    sources=(
        "Wilson 1927: interval of a share",
        "Newcombe 1998, method 10: interval of a difference",
        "Fisher 1935: exact test",
        "Holm 1979: several tests at once",
    ),
)


@kpi(SOURCE_COMPARISON)
def source_comparison(
    leads: Any,
    *,
    deals: Any = None,
    costs: Any = None,
    method: str = "converted",
    source: str = "source",
    within_days: int | None = None,
    accrual: Accrual = "daily",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the conversion of the leads of each source, compared with those of all other sources together.

    Of many sources some always look good by chance. So each difference is tested exactly, which holds for a source of three leads
    too, and `p_adjusted` corrects for the number of sources in a period and group: where it is below 0.05 the source most
    likely does differ. That does not say that more money there brings more customers, because sources reach different people.

    Args:
        leads: records, or a Polars, pandas or Arrow table as for `lead_conversion`, with the column `source`.
        deals: for "won", and with any method for revenue: records or a table with `id`, `category`, `closed_at` and, for
            revenue, `amount`; it reads `currency`. Then leads need `id` and `deal_id`. Leave it out for conversion alone.
        costs: records or a table as for `cost_per_lead`, with the same column `source`; leave it out where nobody knows them.
        method: "converted", "deal" or "won", see `lead_conversion`.
        source: the column that says where a lead came from, such as "source", "campaign_id", or a channel of the caller's.
        within_days: the time that a lead has, from its creation; None for as long as it takes.
        accrual: "daily" shares a cost among its days, "cash" books all of it on `incurred_on`.
        ci: confidence of the intervals, each for itself; None for none.
        asked: as for every KPI, see `crmkit.metrics`. `by` groups leads and costs, so both need the column.

    Returns:
        A measure in shares for each source, by the period in which leads came; numerator leads converted, denominator leads.
        `details` have `difference` with `difference_low` and `difference_high`, `p` and `p_adjusted`, where there are leads of
        other sources; `per_100_leads` and `open` as in `lead_conversion`; with deals `revenue`, of won deals, each credited to
        the first lead that became it, and `revenue_per_lead`; with costs `cost`, `cost_per_lead` and `cost_per_customer`; with
        both `roas`, the revenue for each unit of money spent. Costs of no source and leads of no source both stand in the
        group None. No value, with a reason, where no lead came. Left out and counted: as for `lead_conversion` and
        `cost_per_lead`, and won deals without an amount.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, a `source` that is no column, or amounts in
            several currencies.

    >>> from datetime import date, UTC, datetime
    >>> may = datetime(2025, 5, 2, tzinfo=UTC)
    >>> converted = {"fair": [True, True, True, False], "web": [False, False, False, True]}
    >>> leads = [
    ...     Lead(source=name, category="converted" if each else "disqualified", created_at=may, converted_at=may if each else None)
    ...     for name, some in converted.items() for each in some
    ... ]
    >>> found = source_comparison(leads, as_of=date(2025, 5, 31))
    >>> [(each.group["source"], each.value, each.details["difference"], round(each.details["p"], 3)) for each in found]
    [('fair', 0.75, 0.5, 0.486), ('web', 0.25, -0.5, 0.486)]
    """
    scope = make_scope(SOURCE_COMPARISON, method, asked)
    if not isinstance(source, str) or source in COLUMNS or source in scope.by:
        raise InvalidInput(
            f"source={source!r} is no column to compare by; give the name of one that is neither in by= nor a column of the result"
        )
    compared = attrs.evolve(scope, by=(*scope.by, source))
    held = shared(leads)
    found = yield from conversions(compared, held, deals, within_days)
    counts_of = _with_others(found)
    if deals is not None:
        counts_of = merged(counts_of, (yield from _earned(compared, held, deals, within_days)))
    if costs is not None:
        counts_of = merged(counts_of, (yield from spent(compared, costs, accrual)))

    if not counts_of and not scope.by:
        counts_of = {(None, None): {}}  # nothing has one measure, as of every KPI, which says why there is no value

    def finish(counts: Counts) -> dict[str, Any]:
        measured = converted_share(counts, ci=scope.ci, is_final=within_days is not None)
        money, warnings = _money(counts, has_revenue=deals is not None, has_costs=costs is not None)
        return measured | {
            "details": measured["details"] | _difference(counts, scope.ci) | money,
            "warnings": (*measured["warnings"], *warnings),
        }

    measures = result(compared, counts_of, (*COUNTED, *_ELSEWHERE, _REVENUE, COST), finish, numerator=[CONVERTED])
    behind = {"numerator": (CONVERTED,), "denominator": COUNTED}
    return attrs.evolve(measures, measures=_corrected(measures), outcomes=behind)


def _with_others(found: Tally) -> Tally:
    """Beside the leads of each source those of all other sources of the period and group."""
    converted: dict[Key, int] = {}
    others: dict[Key, int] = {}
    for key, counts in found.items():
        n = rows(counts.get(CONVERTED))
        converted[key[:-1]] = converted.get(key[:-1], 0) + n
        others[key[:-1]] = others.get(key[:-1], 0) + sum(rows(counts.get(each)) for each in COUNTED) - n
    beside = {}
    for key, counts in found.items():
        own = rows(counts.get(CONVERTED))
        rest = sum(rows(counts.get(each)) for each in COUNTED) - own
        elsewhere = (converted[key[:-1]] - own, others[key[:-1]] - rest)
        beside[key] = {name: {None: Sums(n)} for name, n in zip(_ELSEWHERE, elsewhere, strict=True) if n}
    return merged(found, beside)


def _earned(scope: Scope, leads: Any, deals: Any, within_days: int | None) -> Generator[Sequence[Question], Any, Tally]:
    """Return what the won deals of leads are worth, by the period and group of the first lead of each; ask once."""
    table = scope.open(leads, Lead, needs=("id", "created_at", "category", "deal_id"))
    sales = scope.open(deals, Deal, needs=("id", "category", "closed_at", "amount"), uses=("currency",), is_main=False)
    created_at, closed_at, currency = nw.col("created_at"), nw.col("closed_at"), currency_bucket(sales)
    known = table.rows.filter(
        ~nw.col("deal_id").is_null() & one_of(nw.col("category"), CATEGORIES) & (created_at <= scope.known_until)
    ).drop("category")
    # Of leads at one instant the one with the lowest id, so that no deal is counted twice.
    earliest = known.with_columns(first_at=created_at.min().over("deal_id")).filter(created_at == nw.col("first_at"))
    first = earliest.with_columns(first_id=nw.col("id").min().over("deal_id")).filter(
        nw.col("id") == nw.col("first_id")
    )
    is_won = (nw.col("category") == "won") & (closed_at.is_null() | (closed_at <= scope.known_until))
    won = sales.rows.filter(is_won).select(
        "closed_at",
        "amount",
        deal_id=nw.col("id"),
        currency=nw.lit(None, nw.String) if currency is None else currency,
        worth=nw.when(nw.col("amount").is_null()).then(unpriced(sales.columns)).otherwise(nw.lit(_REVENUE)),
    )
    joined = first.join(won, on="deal_id", how="inner")
    if within_days is not None:
        until = created_at + within_days * MICROSECONDS_A_DAY
        joined = joined.filter((until <= scope.known_until) & (closed_at >= created_at) & (closed_at <= until))
    outcome, bucket, amount = nw.col("worth"), nw.col("currency"), nw.col("amount")
    worth = scope.question(joined, at="created_at", outcome=outcome, bucket=bucket, amount=amount)
    found, strange = yield [worth, unknown_words(sales, "category", DEAL_CATEGORIES)]
    check_outcomes(strange, "category", DEAL_CATEGORIES)
    earned: Tally = found
    return earned


def _difference(counts: Counts, ci: float | None) -> dict[str, float]:
    """How much the share of a source differs from that of all others, and how likely chance alone makes it so."""
    own, rest = (sum(rows(counts.get(each)) for each in some) for some in (COUNTED, _ELSEWHERE))
    if not own or not rest:
        return {}
    converted, elsewhere = rows(counts.get(CONVERTED)), rows(counts.get(_ELSEWHERE[0]))
    bounds = ci and difference(converted, own, elsewhere, rest, ci)
    return {
        "difference": converted / own - elsewhere / rest,
        **({"difference_low": bounds[0], "difference_high": bounds[1]} if bounds else {}),
        "p": exact_p(converted, own, elsewhere, rest),
    }


def _money(counts: Counts, *, has_revenue: bool, has_costs: bool) -> tuple[dict[str, float], tuple[str, ...]]:
    """What the won deals of a source are worth and what it cost, where the data says so."""
    by_currency = dict(counts.get(_REVENUE, {}))
    for (currency, _), sums in counts.get(COST, {}).items():
        by_currency[currency] = by_currency.get(currency, Sums()) + sums
    _, warnings = one_currency(by_currency)
    leads, customers = sum(rows(counts.get(each)) for each in COUNTED), rows(counts.get(CONVERTED))
    revenue = all_sums(counts.get(_REVENUE)).total / MONEY_UNITS
    cost = all_sums(counts.get(COST)).total / MONEY_UNITS
    details: dict[str, float] = {}
    if has_revenue:
        details |= {"revenue": revenue} | ({"revenue_per_lead": revenue / leads} if leads else {})
    if has_costs:
        details |= {"cost": cost} | ({"cost_per_lead": cost / leads} if leads else {})
        details |= {"cost_per_customer": cost / customers} if customers else {}
    if has_revenue and has_costs and cost > 0:
        details["roas"] = revenue / cost
    return details, warnings


def _corrected(measures: MetricResult) -> tuple[Measure, ...]:
    """The measures with p-values that are corrected for the number of sources in each period and group."""
    families: dict[Key, list[int]] = {}
    for place, each in enumerate(measures):
        if "p" in each.details:
            families.setdefault(each.key[:-1], []).append(place)
    adjusted = {
        place: p
        for places in families.values()
        for place, p in zip(places, holm([measures[place].details["p"] for place in places]), strict=True)
    }
    return tuple(
        attrs.evolve(each, details={**each.details, "p_adjusted": adjusted[place]}) if place in adjusted else each
        for place, each in enumerate(measures)
    )
