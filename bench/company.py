"""A generated company as Parquet files: at scale 1 it has 1 M customers, 10 M orders, 2 M tickets and 1 M deals with 4 M stage entries."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

SEED = 20250101
BEGINNING, NOW = datetime(2023, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
"""The data tells of two years, and a little of what came after them."""

_DAY = 86_400_000_000
_FIRST, _LAST = int(BEGINNING.timestamp()) * 1_000_000, int(NOW.timestamp()) * 1_000_000
_MILLION = 1_000_000
Draw = np.random.Generator
Instants = Any


def folder_of(scale: float, home: Path) -> Path:
    """Return a folder with the tables of a company of this size, made if it is not there."""
    folder = home / f"scale-{scale:g}"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for number, (name, made) in enumerate(TABLES.items()):
            made(np.random.default_rng([SEED, number]), scale).write_parquet(folder / f"{name}.parquet")
        (folder / "complete").touch()
    return folder


def subscriptions(draw: Draw, scale: float) -> pl.DataFrame:
    n = int(_MILLION * scale)
    started = draw.integers(_FIRST - 365 * _DAY, _LAST + 15 * _DAY, n)
    ended = started + (draw.exponential(300, n) * _DAY).astype(np.int64) + 1
    over = (draw.random(n) < 0.6) & (ended < _LAST + 15 * _DAY)
    return pl.DataFrame(
        {
            "id": _ids("s", np.arange(n)),
            "customer_id": _ids("c", draw.integers(0, n * 9 // 10 + 1, n)),
            "plan": _words(draw, ["basic", "plus", "family"], n),
            "category": np.where(over, "lapsed", np.where(draw.random(n) < 0.03, "trial", "active")),
            "started_at": _instants(started),
            "ended_at": _instants(ended, over),
            "price": draw.choice([49.0, 99.0, 149.5], n),
            "price_currency": _words(draw, ["PLN"], n),
            "billing_months": draw.choice([1, 12], n),
        }
    )


def orders(draw: Draw, scale: float) -> pl.DataFrame:
    n = int(10 * _MILLION * scale)
    return pl.DataFrame(
        {
            "id": _ids("o", np.arange(n)),
            "customer_id": _ids("c", draw.integers(0, int(_MILLION * scale), n)),
            "at": _instants(draw.integers(_FIRST, _LAST + 15 * _DAY, n)),
            "amount": draw.exponential(150, n).round(2),
            "currency": _words(draw, ["PLN"], n),
            "category": draw.choice(["completed", "cancelled"], n, p=[0.95, 0.05]),
        }
    )


def tickets(draw: Draw, scale: float) -> pl.DataFrame:
    n = int(2 * _MILLION * scale)
    created = draw.integers(_FIRST, _LAST + 15 * _DAY, n)
    answered = created + (draw.exponential(0.2, n) * _DAY).astype(np.int64)
    resolved = answered + (draw.exponential(3, n) * _DAY).astype(np.int64)
    is_done = draw.random(n) < 0.9
    return pl.DataFrame(
        {
            "id": _ids("t", np.arange(n)),
            "customer_id": _ids("c", draw.integers(0, int(_MILLION * scale), n)),
            "channel": _words(draw, ["email", "phone", "chat", "web"], n),
            "topic": _words(draw, [f"topic {number}" for number in range(10)], n),
            "category": np.where(is_done, "resolved", np.where(draw.random(n) < 0.5, "open", "paused")),
            "created_at": _instants(created),
            "first_responded_at": _instants(answered, is_done | (draw.random(n) < 0.5)),
            "resolved_at": _instants(resolved, is_done),
            "reopen_count": (draw.random(n) < 0.1).astype(np.int64),
        }
    )


def interactions(draw: Draw, scale: float) -> pl.DataFrame:
    n, n_tickets = int(4 * _MILLION * scale), int(2 * _MILLION * scale)
    return pl.DataFrame(
        {
            "ticket_id": _ids("t", draw.integers(0, n_tickets, n)),
            "direction": draw.choice(["outbound", "inbound", "internal"], n, p=[0.5, 0.4, 0.1]),
            "at": _instants(draw.integers(_FIRST, _LAST + 15 * _DAY, n)),
            "provenance": draw.choice(["human", "machine"], n, p=[0.9, 0.1]),
        }
    )


def deals(draw: Draw, scale: float) -> pl.DataFrame:
    n = int(_MILLION * scale)
    created, left, is_closed = _ways(scale)
    return pl.DataFrame(
        {
            "id": _ids("d", np.arange(n)),
            "owner_id": _words(draw, [f"employee {number}" for number in range(40)], n),
            "category": np.where(is_closed, np.where(draw.random(n) < 0.4, "won", "lost"), "open"),
            "created_at": _instants(created),
            "closed_at": _instants(left[-1], is_closed),
            "amount": draw.exponential(5000, n).round(2),
            "currency": _words(draw, ["PLN"], n),
        }
    )


def transitions(draw: Draw, scale: float) -> pl.DataFrame:
    n = int(_MILLION * scale)
    _, left, is_closed = _ways(scale)
    stages = ["Lead", "Trial", "Offer", "Contract", "Closed"]
    steps = [
        pl.DataFrame(
            {
                "subject_id": _ids("d", np.arange(n)),
                "before": _words(draw, [before], n),
                "after": _words(draw, [after], n),
                "at": _instants(at),
                "kept": is_closed if after == "Closed" else np.ones(n, bool),
            }
        )
        for before, after, at in zip(stages, stages[1:], left, strict=False)
    ]
    entries = pl.concat(steps).filter("kept").drop("kept").sample(fraction=1, shuffle=True, seed=SEED)
    named = pl.Series("id", _ids("m", np.arange(entries.height)))
    return entries.with_columns(named, subject=pl.lit("Deal"), field=pl.lit("stage"))


def survey_responses(draw: Draw, scale: float) -> pl.DataFrame:
    n = int(2 * _MILLION * scale)
    sent = draw.integers(_FIRST, _LAST + 15 * _DAY, n)
    is_answered = draw.random(n) < 0.6
    score = pl.Series(draw.choice(11, n, p=[0.02] * 6 + [0.05, 0.13, 0.2, 0.25, 0.25]))
    return pl.DataFrame(
        {
            "customer_id": _ids("c", draw.integers(0, int(_MILLION * scale), n)),
            "kind": _words(draw, ["nps", "nps", "csat"], n),
            "score": pl.select(pl.when(pl.Series(is_answered)).then(score)).to_series(),
            "sent_at": _instants(sent),
            "responded_at": _instants(sent + (draw.exponential(2, n) * _DAY).astype(np.int64), is_answered),
        }
    )


def leads(draw: Draw, scale: float) -> pl.DataFrame:
    n = int(_MILLION * scale)
    created = draw.integers(_FIRST, _LAST + 15 * _DAY, n)
    category = draw.choice(["open", "converted", "disqualified"], n, p=[0.2, 0.3, 0.5])
    converted = created + (draw.exponential(20, n) * _DAY).astype(np.int64)
    return pl.DataFrame(
        {
            "id": _ids("l", np.arange(n)),
            "source": _words(draw, ["web", "referral", "fair", "partner"], n),
            "category": category,
            "created_at": _instants(created),
            "converted_at": _instants(converted, category == "converted"),
        }
    )


def messages(draw: Draw, scale: float) -> pl.DataFrame:
    n = int(2 * _MILLION * scale)
    sent = draw.integers(_FIRST, _LAST + 15 * _DAY, n)
    arrives = draw.random(n) < 0.97
    later = [sent + (draw.exponential(1, n) * _DAY).astype(np.int64) for _ in range(2)]
    opens = arrives & (draw.random(n) < 0.4)
    return pl.DataFrame(
        {
            "id": _ids("e", np.arange(n)),
            "campaign_id": _words(draw, [f"campaign {number}" for number in range(20)], n),
            "sent_at": _instants(sent),
            "delivered_at": _instants(sent + 1_000_000, arrives),
            "opened_at": _instants(later[0], opens),
            "clicked_at": _instants(later[0] + later[1] - sent, opens & (draw.random(n) < 0.2)),
        }
    )


TABLES: Mapping[str, Callable[[Draw, float], pl.DataFrame]] = {
    made.__name__: made
    for made in (
        subscriptions,
        orders,
        tickets,
        interactions,
        deals,
        transitions,
        survey_responses,
        leads,
        messages,
    )
}


def _ways(scale: float) -> tuple[Instants, list[Instants], Any]:
    """When deals were created and left each of their stages, and whether they left the last one."""
    n, draw = int(_MILLION * scale), np.random.default_rng([SEED, len("ways")])
    created = draw.integers(_FIRST - 60 * _DAY, _LAST, n)
    left, at = [], created
    for _ in range(4):
        at = at + (draw.exponential(10, n) * _DAY).astype(np.int64) + 1
        left.append(at)
    return created, left, draw.random(n) < 0.85


def _ids(letter: str, numbers: Any) -> pl.Series:
    return pl.select(letter + pl.Series(numbers).cast(pl.String).str.zfill(8)).to_series()


def _words(draw: Draw, words: list[str], n: int) -> pl.Series:
    return pl.Series(words).gather(pl.Series(draw.integers(0, len(words), n)))


def _instants(microseconds: Any, is_there: Any = None) -> pl.Series:
    instants = pl.Series(microseconds).cast(pl.Datetime("us", "UTC"))
    return instants if is_there is None else pl.select(pl.when(pl.Series(is_there)).then(instants)).to_series()
