"""The records whose state a host changes every day, with the commands that change it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from crmkit.crm.collection import Collection, R
from crmkit.crm.segmenting import Segments
from crmkit.model import Deal, Record, Segment, Ticket
from crmkit.model import deal as deals
from crmkit.model import ticket as tickets

if TYPE_CHECKING:
    from crmkit.crm.facade import CRM


class Deals(Collection[Deal]):
    """The stored deals. Their stage changes by `advance`, `win`, `lose` and `reopen`, which keep the transition too."""

    _moves = ("advance", "win", "lose", "reopen")

    def add(self, record: Deal) -> Deal:
        """Keep a new deal with the category of its stage; raises `NotFound` or `InvalidInput` for its pipeline or stage."""
        self._check(record)
        with self._crm.transaction():
            return super().add(deals.placed(record, self._crm.pipelines.get(record.pipeline_id)))

    def advance(self, deal_id: str, stage: str, *, reason: str | None = None) -> Deal:
        """Move an open deal to another open stage; see `crmkit.model.deal.advance`."""
        return self._move(deal_id, partial(deals.advance, stage=stage, reason=reason))

    def win(self, deal_id: str, *, stage: str | None = None, reason: str | None = None) -> Deal:
        """Close a deal as won; see `crmkit.model.deal.win`."""
        return self._move(deal_id, partial(deals.win, stage=stage, reason=reason))

    def lose(self, deal_id: str, *, reason: str, stage: str | None = None) -> Deal:
        """Close a deal as lost for a reason; see `crmkit.model.deal.lose`."""
        return self._move(deal_id, partial(deals.lose, stage=stage, reason=reason))

    def reopen(self, deal_id: str, stage: str, *, reason: str | None = None) -> Deal:
        """Open a closed deal again; see `crmkit.model.deal.reopen`."""
        return self._move(deal_id, partial(deals.reopen, stage=stage, reason=reason))

    def _move(self, deal_id: str, move: Callable[..., deals.Moved]) -> Deal:
        with self._crm.transaction():
            by, at = self._crm.acting()
            deal = self.get(deal_id)
            return self._crm.keep(*move(deal, self._crm.pipelines.get(deal.pipeline_id), at=at, by=by))


class Tickets(Collection[Ticket]):
    """The stored tickets. Their status changes by `resolve` and `reopen`, which keep the transition too."""

    _moves = ("resolve", "reopen", "crm.keep of another move of the model")

    def resolve(self, ticket_id: str, *, status: str = "Resolved", reason: str | None = None) -> Ticket:
        """Resolve a ticket; see `crmkit.model.ticket.resolve`."""
        return self._move(ticket_id, partial(tickets.resolve, status=status, reason=reason))

    def reopen(self, ticket_id: str, *, status: str = "Open", reason: str | None = None) -> Ticket:
        """Open a resolved ticket again; see `crmkit.model.ticket.reopen`."""
        return self._move(ticket_id, partial(tickets.reopen, status=status, reason=reason))

    def _move(self, ticket_id: str, move: Callable[..., tickets.Moved]) -> Ticket:
        with self._crm.transaction():
            by, at = self._crm.acting()
            return self._crm.keep(*move(self.get(ticket_id), at=at, by=by))


def collection(crm: "CRM", cls: type[R]) -> Collection[R]:
    """Return the collection of a class, with the commands of the class that it extends."""
    kind: Any = next((kind for known, kind in _COLLECTIONS.items() if issubclass(cls, known)), Collection)
    made: Collection[R] = kind(crm, cls)
    return made


_COLLECTIONS: Mapping[type[Record], type[Any]] = {Deal: Deals, Segment: Segments, Ticket: Tickets}
