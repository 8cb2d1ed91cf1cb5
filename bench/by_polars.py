"""The counts behind the KPIs of `bench/metrics.py` as an analyst writes them in Polars; see `by_hand` for what they look like."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl
from by_hand import TZ, UNKNOWN
from company import BEGINNING, NOW

Tables = Mapping[str, pl.LazyFrame]
Case = tuple[pl.Expr, str]
_CUSTOMER = "customer"
_WEEK = timedelta(days=7)


def win_rate(tables: Tables) -> pl.LazyFrame:
    return _counted(_known(tables["deals"]), _closed_at(), _closed_deals(), "owner_id")


def sales_cycle(tables: Tables) -> pl.LazyFrame:
    created, days = pl.col("created_at"), _days_to_close()
    flaws = [
        (_is_closed() & created.is_null(), "no creation date"),
        (_is_closed() & (days < 0), "closed before it was created"),
    ]
    deals = _known(tables["deals"]).with_columns(taken=days)
    counted = _counted(deals, _closed_at(), _closed_deals(*flaws), "taken")
    return counted.filter(pl.col("outcome") != "lost")


def stage_duration(tables: Tables) -> pl.LazyFrame:
    moves = tables["transitions"].filter(pl.col("subject") == "Deal", pl.col("field") == "stage", pl.col("at") < NOW)
    is_same = pl.col("subject_id") == pl.col("subject_id").shift()
    begun = pl.when(is_same).then(pl.col("at").shift())
    moves = moves.sort("subject_id", "at", "id").select("subject_id", "before", "at", begun=begun)
    created = pl.when(pl.col("created_at") <= pl.col("at")).then("created_at")
    spent = (pl.col("at") - pl.coalesce("begun", created)).dt.total_microseconds()
    deals = _known(tables["deals"]).select("id", "created_at")
    stays = moves.filter(pl.col("before").is_not_null()).join(deals, left_on="subject_id", right_on="id")
    whole = (
        stays.with_columns(spent=spent)
        .group_by("subject_id", stage="before")
        .agg(pl.col("spent").sum(), pl.col("at").max(), is_unknown=pl.col("spent").is_null().any())
    )
    minutes = pl.col("spent") // 60_000_000
    return (
        whole.filter(pl.col("at") >= BEGINNING)
        .group_by("stage", outcome=_outcome([(pl.col("is_unknown"), "entry not known")], pl.lit("left")))
        .agg(n=pl.len(), taken=minutes)
    )


def pipeline_value(tables: Tables) -> pl.LazyFrame:
    flaws = [*_deal_flaws(), (pl.col("created_at").is_null(), "no creation date")]
    states = _outcome([*flaws, (pl.col("amount").is_null(), "no amount")], pl.lit("open"))
    is_flawed = pl.any_horizontal(flaw for flaw, _ in flaws)
    began = pl.when(~is_flawed.fill_null(value=False)).then(_month("created_at"))
    return (
        _known(tables["deals"])
        .group_by("currency", began=began, ended=_month(_closed_at()), outcome=states)
        .agg(n=pl.len(), total=pl.col("amount").sum())
    )


def pipeline_velocity(tables: Tables) -> pl.LazyFrame:
    days = _days_to_close()
    return (
        _known(tables["deals"])
        .group_by("currency", began=_month("created_at"), ended=_month(_closed_at()), outcome=_closed_deals())
        .agg(
            n=pl.len(),
            total=pl.col("amount").sum(),
            priced=pl.col("amount").count(),
            days=days.filter(days >= 0).sum(),
            cycles=(days >= 0).sum(),
        )
    )


def average_order_value(tables: Tables) -> pl.LazyFrame:
    orders = _ordered(tables)
    is_line = (pl.col("outcome") == "purchase") & pl.col("id").is_not_null()
    purchases = orders.filter(is_line).group_by("id", "currency").agg(pl.col("at").min(), pl.col("amount").sum())
    others = orders.filter(~is_line)
    every = pl.concat([purchases.with_columns(outcome=pl.lit("purchase")), others], how="diagonal")
    return _averaged(every)


def average_row_value(tables: Tables) -> pl.LazyFrame:
    return _averaged(_ordered(tables))


def new_customers(tables: Tables) -> pl.LazyFrame:
    flaw = _outcome([*_order_flaws(), (pl.col("amount") < 0, "refund"), (pl.col("at").is_null(), "no date")])
    orders = _before("at", tables["orders"]).with_columns(flaw=flaw)
    first = orders.filter(pl.col("flaw").is_null()).group_by("customer_id").agg(pl.col("at").min())
    return _with_left_out(_counted(first, pl.col("at"), pl.lit(_CUSTOMER)), orders)


def customer_lifetime_value(tables: Tables) -> pl.LazyFrame:
    flaws = [*_order_flaws(), (pl.col("at").is_null(), "no date"), (pl.col("amount").is_null(), "no amount")]
    orders = _before("at", tables["orders"]).with_columns(flaw=_outcome(flaws))
    bought = orders.filter(pl.col("flaw").is_null())
    worth = bought.group_by("customer_id", "currency").agg(pl.col("amount").sum(), pl.col("at").min())
    found = worth.filter(pl.col("at") >= BEGINNING).group_by("currency").agg(n=pl.len(), **_sums())
    return _with_left_out(found.with_columns(outcome=pl.lit(_CUSTOMER)), orders)


def churn_rate(tables: Tables) -> pl.LazyFrame:
    return _standings(tables, 1)


def retention_rate(tables: Tables) -> pl.LazyFrame:
    return _standings(tables, 3, "plan")


def mrr_movements(tables: Tables) -> pl.LazyFrame:
    return _paid_standings(tables)


def average_revenue_per_account(tables: Tables) -> pl.LazyFrame:
    return _paid_standings(tables)


def first_contact_resolution(tables: Tables) -> pl.LazyFrame:
    tickets = _known(tables["tickets"])
    ended, in_a_week = pl.col("resolved_at"), pl.col("resolved_at") + _WEEK
    said = tables["interactions"].filter(
        pl.col("direction") == "outbound",
        pl.col("provenance").is_null() | (pl.col("provenance") != "machine"),
        pl.col("at") < NOW,
    )
    opened = tickets.select("created_at", ticket_id="id")
    answers = said.select("ticket_id", "at").join(opened, on="ticket_id")
    answers = answers.filter(pl.col("created_at").is_null() | (pl.col("at") != pl.col("created_at")))
    replies = answers.group_by("ticket_id").agg(replies=pl.len())
    keys = ["customer_id", "topic"]
    topics = tickets.with_columns(pl.col("topic").fill_null(""))
    resolved = topics.filter(pl.col("category") == "resolved", ended < NOW)
    pairs = resolved.select("id", "resolved_at", *keys).join(
        topics.select(*keys, other_id="id", next_at="created_at"), on=keys
    )
    is_next = (pl.col("next_at") > ended) & (pl.col("next_at") <= in_a_week) & (pl.col("other_id") != pl.col("id"))
    repeated = pairs.filter(is_next).select("id", is_repeated=True).unique()
    judged = tickets.join(replies, left_on="id", right_on="ticket_id", how="left").join(repeated, on="id", how="left")
    is_first = (
        (pl.col("replies").fill_null(0) <= 1)
        & pl.col("is_repeated").is_null()
        & (pl.col("reopen_count").fill_null(0) == 0)
    )
    category = pl.col("category")
    outcome = _outcome(
        [
            (category.is_null() | _one_of("category", "open", "paused"), "not resolved"),
            (category != "resolved", UNKNOWN),
            (ended >= NOW, "not resolved"),
            (ended.is_null(), "resolved without a date"),
            (in_a_week >= NOW, "window still open"),
            (is_first, "first contact"),
        ],
        pl.lit("more contacts"),
    )
    strange = tables["interactions"].filter(~_one_of("direction", "inbound", "outbound", "internal"))
    unknown = strange.group_by("direction").agg(n=pl.len()).select("n", outcome=pl.lit(UNKNOWN))
    at = pl.when(category == "resolved", ended < NOW).then(ended)
    return pl.concat([_counted(judged, at, outcome), unknown], how="diagonal")


def first_response_time(tables: Tables) -> pl.LazyFrame:
    answered, created = pl.col("first_responded_at"), pl.col("created_at")
    outcome = _outcome(
        [
            (created.is_null(), "no creation date"),
            (answered.is_null() | (answered >= NOW), "not answered"),
            (answered < created, "answered before it was created"),
        ],
        pl.lit("answered"),
    )
    tickets = _known(tables["tickets"]).with_columns(taken=(answered - created).dt.total_microseconds())
    return _counted(tickets, pl.when(answered < NOW).then(answered), outcome, taken=pl.col("taken"))


def resolution_time(tables: Tables) -> pl.LazyFrame:
    resolved, created = pl.col("resolved_at"), pl.col("created_at")
    flaws = [(created.is_null(), "no creation date"), (resolved < created, "resolved before it was created")]
    outcome = _outcome([*_unresolved(), *flaws], pl.lit("resolved"))
    tickets = _known(tables["tickets"]).with_columns(taken=(resolved - created).dt.total_microseconds())
    inside = tickets.filter(_resolved_at().is_null() | (resolved >= BEGINNING))
    return inside.group_by("channel", outcome=outcome).agg(n=pl.len(), taken=pl.col("taken"))


def reopen_rate(tables: Tables) -> pl.LazyFrame:
    outcome = _outcome([*_unresolved(), (pl.col("reopen_count") > 0, "reopened")], pl.lit("lasted"))
    return _counted(_known(tables["tickets"]), _resolved_at(), outcome)


def backlog(tables: Tables) -> pl.LazyFrame:
    category, is_resolved = pl.col("category"), pl.col("category") == "resolved"
    flaws = [
        (category.is_null(), "no category"),
        (~_one_of("category", "open", "paused", "resolved"), UNKNOWN),
        (pl.col("created_at").is_null(), "no creation date"),
        (is_resolved & pl.col("resolved_at").is_null(), "resolved without a date"),
    ]
    is_flawed = pl.any_horizontal(flaw for flaw, _ in flaws).fill_null(value=False)
    began = pl.when(~is_flawed).then(_local("created_at").dt.date())
    states = _outcome(flaws, pl.lit("in the backlog"))
    tickets = _known(tables["tickets"])
    return tickets.group_by(began=began, ended=_month(_resolved_at()), outcome=states).agg(n=pl.len())


def nps(tables: Tables) -> pl.LazyFrame:
    score, at = pl.col("score"), pl.col("responded_at")
    asked = tables["survey_responses"].filter(pl.col("kind") == "nps")
    is_given = score.is_not_null() & (at.is_null() | (at < NOW))
    given = asked.filter(is_given, at >= BEGINNING, score.is_between(0, 10))
    # The latest answer, and of several at once the lowest, as one number.
    rank = at.dt.epoch("us") * 11 + 10 - score
    named = given.filter(pl.col("customer_id").is_not_null())
    customers = named.group_by("customer_id", month=_month("responded_at")).agg(rank=rank.max(), n=pl.len())
    latest = customers.group_by("month", score=10 - pl.col("rank") % 11).agg(
        n=pl.len(), earlier=(pl.col("n") - 1).sum()
    )
    nameless = given.filter(pl.col("customer_id").is_null())
    others = [(~is_given, "unanswered"), (~score.is_between(0, 10), UNKNOWN), (at.is_null(), "answered without a date")]
    parts = [
        latest.select("month", "score", "n", outcome=pl.lit("answer")),
        latest.group_by("month").agg(n=pl.col("earlier").sum(), outcome=pl.lit("earlier answer")),
        nameless.group_by("score", month=_month("responded_at"), outcome=pl.lit("answer")).agg(n=pl.len()),
        asked.group_by(outcome=_outcome(others)).agg(n=pl.len()).filter(pl.col("outcome").is_not_null()),
    ]
    return pl.concat(parts, how="diagonal_relaxed")


def response_rate(tables: Tables) -> pl.LazyFrame:
    responded = pl.col("responded_at")
    is_answered = pl.col("score").is_not_null() & (responded.is_null() | (responded < NOW))
    outcome = _outcome([(pl.col("sent_at").is_null(), "no date of asking"), (is_answered, "answered")])
    sent = _before("sent_at", tables["survey_responses"])
    return _counted(sent, pl.col("sent_at"), outcome.fill_null("not answered"))


def new_leads(tables: Tables) -> pl.LazyFrame:
    outcome = _outcome([(pl.col("created_at").is_null(), "no creation date")], pl.lit("lead"))
    return _counted(_known(tables["leads"]), pl.col("created_at"), outcome, "source")


def lead_conversion(tables: Tables) -> pl.LazyFrame:
    category, converted_at = pl.col("category"), pl.col("converted_at")
    outcome = _outcome(
        [
            (pl.col("created_at").is_null(), "no creation date"),
            (category.is_null(), "no category"),
            (~_one_of("category", "open", "converted", "disqualified"), UNKNOWN),
            ((category == "converted") & (converted_at.is_null() | (converted_at < NOW)), "converted"),
            (category == "disqualified", "not converted"),
        ],
        pl.lit("open"),
    )
    return _counted(_known(tables["leads"]), pl.col("created_at"), outcome)


def click_rate(tables: Tables) -> pl.LazyFrame:
    sent, events = pl.col("sent_at"), ("delivered_at", "opened_at", "clicked_at")
    is_delivered = pl.any_horizontal((pl.col(each) < NOW).fill_null(value=False) for each in events)
    outcome = _outcome(
        [
            (sent.is_null() & is_delivered, "sent without a date"),
            (sent.is_null() | (sent >= NOW), "not sent"),
            (~is_delivered, "not delivered"),
            (pl.col("clicked_at") < NOW, "clicked"),
        ],
        pl.lit("not clicked"),
    )
    return _counted(tables["messages"], pl.when(sent < NOW).then(sent), outcome, "campaign_id")


def _local(column: str | pl.Expr) -> pl.Expr:
    return (pl.col(column) if isinstance(column, str) else column).dt.convert_time_zone(TZ)


def _month(column: str | pl.Expr) -> pl.Expr:
    return _local(column).dt.date().dt.month_start()


def _one_of(column: str, *words: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(column) == word for word in words)


def _before(column: str, rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.filter(pl.col(column).is_null() | (pl.col(column) < NOW))


def _known(rows: pl.LazyFrame) -> pl.LazyFrame:
    return _before("created_at", rows)


def _outcome(cases: Sequence[Case], otherwise: pl.Expr | None = None) -> pl.Expr:
    """The word of the first case that holds, and null for none of them."""
    outcome = pl.lit(None, pl.String) if otherwise is None else otherwise
    for condition, word in reversed(cases):
        outcome = pl.when(condition).then(pl.lit(word)).otherwise(outcome)
    return outcome


def _counted(rows: pl.LazyFrame, at: pl.Expr, outcome: pl.Expr, *groups: str, **sums: pl.Expr) -> pl.LazyFrame:
    """Rows by month, group and outcome; what happened before the beginning does not count, and what has no date is in no month."""
    inside = rows.with_columns(scope_at=at).filter(pl.col("scope_at").is_null() | (pl.col("scope_at") >= BEGINNING))
    return inside.group_by(*groups, month=_month("scope_at"), outcome=outcome).agg(n=pl.len(), **sums)


def _is_closed() -> pl.Expr:
    return _one_of("category", "won", "lost")


def _closed_at() -> pl.Expr:
    return pl.when(_is_closed() & (pl.col("closed_at") < NOW)).then("closed_at")


def _days_to_close() -> pl.Expr:
    return (_local("closed_at").dt.date() - _local("created_at").dt.date()).dt.total_days()


def _deal_flaws() -> list[Case]:
    return [
        (pl.col("category").is_null(), "no category"),
        (~_one_of("category", "open", "won", "lost"), UNKNOWN),
        (_is_closed() & pl.col("closed_at").is_null(), "closed without a close date"),
    ]


def _closed_deals(*flaws: Case) -> pl.Expr:
    is_later = _is_closed() & (pl.col("closed_at") >= NOW)
    return _outcome([*_deal_flaws(), (is_later, "open"), *flaws], pl.col("category"))


def _order_flaws() -> list[Case]:
    category = pl.col("category")
    return [
        (pl.col("customer_id").is_null(), "no customer"),
        (category.is_not_null() & ~_one_of("category", "open", "completed", "cancelled"), UNKNOWN),
        (category == "cancelled", "cancelled"),
    ]


def _ordered(tables: Tables) -> pl.LazyFrame:
    """Rows of orders with whether they are purchases."""
    category = pl.col("category")
    flaws = [
        (pl.col("at").is_null(), "no date"),
        (pl.col("amount").is_null(), "no amount"),
        (category == "cancelled", "cancelled"),
        (category.is_not_null() & ~_one_of("category", "open", "completed"), UNKNOWN),
    ]
    orders = _before("at", tables["orders"])
    return orders.select("id", "at", "amount", "currency", outcome=_outcome(flaws, pl.lit("purchase")))


def _sums() -> dict[str, pl.Expr]:
    amount = pl.col("amount")
    return {"total": amount.sum(), "squares": (amount * amount).sum()}


def _averaged(purchases: pl.LazyFrame) -> pl.LazyFrame:
    is_refund = (pl.col("outcome") == "purchase") & (pl.col("amount") < 0)
    outcome = _outcome([(is_refund, "refund")], pl.col("outcome"))
    return _counted(purchases, pl.col("at"), outcome, "currency", **_sums())


def _with_left_out(counted: pl.LazyFrame, rows: pl.LazyFrame, *groups: str) -> pl.LazyFrame:
    flawed = rows.filter(pl.col("flaw").is_not_null())
    return pl.concat([counted, flawed.group_by(*groups, outcome="flaw").agg(n=pl.len())], how="diagonal")


def _unresolved() -> list[Case]:
    category, resolved = pl.col("category"), pl.col("resolved_at")
    is_over = category == "resolved"
    return [
        (category.is_null() | _one_of("category", "open", "paused"), "not resolved"),
        (~is_over, UNKNOWN),
        (resolved >= NOW, "not resolved"),
        (resolved.is_null(), "resolved without a date"),
    ]


def _resolved_at() -> pl.Expr:
    return pl.when(pl.col("category") == "resolved", pl.col("resolved_at") < NOW).then("resolved_at")


def _contracts(tables: Tables, *flaws: Case) -> pl.LazyFrame:
    """Contracts with why they do not count."""
    category, started, ended = pl.col("category"), pl.col("started_at"), pl.col("ended_at")
    known = ("trial", "active", "frozen", "past_due", "cancelling", "lapsed")
    flaw = _outcome(
        [
            (pl.col("customer_id").is_null(), "no customer"),
            (category.is_not_null() & ~_one_of("category", *known), UNKNOWN),
            (category == "trial", "trial"),
            ((category == "lapsed") & ended.is_null(), "ended without a date"),
            (started.is_null(), "no start date"),
            (ended <= started, "covers no time"),
            *flaws,
        ]
    )
    return _before("started_at", tables["subscriptions"]).with_columns(flaw=flaw)


def _by_month(contracts: pl.LazyFrame, months: int, whose: Sequence[str], *columns: str) -> pl.LazyFrame:
    """One row a contract that counts and so many months in which it is active, with whether it was before and is after."""

    def index(column: str) -> pl.Expr:
        day = _local(column).dt.date().dt
        return (day.year().cast(pl.Int64) * 12 + day.month() - 1) // months

    first, last = BEGINNING.year * 12 // months, NOW.year * 12 // months - 1
    began = pl.max_horizontal(index("started_at"), pl.lit(first - 1))
    ended = pl.min_horizontal(index("ended_at").fill_null(last + 1), pl.lit(last + 1))
    known = contracts.filter(pl.col("flaw").is_null()).with_columns(first_at=pl.col("started_at").min().over(*whose))
    known = known.select(*whose, *columns, began=began, ended=ended, first=index("first_at"))
    indexes = pl.int_ranges(pl.max_horizontal("began", pl.lit(first)), pl.min_horizontal("ended", pl.lit(last)) + 1)
    lasting = known.filter(pl.col("ended") >= first).with_columns(index=indexes).explode("index")
    return lasting.select(
        *whose,
        *columns,
        "index",
        before=pl.col("began") < pl.col("index"),
        after=pl.col("ended") > pl.col("index"),
        is_first=pl.col("first") >= pl.col("index"),
    )


def _month_of_index(months: int) -> pl.Expr:
    since = pl.col("index") * months
    return pl.date(since // 12, since % 12 + 1, 1)


def _standings(tables: Tables, months: int, *groups: str) -> pl.LazyFrame:
    """Customers by whether they are there before and after each month, and whether it is their first."""
    contracts, flags = _contracts(tables), ("before", "after", "is_first")
    whose = ["customer_id", *groups]
    customers = _by_month(contracts, months, whose).group_by("index", *whose).agg(pl.col(*flags).max())
    found = customers.group_by("index", *groups, *flags).agg(n=pl.len())
    told = found.with_columns(month=_month_of_index(months), outcome=pl.lit(_CUSTOMER)).drop("index")
    return _with_left_out(told, contracts, *groups)


def _paid_standings(tables: Tables) -> pl.LazyFrame:
    """The same with what they pay by the month, and in which direction that changed."""
    flags = ("before", "after", "is_first")
    months = pl.col("billing_months").fill_null(1)
    flaws = [(pl.col("price").is_null(), "no amount"), (months < 1, "no billing period")]
    units = (pl.col("price") * 10_000).round().cast(pl.Int64)
    # Rounded to the unit that is summed, halves up.
    contracts = _contracts(tables, *flaws).with_columns(paid=(units * 2 + months) // (months * 2))
    paid = {f"paid_{when}": pl.when(when).then("paid").otherwise(0) for when in ("before", "after")}
    lasting = _by_month(contracts, 1, ["customer_id"], "paid").with_columns(**paid)
    customers = lasting.group_by("index", "customer_id").agg(pl.col(*flags).max(), pl.col(*paid).sum())
    change = pl.col("paid_after") - pl.col("paid_before")
    found = customers.group_by("index", *flags, direction=change.sign()).agg(
        pl.col(*paid).sum() / 10_000, n=pl.len(), total=change.sum() / 10_000
    )
    told = found.with_columns(month=_month_of_index(1), outcome=pl.lit(_CUSTOMER)).drop("index")
    # One look at the currencies is quicker than keeping the sums of each apart.
    currency = pl.when(pl.col("flaw").is_null()).then("price_currency")
    return pl.concat([told, contracts.group_by(currency=currency, outcome="flaw").agg(n=pl.len())], how="diagonal")
