"""The counts behind the KPIs of `bench/metrics.py` as an analyst writes them in SQL for DuckDB; see `by_hand` for what they look like."""

from collections.abc import Mapping

from by_hand import TZ, UNKNOWN
from company import BEGINNING, NOW

_AT = '"at"'
_FIRST, _NOW = f"TIMESTAMPTZ '{BEGINNING}'", f"TIMESTAMPTZ '{NOW}'"


def _local(column: str) -> str:
    return f"timezone('{TZ}', {column})"


def _month(at: str) -> str:
    return f"date_trunc('month', {_local(at)})::DATE"


def _known(at: str) -> str:
    return f"({at} IS NULL OR {at} < {_NOW})"


def _inside(at: str) -> str:
    return f"({at} IS NULL OR {at} >= {_FIRST})"


def _outcome(*cases: tuple[str, str], otherwise: str = "NULL") -> str:
    """The word of the first case that holds."""
    branches = " ".join(f"WHEN {condition} THEN '{word}'" for condition, word in cases)
    return f"CASE {branches} ELSE {otherwise} END"


def _counted(rows: str, at: str, outcome: str, *columns: str) -> str:
    """Rows by month, outcome and further columns; what happened before the beginning does not count, and what has no date is in no month."""
    listed = "".join(f", {column}" for column in columns)
    return (
        f"SELECT {_month('instant')} AS month, {outcome} AS outcome, count(*) AS n{listed} "
        f"FROM (SELECT *, {at} AS instant FROM {rows}) WHERE {_inside('instant')} GROUP BY ALL"
    )


def _left_out(rows: str, groups: str = "") -> str:
    return f"SELECT flaw AS outcome, {groups} count(*) AS n FROM {rows} WHERE flaw IS NOT NULL GROUP BY ALL"


_SUMS = "sum(amount) AS total, sum(amount * amount) AS squares"

_CLOSED = "category IN ('won', 'lost')"
_CLOSED_AT = f"CASE WHEN {_CLOSED} AND closed_at < {_NOW} THEN closed_at END"
_DAYS = f"({_local('closed_at')}::DATE - {_local('created_at')}::DATE)"
_DEALS = f"(FROM deals WHERE {_known('created_at')})"
_DEAL_FLAWS = (
    ("category IS NULL", "no category"),
    ("category NOT IN ('open', 'won', 'lost')", UNKNOWN),
    (f"{_CLOSED} AND closed_at IS NULL", "closed without a close date"),
)


def _closed_deals(*flaws: tuple[str, str]) -> str:
    return _outcome(*_DEAL_FLAWS, (f"{_CLOSED} AND closed_at >= {_NOW}", "open"), *flaws, otherwise="category")


def _in_the_pipeline(outcome: str, began: str, sums: str) -> str:
    return (
        f"SELECT {began} AS began, {_month(_CLOSED_AT)} AS ended, {outcome} AS outcome, currency, count(*) AS n, {sums} "
        f"FROM {_DEALS} GROUP BY ALL"
    )


_OPEN_FLAWS = (*_DEAL_FLAWS, ("created_at IS NULL", "no creation date"))
_BEGUN_AT = f"CASE WHEN {_outcome(*_OPEN_FLAWS)} IS NULL THEN created_at END"

_ORDER_FLAWS = (
    ("customer_id IS NULL", "no customer"),
    ("category NOT IN ('open', 'completed', 'cancelled')", UNKNOWN),
    ("category = 'cancelled'", "cancelled"),
)
_UNDATED = ('"at" IS NULL', "no date")
_UNPRICED = ("amount IS NULL", "no amount")
_NO_PURCHASE = (
    _UNDATED,
    _UNPRICED,
    ("category = 'cancelled'", "cancelled"),
    ("category NOT IN ('open', 'completed')", UNKNOWN),
)
_PURCHASES = _outcome(*_NO_PURCHASE, ("amount < 0", "refund"), otherwise="'purchase'")
_ORDERS = f"(FROM orders WHERE {_known(_AT)})"


def _orders_with_flaws(*flaws: tuple[str, str]) -> str:
    return f"WITH judged AS (SELECT *, {_outcome(*_ORDER_FLAWS, *flaws)} AS flaw FROM {_ORDERS})"


_CONTRACT_FLAWS = (
    ("customer_id IS NULL", "no customer"),
    ("category NOT IN ('trial', 'active', 'frozen', 'past_due', 'cancelling', 'lapsed')", UNKNOWN),
    ("category = 'trial'", "trial"),
    ("category = 'lapsed' AND ended_at IS NULL", "ended without a date"),
    ("started_at IS NULL", "no start date"),
    ("ended_at <= started_at", "covers no time"),
)


