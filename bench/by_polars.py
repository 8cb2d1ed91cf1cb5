"""The numbers of `bench/metrics.py` as an analyst writes them in Polars: one row a month or group, with its `value` and `n`."""

from collections.abc import Mapping

import polars as pl
from company import BEGINNING, NOW

Tables = Mapping[str, pl.LazyFrame]
_MONTH = "month"


def win_rate(tables: Tables) -> pl.LazyFrame:
    closed = tables["deals"].filter(pl.col("category").is_in(["won", "lost"]), _inside("closed_at"))
    return _counted(closed, "closed_at", pl.col("category") == "won", "owner_id")


def sales_cycle(tables: Tables) -> pl.LazyFrame:
    won = tables["deals"].filter(pl.col("category") == "won", _inside("closed_at"))
    days = pl.col("closed_at").dt.date() - pl.col("created_at").dt.date()
    return _durations(won, days.dt.total_days(), _month("closed_at"))


def stage_duration(tables: Tables) -> pl.LazyFrame:
    moves = tables["transitions"].filter(pl.col("subject") == "Deal", pl.col("field") == "stage", pl.col("at") < NOW)
    moves = moves.sort("subject_id", "at", "id").select(
        "subject_id",
        "before",
        "at",
        begun=pl.when(pl.col("subject_id") == pl.col("subject_id").shift()).then(pl.col("at").shift()),
    )
    deals = tables["deals"].select("id", "created_at")
    stays = moves.join(deals, left_on="subject_id", right_on="id").with_columns(
        spent=(pl.col("at") - pl.coalesce("begun", "created_at")).dt.total_microseconds()
    )
    whole = stays.group_by("subject_id", "before").agg(pl.col("spent").sum(), pl.col("at").max()).filter(_inside("at"))
    taken = (pl.col("spent") // 60_000_000) / 1440
    return _durations(whole.rename({"before": "stage"}), taken, "stage")


def pipeline_value(tables: Tables) -> pl.LazyFrame:
    deals = tables["deals"].filter(pl.col("created_at") < NOW)
    closed = deals.filter(pl.col("category") != "open", pl.col("closed_at") < NOW)
    # Whatever was open before the first month moves in with it.
    came = deals.group_by(_month("created_at")).agg(amount=pl.col("amount").sum(), n=pl.len().cast(pl.Int64))
    went = closed.group_by(_month("closed_at")).agg(amount=-pl.col("amount").sum(), n=-pl.len().cast(pl.Int64))
    moved = pl.concat([came, went]).group_by(_MONTH).agg(pl.col("amount", "n").sum()).sort(_MONTH)
    running = moved.select(_MONTH, value=pl.col("amount").cum_sum(), n=pl.col("n").cum_sum())
    return running.filter(pl.col(_MONTH) >= BEGINNING)


def pipeline_velocity(tables: Tables) -> pl.LazyFrame:
    opened = pipeline_value(tables).select(_MONTH, opened="n")
    closed = tables["deals"].filter(pl.col("category").is_in(["won", "lost"]), _inside("closed_at"))
    is_won = pl.col("category") == "won"
    days = (pl.col("closed_at").dt.date() - pl.col("created_at").dt.date()).dt.total_days()
    rates = closed.group_by(_month("closed_at")).agg(
        won=is_won.sum(), n=pl.len(), average=pl.col("amount").filter(is_won).mean(), cycle=days.filter(is_won).mean()
    )
    value = pl.col("opened") * pl.col("won") / pl.col("n") * pl.col("average") / pl.col("cycle")
    return rates.join(opened, on=_MONTH).select(_MONTH, "n", value=value)


def average_order_value(tables: Tables) -> pl.LazyFrame:
    bought = tables["orders"].filter(pl.col("category") != "cancelled", pl.col("at") < NOW)
    purchases = bought.group_by("id").agg(pl.col("at").min(), pl.col("amount").sum())
    return _averaged(purchases.filter(pl.col("amount") >= 0))


def average_row_value(tables: Tables) -> pl.LazyFrame:
    return _averaged(tables["orders"].filter(pl.col("category") != "cancelled", pl.col("amount") >= 0))


def new_customers(tables: Tables) -> pl.LazyFrame:
    bought = tables["orders"].filter(pl.col("category") != "cancelled", pl.col("amount") >= 0, pl.col("at") < NOW)
    first = bought.group_by("customer_id").agg(pl.col("at").min())
    found = first.filter(_inside("at")).group_by(_month("at")).agg(n=pl.len())
    return found.with_columns(value=pl.col("n"))


def customer_lifetime_value(tables: Tables) -> pl.LazyFrame:
    bought = tables["orders"].filter(pl.col("category") != "cancelled", pl.col("at") < NOW)
    worth = bought.group_by("customer_id").agg(pl.col("amount").sum(), pl.col("at").min()).filter(_inside("at"))
    return worth.select(value=pl.col("amount").mean(), n=pl.len())


def churn_rate(tables: Tables) -> pl.LazyFrame:
    active = _customers(_by_month(tables, [])).group_by(_MONTH).agg(**_churn())
    return active.with_columns(value=pl.col("lost") / pl.col("n"))


def retention_rate(tables: Tables) -> pl.LazyFrame:
    active = _customers(_by_month(tables, ["plan"], months=3), "plan").group_by(_MONTH, "plan").agg(**_churn())
    return active.with_columns(value=1 - pl.col("lost") / pl.col("n"))


def mrr_movements(tables: Tables) -> pl.LazyFrame:
    customers = _customers(_by_month(tables, [])).with_columns(change=pl.col("paid_after") - pl.col("paid_before"))
    change, before, after = pl.col("change"), pl.col("before"), pl.col("after")
    moves = {
        "churn": change.filter(before & ~after),
        "new": change.filter(~before & after & pl.col("is_first")),
        "reactivation": change.filter(~before & after & ~pl.col("is_first")),
        "expansion": change.filter(before & after & (change > 0)),
        "contraction": change.filter(before & after & (change < 0)),
        "start": pl.col("paid_before"),
        "end": pl.col("paid_after"),
    }
    moved = (before != after) | (change != 0)
    return customers.group_by(_MONTH).agg(
        value=change.sum(), n=moved.sum(), **{name: move.sum() for name, move in moves.items()}
    )


def average_revenue_per_account(tables: Tables) -> pl.LazyFrame:
    months = _customers(_by_month(tables, [])).group_by(_MONTH).agg(pl.col("paid_after").sum(), n=pl.col("after").sum())
    return months.with_columns(value=pl.col("paid_after") / pl.col("n"))


def first_contact_resolution(tables: Tables) -> pl.LazyFrame:
    said = tables["interactions"].filter(
        pl.col("direction") == "outbound", pl.col("provenance") != "machine", pl.col("at") < NOW
    )
    replies = said.group_by("ticket_id").agg(replies=pl.len())
    tickets = tables["tickets"].filter(pl.col("created_at") < NOW)
    resolved = tickets.filter(
        pl.col("category") == "resolved", _inside("resolved_at"), pl.col("resolved_at").dt.offset_by("7d") < NOW
    )
    pairs = resolved.select("id", "resolved_at", "customer_id", "topic").join(
        tickets.select("customer_id", "topic", "created_at"), on=["customer_id", "topic"]
    )
    opened, ended = pl.col("created_at"), pl.col("resolved_at")
    repeated = pairs.filter(opened > ended, opened <= ended.dt.offset_by("7d")).select("id").unique()
    judged = resolved.join(replies, left_on="id", right_on="ticket_id", how="left").join(
        repeated.with_columns(is_repeated=True), on="id", how="left"
    )
    is_first = (pl.col("replies").fill_null(0) <= 1) & pl.col("is_repeated").is_null() & (pl.col("reopen_count") == 0)
    return _counted(judged, "resolved_at", is_first)


def first_response_time(tables: Tables) -> pl.LazyFrame:
    taken = _minutes("created_at", "first_responded_at")
    answered = tables["tickets"].filter(_inside("first_responded_at"))
    return _durations(answered, taken, _month("first_responded_at"))


def resolution_time(tables: Tables) -> pl.LazyFrame:
    resolved = tables["tickets"].filter(pl.col("category") == "resolved", _inside("resolved_at"))
    return _durations(resolved, _minutes("created_at", "resolved_at"), "channel")


def reopen_rate(tables: Tables) -> pl.LazyFrame:
    resolved = tables["tickets"].filter(pl.col("category") == "resolved", _inside("resolved_at"))
    return _counted(resolved, "resolved_at", pl.col("reopen_count") > 0)


def backlog(tables: Tables) -> pl.LazyFrame:
    tickets = tables["tickets"].filter(pl.col("created_at") < NOW)
    months = pl.datetime_range(BEGINNING, NOW, "1mo", closed="left", time_unit="us", eager=True)
    snapshots = []
    for start, end in zip(months, [*months[1:], NOW], strict=True):
        left = tickets.filter(
            pl.col("created_at") < end, (pl.col("category") != "resolved") | (pl.col("resolved_at") >= end)
        )
        age = (end.date() - pl.col("created_at").dt.date()).dt.total_days() - 1
        snapshots.append(left.select(pl.lit(start).alias(_MONTH), taken=age))
    ages = _durations(pl.concat(snapshots), pl.col("taken"), _MONTH)
    return ages.with_columns(median="value", value=pl.col("n"))


def nps(tables: Tables) -> pl.LazyFrame:
    answers = tables["survey_responses"].filter(
        pl.col("kind") == "nps", pl.col("score").is_not_null(), _inside("responded_at")
    )
    latest = answers.group_by(_month("responded_at"), "customer_id").agg(
        score=pl.col("score").sort_by("responded_at").last()
    )
    score = pl.col("score")
    return latest.group_by(_MONTH).agg(value=100 * ((score >= 9).mean() - (score <= 6).mean()), n=pl.len())


def response_rate(tables: Tables) -> pl.LazyFrame:
    is_answered = pl.col("score").is_not_null() & (pl.col("responded_at") < NOW)
    return _counted(tables["survey_responses"].filter(_inside("sent_at")), "sent_at", is_answered)


def new_leads(tables: Tables) -> pl.LazyFrame:
    came = tables["leads"].filter(_inside("created_at")).group_by(_month("created_at"), "source").agg(n=pl.len())
    return came.with_columns(value=pl.col("n"))


def lead_conversion(tables: Tables) -> pl.LazyFrame:
    is_converted = (pl.col("category") == "converted") & (pl.col("converted_at") < NOW)
    return _counted(tables["leads"].filter(_inside("created_at")), "created_at", is_converted)


def click_rate(tables: Tables) -> pl.LazyFrame:
    is_clicked = (pl.col("clicked_at") < NOW).fill_null(value=False)
    arrived = tables["messages"].filter(
        _inside("sent_at"), (pl.col("delivered_at") < NOW) | (pl.col("opened_at") < NOW) | is_clicked
    )
    return _counted(arrived, "sent_at", is_clicked, "campaign_id")


def _inside(column: str) -> pl.Expr:
    return (pl.col(column) >= BEGINNING) & (pl.col(column) < NOW)


def _month(column: str, months: int = 1) -> pl.Expr:
    return pl.col(column).dt.truncate(f"{months}mo").alias(_MONTH)


def _minutes(start: str, end: str) -> pl.Expr:
    return (pl.col(end) - pl.col(start)).dt.total_microseconds() / 60_000_000


def _durations(rows: pl.LazyFrame, taken: pl.Expr, *keys: str | pl.Expr) -> pl.LazyFrame:
    """The median, the mean and the 90th percentile of what `taken` says."""
    length = pl.col("taken")
    figures = {"value": length.median(), "mean": length.mean(), "p90": length.quantile(0.9, "linear"), "n": pl.len()}
    return rows.with_columns(taken=taken).group_by(*keys).agg(**figures)


def _counted(rows: pl.LazyFrame, at: str, is_counted: pl.Expr, *groups: str) -> pl.LazyFrame:
    return rows.group_by(_month(at), *groups).agg(value=is_counted.mean(), n=pl.len())


def _averaged(purchases: pl.LazyFrame) -> pl.LazyFrame:
    inside = purchases.filter(_inside("at"))
    return inside.group_by(_month("at")).agg(value=pl.col("amount").mean(), spread=pl.col("amount").std(), n=pl.len())


def _by_month(tables: Tables, groups: list[str], months: int = 1) -> pl.LazyFrame:
    """One row a paid contract and month in which it is active, with whether it was before and is after."""
    paid = tables["subscriptions"].filter(
        pl.col("category") != "trial",
        pl.col("started_at") < NOW,
        pl.col("ended_at").is_null() | (pl.col("ended_at") >= BEGINNING),
    )

    def index(column: str) -> pl.Expr:
        at = pl.col(column).dt
        return (at.year().cast(pl.Int64) * 12 + at.month() - 1) // months

    first, last = (BEGINNING.year * 12) // months, (NOW.year * 12) // months - 1
    began = pl.max_horizontal(index("started_at"), pl.lit(first - 1))
    ended = pl.min_horizontal(index("ended_at").fill_null(last + 1), pl.lit(last + 1))
    known = paid.select(
        "customer_id",
        *groups,
        paid=pl.col("price") / pl.col("billing_months"),
        began=began,
        ended=ended,
        first=pl.col("started_at").min().over("customer_id", *groups),
    )
    known = known.with_columns(first=pl.max_horizontal(index("first"), pl.lit(first - 1)))
    lasting = known.with_columns(
        index=pl.int_ranges(pl.max_horizontal("began", pl.lit(first)), pl.min_horizontal("ended", pl.lit(last)) + 1)
    ).explode("index")
    month = pl.date(pl.col("index") * months // 12, pl.col("index") * months % 12 + 1, 1).cast(pl.Datetime("us", "UTC"))
    before, after = pl.col("began") < pl.col("index"), pl.col("ended") > pl.col("index")
    return lasting.select(
        "customer_id",
        *groups,
        month.alias(_MONTH),
        before=before,
        after=after,
        is_first=pl.col("first") == pl.col("index"),
        paid_before=pl.when(before).then("paid").otherwise(0.0),
        paid_after=pl.when(after).then("paid").otherwise(0.0),
    )


def _customers(contracts: pl.LazyFrame, *groups: str) -> pl.LazyFrame:
    return contracts.group_by(_MONTH, "customer_id", *groups).agg(
        pl.col("before", "after", "is_first").max(), pl.col("paid_before", "paid_after").sum()
    )


def _churn() -> dict[str, pl.Expr]:
    before, after, is_first = pl.col("before"), pl.col("after"), pl.col("is_first")
    return {
        "n": before.sum(),
        "end": after.sum(),
        "new": (~before & is_first).sum(),
        "reactivated": (~before & ~is_first).sum(),
        "lost": (before & ~after).sum(),
    }
