"""Mailchimp, the e-mail platform: an audience out; opt-outs, opens, clicks and bounces back."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import md5
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from crmkit.errors import InvalidInput, NotFound, RemoteUnavailable
from crmkit.io.sync.http import Http, Refused
from crmkit.io.sync.mailchimp_reports import moment, reported
from crmkit.io.sync.messages import RemoteEvent
from crmkit.io.sync.plan import SyncConsent, SyncField, SyncPlan
from crmkit.io.sync.remote import Plain, RemotePage, RemoteRecord
from crmkit.model import Customer
from crmkit.model.consent import ConsentState
from crmkit.rules import EVERYTHING, Rule

_COUNT = 1000
_OVERLAP = 100
_SECOND = timedelta(seconds=1)
_PHASES = ("", "archived")

_STATES: Mapping[str, ConsentState] = {"subscribed": "granted", "unsubscribed": "withdrawn", "pending": "pending"}
_STATUSES: Mapping[ConsentState, str] = {"granted": "subscribed", "withdrawn": "unsubscribed", "pending": "pending"}
_REASONS = {
    "Member In Compliance State": "the person opted out there, or the address bounced; only they can come back, by a form of Mailchimp",
    "Forgotten Email Not Subscribed": "the address was deleted there for good; only the person can come back, by a form of Mailchimp",
    "Invalid Resource": "a field has a value that Mailchimp refuses, such as an address that looks made up or an empty required field",
}


def audience_plan(
    *, name: str = "mailchimp", purpose: str = "newsletter", fields: Iterable[SyncField] = (), where: Rule = EVERYTHING
) -> SyncPlan[Customer]:
    """Return the usual plan of an audience: customers who agreed go out, with their names; opt-outs go both ways.

    Contacts that are new there are not taken in but where a customer has their address. Who is deleted here, or has no valid address
    any more, leaves the audience.

    Args:
        name: what the audience is called in `external_ids`; a second audience needs another name.
        purpose: which consent is kept in step, on the channel "email".
        fields: more of what is kept in step, by the tags of merge fields: `SyncField("country", "COUNTRY", "out")`.
        where: which customers are sent.

    >>> [(each.path, each.remote) for each in audience_plan().fields]
    [('contact_points.email', 'email_address'), ('given_name', 'FNAME'), ('family_name', 'LNAME')]
    """
    usual = (
        SyncField("contact_points.email", "email_address", is_required=True),
        SyncField("given_name", "FNAME"),
        SyncField("family_name", "LNAME"),
    )
    return SyncPlan(
        name=name,
        cls=Customer,
        fields=(*usual, *fields),
        where=where,
        new="out",
        consent=SyncConsent("email", purpose),
        match="email",
    )


class Mailchimp:
    """An audience of Mailchimp, as a `Remote` for customers and a `MessageSource` for what became of its campaigns.

    A contact's fields are "email_address" and the tags of its merge fields. Contacts are told apart by their contact_id, which stays when
    the address changes. Archived contacts are deleted ones. An opt-in of somebody who had opted out becomes "pending" there, so that
    Mailchimp asks them.

    It speaks version 3.0 of the Marketing API; see https://mailchimp.com/developer/marketing/api/.

    >>> from random import random
    >>> from time import sleep
    >>> Mailchimp("0123456789abcdef-us19", "a1b2c3", sleep=sleep, jitter=random, clock=lambda: datetime.now(UTC))
    <Mailchimp us19.api.mailchimp.com>
    """

    def __init__(
        self,
        key: str,
        audience: str,
        *,
        sleep: Callable[[float], object],
        jitter: Callable[[], float],
        clock: Callable[[], datetime],
        url: str | None = None,
        is_permanent: bool = False,
        **options: Any,
    ) -> None:
        """Speak to one audience, which nothing is sent to yet.

        Args:
            key: of the API; its end names the server.
            audience: the id of the audience (list).
            sleep, jitter, clock: as for `Http`.
            url: of the server; without it the one that the key names.
            is_permanent: whether a deletion removes a contact for good, after which no program can add the address again. Without
                it contacts are archived, and Mailchimp keeps what it knows of them.
            options: timeout, retries, longest_wait and proxy, as for `Http`.

        Raises:
            InvalidInput: for a key that names no server where no `url` is given, and for a blank audience.
        """
        server = key.rpartition("-")[2] if "-" in key else ""
        if url is None and not server.isalnum():
            raise InvalidInput("the key names no server at its end, as '...-us19' does; copy it whole, or give url=")
        if not audience.strip():
            raise InvalidInput("audience= is blank; give the audience id, which its settings in Mailchimp show")
        self._http = Http(
            url or f"https://{server}.api.mailchimp.com/3.0",
            login=("crmkit", key),
            sleep=sleep,
            jitter=jitter,
            clock=clock,
            **options,
        )
        self._clock = clock
        self._audience = audience
        self._members = f"lists/{quote(audience, safe='')}/members"
        self._is_permanent = is_permanent

    def __repr__(self) -> str:
        """Say which server it is."""
        return f"<Mailchimp {self._http.host}>"

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the object itself, for `with`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connections back."""
        self.close()

    def changed(self, cursor: str | None) -> RemotePage:
        """See `Remote.changed`. Archived contacts are asked for apart, as Mailchimp tells of them apart.

        A page begins a second before the last one's end: contacts that change meanwhile move to the end of the list, so counting
        rows would leave some out.
        """
        place: dict[str, Any] = (
            json.loads(cursor) if cursor is not None else {"phase": 0, "since": [None, None], "offset": 0}
        )
        phase, since, offset = place["phase"], place["since"], place["offset"]
        wanted = {"status": _PHASES[phase], "since_last_changed": since[phase]}
        params = {name: value for name, value in wanted.items() if value}
        order = {"sort_field": "last_changed", "sort_dir": "ASC", "count": _COUNT, "offset": offset}
        members = self._http.request("GET", self._members, params={**params, **order}).get("members", [])
        records = tuple(self._record(each) for each in members)
        reached = max((each.changed_at for each in records if each.changed_at is not None), default=None)
        from_then = reached and (reached - _SECOND).isoformat(timespec="seconds")
        is_full = len(members) >= _COUNT
        if is_full and from_then == since[phase]:  # more in one second than one page holds
            offset += _COUNT - _OVERLAP
        else:
            since[phase], offset = from_then or since[phase], 0
        if not is_full:
            phase, offset = (phase + 1) % len(_PHASES), 0
        following = json.dumps({"phase": phase, "since": since, "offset": offset})
        return RemotePage(records, following, has_more=is_full or phase > 0)

    def read(self, remote_id: str) -> RemoteRecord | None:
        """See `Remote.read`."""
        try:
            return self._record(self._http.request("GET", self._member(remote_id)))
        except NotFound:
            return None

    def create(self, key: str, values: Mapping[str, Plain], consent: ConsentState | None) -> RemoteRecord:  # noqa: ARG002
        """See `Remote.create`. An audience has each address once, which tells a contact that is there already.

        Without a consent the contact gets no mailings: it is "transactional".
        """
        body = {**_body(values), "status": _STATUSES[consent] if consent is not None else "transactional"}
        try:
            return self._record(self._send("POST", self._members, body))
        except Refused as refused:
            if refused.title != "Member Exists":
                raise
        address = str(values.get("email_address", "")).lower()
        member = self._member(md5(address.encode(), usedforsecurity=False).hexdigest())
        known = self._record(self._http.request("GET", member))
        return self._record(self._send("PATCH", member, body)) if known.is_deleted else known

    def update(
        self,
        remote_id: str,
        values: Mapping[str, Plain],
        consent: ConsentState | None,
        version: str | None,  # noqa: ARG002 - Mailchimp cannot tell
    ) -> RemoteRecord:
        """See `Remote.update`."""
        body = _body(values)
        if consent is None:
            return self._record(self._send("PATCH", self._member(remote_id), body))
        try:
            return self._record(self._send("PATCH", self._member(remote_id), {**body, "status": _STATUSES[consent]}))
        except Refused as refused:
            if consent != "granted" or refused.title != "Member In Compliance State":
                raise
        return self._record(self._send("PATCH", self._member(remote_id), {**body, "status": "pending"}))

    def delete(self, remote_id: str) -> None:
        """See `Remote.delete`."""
        member = self._member(remote_id)
        try:
            if self._is_permanent:
                self._http.request("POST", f"{member}/actions/delete-permanent")
            else:
                self._http.request("DELETE", member)
        except NotFound:
            return
        except Refused as refused:
            if refused.status != 405:  # noqa: PLR2004 - archived already: the method is not allowed
                raise

    def events(self, since: datetime | None) -> Iterator[RemoteEvent]:
        """See `MessageSource.events`. Campaigns are followed for 90 days after they were sent.

        Mailchimp tells of no delivery, and tries for three days to deliver: what has not bounced by then was delivered when it was sent.
        """
        return reported(self._http, self._audience, since, self._clock())

    def _member(self, member_id: str) -> str:
        return f"{self._members}/{quote(member_id, safe='')}"

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send something that Mailchimp may refuse, and say why in our words: its own may name the person."""
        try:
            return self._http.request(method, path, json=body)
        except Refused as refused:
            reason = _REASONS.get(refused.title)
            if reason is None:
                raise
            raise Refused(f"Mailchimp does not accept it: {reason}", refused.status, refused.title) from None

    def _record(self, member: Mapping[str, Any]) -> RemoteRecord:
        """A contact as a record."""
        status = member.get("status")
        remote_id = member.get("contact_id") or member.get("id")
        if not remote_id or not status:
            raise RemoteUnavailable(f"{self._http.host} answers with contacts of a form that is not known")
        said = _STATES.get(status)
        changed_at = moment(member.get("last_changed"))
        return RemoteRecord(
            id=str(remote_id),
            values={
                "email_address": member.get("email_address") or None,
                **{tag: _plain(value) for tag, value in (member.get("merge_fields") or {}).items()},
            },
            changed_at=changed_at,
            is_deleted=status == "archived",
            consent=said,
            consent_at=moment(member.get("timestamp_opt")) if said == "granted" else changed_at if said else None,
        )


def _body(values: Mapping[str, Plain]) -> dict[str, Any]:
    """Fields as Mailchimp wants them: merge fields apart, and an empty text for an empty one."""
    merge_fields = {name: "" if value is None else value for name, value in values.items() if name != "email_address"}
    address = {"email_address": values["email_address"]} if "email_address" in values else {}
    return {**address, **({"merge_fields": merge_fields} if merge_fields else {})}


def _plain(value: Any) -> Plain:
    """A merge field as a plain value; None for an empty one, and for an address in parts."""
    return value if isinstance(value, str | int | float | bool) and value != "" else None