def _customers(part: str, group: str = "", flaws: tuple[tuple[str, str], ...] = (), sums: str = "") -> str:
    """Contracts with why they do not count, and customers by month with whether they are there before and after it."""
    local = f"(TIMESTAMP '{BEGINNING.date()}', TIMESTAMP '{NOW.date()}' - INTERVAL 1 {part}, INTERVAL 1 {part})"
    return f"""
    WITH spans AS (
        SELECT start::DATE AS month, timezone('{TZ}', start) AS "start", timezone('{TZ}', start + INTERVAL 1 {part}) AS "end"
        FROM generate_series{local} AS series(start)
    ), judged AS (
        SELECT *, {_outcome(*_CONTRACT_FLAWS, *flaws)} AS flaw FROM subscriptions WHERE {_known("started_at")}
    ), paid AS (
        SELECT *, min(started_at) OVER (PARTITION BY {group} customer_id) AS first_at FROM judged WHERE flaw IS NULL
    ), customers AS (
        SELECT month, customer_id, {group} bool_or(started_at < "start") AS before,
            bool_or(ended_at IS NULL OR ended_at >= "end") AS after, bool_or(first_at >= "start") AS is_first {sums}
        FROM paid JOIN spans ON started_at < "end" AND (ended_at IS NULL OR ended_at >= "start")
        GROUP BY ALL
    )
    """


def _standings(part: str, group: str = "") -> str:
    return f"""
        {_customers(part, group)}
        SELECT month, {group} before, after, is_first, 'customer' AS outcome, count(*) AS n FROM customers GROUP BY ALL
        UNION ALL BY NAME {_left_out("judged", group)}
    """


# Rounded to the unit that is summed, halves up.
_MONTHLY = (
    "((round(price * 10000)::BIGINT * 2 + coalesce(billing_months, 1)) // (coalesce(billing_months, 1) * 2))::BIGINT"
)
_UNPAID = (("price IS NULL", "no amount"), ("billing_months < 1", "no billing period"))
_PAID = f""", price_currency AS currency, sum(CASE WHEN started_at < "start" THEN {_MONTHLY} ELSE 0 END) AS paid_before,
    sum(CASE WHEN ended_at IS NULL OR ended_at >= "end" THEN {_MONTHLY} ELSE 0 END) AS paid_after"""
_PAID_STANDINGS = f"""
    {_customers("month", flaws=_UNPAID, sums=_PAID)}
    SELECT month, before, after, is_first, sign(paid_after - paid_before) AS direction, currency, 'customer' AS outcome,
        count(*) AS n, sum(paid_after - paid_before) / 1e4 AS total, sum(paid_before) / 1e4 AS paid_before,
        sum(paid_after) / 1e4 AS paid_after
    FROM customers GROUP BY ALL
    UNION ALL BY NAME {_left_out("judged")}
"""

_TICKETS = f"(FROM tickets WHERE {_known('created_at')})"
_RESOLVED_AT = f"CASE WHEN category = 'resolved' AND resolved_at < {_NOW} THEN resolved_at END"
_UNRESOLVED = (
    ("category IS NULL OR category IN ('open', 'paused')", "not resolved"),
    ("category <> 'resolved'", UNKNOWN),
    (f"resolved_at >= {_NOW}", "not resolved"),
    ("resolved_at IS NULL", "resolved without a date"),
)
_ENDLESS = (
    ("category IS NULL", "no category"),
    ("category NOT IN ('open', 'paused', 'resolved')", UNKNOWN),
    ("created_at IS NULL", "no creation date"),
    ("category = 'resolved' AND resolved_at IS NULL", "resolved without a date"),
)


def _taken(end: str) -> str:
    return f"list(epoch_us({end}) - epoch_us(created_at)) AS taken"


_DELIVERED = f"least(delivered_at, opened_at, clicked_at) < {_NOW}"

