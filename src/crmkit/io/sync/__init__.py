"""Keeping records in step with another system, in both directions.

`synchronise` brings a store and a `Remote` in step as a `SyncPlan` says, and `receive_messages` brings back what became of mailings.
`Mailchimp` is a remote for that e-mail platform, and `Http` what a remote of one's own may stand on; both need the extra `sync`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crmkit.errors import MissingExtra
from crmkit.io.sync.memory import MemoryRemote
from crmkit.io.sync.messages import MessageReport, MessageSource, RemoteEvent, receive_messages
from crmkit.io.sync.plan import SyncConsent, SyncField, SyncPlan
from crmkit.io.sync.remote import Remote, RemotePage, RemoteRecord
from crmkit.io.sync.report import SyncFault, SyncReport
from crmkit.io.sync.synchronising import synchronise

if TYPE_CHECKING:
    from crmkit.io.sync.http import Http
    from crmkit.io.sync.mailchimp import Mailchimp

__all__ = [
    "Http",
    "Mailchimp",
    "MemoryRemote",
    "MessageReport",
    "MessageSource",
    "Remote",
    "RemoteEvent",
    "RemotePage",
    "RemoteRecord",
    "SyncConsent",
    "SyncFault",
    "SyncField",
    "SyncPlan",
    "SyncReport",
    "receive_messages",
    "synchronise",
]

_MODULES = {"Http": "http", "Mailchimp": "mailchimp"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'crmkit.io.sync' has no attribute {name!r}; it has {', '.join(__all__)}")
    try:
        return getattr(import_module(f"crmkit.io.sync.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        raise MissingExtra(f"{name} needs {error.name}; install it with: pip install 'crmkit[sync]'") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
