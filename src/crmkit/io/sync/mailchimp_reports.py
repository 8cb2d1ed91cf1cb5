"""What Mailchimp reports of its campaigns, as events of messages."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from crmkit.io.sync.http import Http
from crmkit.io.sync.messages import RemoteEvent
from crmkit.model.message import MessageEvent

_COUNT = 1000
_CAMPAIGN_LIFE = timedelta(days=90)
_BOUNCES_UNTIL = timedelta(days=3)
_DAY = timedelta(days=1)

_ACTIONS: Mapping[str, MessageEvent] = {"open": "opened", "click": "clicked", "bounce": "bounced"}
_Told = tuple[Mapping[str, Any], MessageEvent, datetime | None]


def reported(http: Http, audience: str, since: datetime | None, now: datetime) -> Iterator[RemoteEvent]:
    """Go through what happened to the campaigns of an audience since an instant; see `Mailchimp.events`."""
    params = {"status": "sent", "list_id": audience, "sort_field": "send_time", "sort_dir": "ASC"}
    if since is not None:
        params["since_send_time"] = (since - _CAMPAIGN_LIFE).isoformat()
    for campaign in _pages(http, "campaigns", "campaigns", params):
        settings = campaign.get("settings") or {}
        name = settings.get("title") or settings.get("subject_line") or campaign["id"]
        for row, event, at in _told(http, campaign, since, now):
            if at is not None and row.get("email_address"):
                yield RemoteEvent(
                    campaign_id=campaign["id"],
                    campaign=name,
                    address=row["email_address"],
                    event=event,
                    at=at,
                    is_lasting=row.get("type") == "hard",
                )


def _told(http: Http, campaign: Mapping[str, Any], since: datetime | None, now: datetime) -> Iterator[_Told]:
    """What each report of a campaign tells of whom, and when."""
    report, sent_at = f"reports/{quote(campaign['id'], safe='')}", moment(campaign.get("send_time"))
    if sent_at is not None and (since is None or sent_at >= since - _BOUNCES_UNTIL - _DAY):
        is_settled = now - sent_at >= _BOUNCES_UNTIL
        for row in _pages(http, f"{report}/sent-to", "sent_to"):
            yield row, "sent", sent_at
            if is_settled and row.get("status") == "sent":
                yield row, "delivered", sent_at
    later = {} if since is None else {"since": since.isoformat()}
    for row in _pages(http, f"{report}/email-activity", "emails", later):
        for act in row.get("activity", ()):
            if act.get("action") in _ACTIONS:
                yield {**row, "type": act.get("type")}, _ACTIONS[act["action"]], moment(act.get("timestamp"))
    for row in _pages(http, f"{report}/unsubscribed", "unsubscribes"):
        yield row, "unsubscribed", moment(row.get("timestamp"))
    for row in _pages(http, f"{report}/abuse-reports", "abuse_reports"):
        yield row, "complained", moment(row.get("date"))


def _pages(http: Http, path: str, items: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    offset, is_full = 0, True
    while is_full:
        found = http.request("GET", path, params={**(params or {}), "count": _COUNT, "offset": offset}).get(items, [])
        yield from found
        offset += _COUNT
        is_full = len(found) >= _COUNT


def moment(text: Any) -> datetime | None:
    """Return the instant that a text of Mailchimp means; None for an empty one, and for one without a time zone."""
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None