QUERIES: Mapping[str, str] = {
    "win_rate": _counted(_DEALS, _CLOSED_AT, _closed_deals(), "owner_id"),
    "sales_cycle": "FROM ("
    + _counted(
        f"(SELECT *, {_DAYS} AS taken FROM {_DEALS})",
        _CLOSED_AT,
        _closed_deals(
            (f"{_CLOSED} AND created_at IS NULL", "no creation date"),
            (f"{_CLOSED} AND taken < 0", "closed before it was created"),
        ),
        "taken",
    )
    + ") WHERE outcome <> 'lost'",
    "stage_duration": f"""
        WITH moves AS (
            SELECT subject_id, before, "at", lag("at") OVER (PARTITION BY subject_id ORDER BY "at", id) AS begun
            FROM transitions WHERE subject = 'Deal' AND field = 'stage' AND "at" < {_NOW}
        ), stays AS (
            SELECT subject_id, before AS stage, m."at",
                epoch_us(m."at") - epoch_us(coalesce(begun, CASE WHEN created_at <= m."at" THEN created_at END)) AS spent
            FROM moves m JOIN {_DEALS} d ON d.id = subject_id WHERE before IS NOT NULL
        ), whole AS (
            SELECT stage, sum(spent)::BIGINT // 60000000 AS minutes, count(*) > count(spent) AS is_unknown
            FROM stays GROUP BY subject_id, stage HAVING max("at") >= {_FIRST}
        )
        SELECT stage, {_outcome(("is_unknown", "entry not known"), otherwise="'left'")} AS outcome, count(*) AS n,
            list(minutes) AS taken
        FROM whole GROUP BY ALL
    """,
    "pipeline_value": _in_the_pipeline(
        _outcome(*_OPEN_FLAWS, _UNPRICED, otherwise="'open'"), _month(_BEGUN_AT), "sum(amount) AS total"
    ),
    "pipeline_velocity": _in_the_pipeline(
        _closed_deals(),
        _month("created_at"),
        f"""sum(amount) AS total, count(amount) AS priced, (sum({_DAYS}) FILTER ({_DAYS} >= 0))::BIGINT AS days,
            count(*) FILTER ({_DAYS} >= 0) AS cycles""",
    ),
    "average_order_value": f"""
        WITH judged AS (
            SELECT *, {_outcome(*_NO_PURCHASE)} IS NULL AND id IS NOT NULL AS is_line FROM {_ORDERS}
        ), purchases AS (
            SELECT currency, 'completed' AS category, min("at") AS "at", sum(amount) AS amount
            FROM judged WHERE is_line GROUP BY id, currency
            UNION ALL BY NAME SELECT currency, category, "at", amount FROM judged WHERE NOT is_line
        )
        {_counted("purchases", _AT, _PURCHASES, "currency", _SUMS)}
    """,
    "average_row_value": _counted(_ORDERS, _AT, _PURCHASES, "currency", _SUMS),
    "new_customers": f"""
        {_orders_with_flaws(("amount < 0", "refund"), _UNDATED)}, first AS (
            SELECT min("at") AS "at" FROM judged WHERE flaw IS NULL GROUP BY customer_id
        )
        {_counted("first", _AT, "'customer'")} UNION ALL BY NAME {_left_out("judged")}
    """,
    "customer_lifetime_value": f"""
        {_orders_with_flaws(_UNDATED, _UNPRICED)}, worth AS (
            SELECT currency, min("at") AS "at", sum(amount) AS amount FROM judged WHERE flaw IS NULL
            GROUP BY customer_id, currency
        )
        SELECT 'customer' AS outcome, currency, count(*) AS n, {_SUMS} FROM worth WHERE "at" >= {_FIRST} GROUP BY ALL
        UNION ALL BY NAME {_left_out("judged")}
    """,
    "churn_rate": _standings("month"),
    "retention_rate": _standings("quarter", "plan,"),
    "mrr_movements": _PAID_STANDINGS,
    "average_revenue_per_account": _PAID_STANDINGS,
    "first_contact_resolution": f"""
        WITH known AS (
            SELECT *, coalesce(topic, '') AS about FROM {_TICKETS}
        ), replies AS (
            SELECT ticket_id, count(*) AS replies FROM interactions i JOIN known k ON k.id = ticket_id
            WHERE direction = 'outbound' AND provenance IS DISTINCT FROM 'machine' AND i."at" < {_NOW}
                AND created_at IS DISTINCT FROM i."at"
            GROUP BY ALL
        ), repeated AS (
            SELECT DISTINCT r.id FROM known r JOIN known k USING (customer_id, about)
            WHERE r.category = 'resolved' AND r.resolved_at < {_NOW} AND k.id <> r.id
                AND k.created_at > r.resolved_at AND k.created_at <= r.resolved_at + INTERVAL 168 HOUR
        ), judged AS (
            SELECT known.*, replies, repeated.id AS repeated_id
            FROM known LEFT JOIN replies ON ticket_id = known.id LEFT JOIN repeated ON repeated.id = known.id
        )
        {
        _counted(
            "judged",
            _RESOLVED_AT,
            _outcome(
                *_UNRESOLVED,
                (f"resolved_at + INTERVAL 168 HOUR >= {_NOW}", "window still open"),
                (
                    "coalesce(replies, 0) <= 1 AND repeated_id IS NULL AND coalesce(reopen_count, 0) = 0",
                    "first contact",
                ),
                otherwise="'more contacts'",
            ),
        )
    }
        UNION ALL BY NAME SELECT '{UNKNOWN}' AS outcome, count(*) AS n FROM interactions
        WHERE direction NOT IN ('inbound', 'outbound', 'internal') GROUP BY ALL HAVING n > 0
    """,
    "first_response_time": _counted(
        _TICKETS,
        f"CASE WHEN first_responded_at < {_NOW} THEN first_responded_at END",
        _outcome(
            ("created_at IS NULL", "no creation date"),
            (f"first_responded_at IS NULL OR first_responded_at >= {_NOW}", "not answered"),
            ("first_responded_at < created_at", "answered before it was created"),
            otherwise="'answered'",
        ),
        _taken("first_responded_at"),
    ),
    "resolution_time": f"""
        SELECT channel, {
        _outcome(
            *_UNRESOLVED,
            ("created_at IS NULL", "no creation date"),
            ("resolved_at < created_at", "resolved before it was created"),
            otherwise="'resolved'",
        )
    } AS outcome, count(*) AS n, {_taken("resolved_at")}
        FROM {_TICKETS} WHERE {_inside(f"({_RESOLVED_AT})")} GROUP BY ALL
    """,
    "reopen_rate": _counted(
        _TICKETS, _RESOLVED_AT, _outcome(*_UNRESOLVED, ("reopen_count > 0", "reopened"), otherwise="'lasted'")
    ),
    "backlog": f"""
        SELECT CASE WHEN {_outcome(*_ENDLESS)} IS NULL THEN {_local("created_at")}::DATE END AS began,
            {_month(_RESOLVED_AT)} AS ended, {_outcome(*_ENDLESS, otherwise="'in the backlog'")} AS outcome, count(*) AS n
        FROM {_TICKETS} GROUP BY ALL
    """,
    "nps": f"""
        WITH asked AS (
            SELECT *, {
        _outcome(
            (f"score IS NULL OR responded_at >= {_NOW}", "unanswered"),
            ("score NOT BETWEEN 0 AND 10", UNKNOWN),
            ("responded_at IS NULL", "answered without a date"),
        )
    } AS flaw, epoch_us(responded_at) * 11 + 10 - score AS rank
            FROM survey_responses WHERE kind = 'nps'
        ), given AS (
            SELECT {
        _month("responded_at")
    } AS month, customer_id, rank FROM asked WHERE flaw IS NULL AND responded_at >= {_FIRST}
        ), latest AS (  -- and of several at once the lowest
            SELECT month, max(rank) AS rank, count(*) - 1 AS earlier FROM given WHERE customer_id IS NOT NULL
            GROUP BY month, customer_id
            UNION ALL SELECT month, rank, 0 FROM given WHERE customer_id IS NULL
        ), scores AS (
            SELECT month, 10 - rank % 11 AS score, count(*) AS n, sum(earlier) AS earlier FROM latest GROUP BY ALL
        )
        SELECT month, 'answer' AS outcome, score, n FROM scores
        UNION ALL BY NAME SELECT month, 'earlier answer' AS outcome, sum(earlier)::BIGINT AS n FROM scores GROUP BY ALL
        UNION ALL BY NAME {_left_out("asked")}
    """,
    "response_rate": _counted(
        f"(FROM survey_responses WHERE {_known('sent_at')})",
        "sent_at",
        _outcome(
            ("sent_at IS NULL", "no date of asking"),
            (f"score IS NOT NULL AND {_known('responded_at')}", "answered"),
            otherwise="'not answered'",
        ),
    ),
    "new_leads": _counted(
        f"(FROM leads WHERE {_known('created_at')})",
        "created_at",
        _outcome(("created_at IS NULL", "no creation date"), otherwise="'lead'"),
        "source",
    ),
    "lead_conversion": _counted(
        f"(FROM leads WHERE {_known('created_at')})",
        "created_at",
        _outcome(
            ("created_at IS NULL", "no creation date"),
            ("category IS NULL", "no category"),
            ("category NOT IN ('open', 'converted', 'disqualified')", UNKNOWN),
            (f"category = 'converted' AND {_known('converted_at')}", "converted"),
            ("category = 'disqualified'", "not converted"),
            otherwise="'open'",
        ),
    ),
    "click_rate": _counted(
        "messages",
        f"CASE WHEN sent_at < {_NOW} THEN sent_at END",
        _outcome(
            (f"sent_at IS NULL AND {_DELIVERED}", "sent without a date"),
            (f"sent_at IS NULL OR sent_at >= {_NOW}", "not sent"),
            (f"clicked_at < {_NOW}", "clicked"),
            (_DELIVERED, "not clicked"),
            otherwise="'not delivered'",
        ),
        "campaign_id",
    ),
}
