"""The facade: a store, a clock, and what a host does with them every day."""

from crmkit.crm.collection import Collection
from crmkit.crm.commands import Deals, Tickets
from crmkit.crm.facade import CRM, Clock, system_clock
from crmkit.crm.grouping import Segmentation
from crmkit.crm.happening import Event, Timeline
from crmkit.crm.importing import Imports
from crmkit.crm.measuring import Metrics
from crmkit.crm.running import RETRIES
from crmkit.crm.segmenting import Segments

__all__ = [
    "CRM",
    "RETRIES",
    "Clock",
    "Collection",
    "Deals",
    "Event",
    "Imports",
    "Metrics",
    "Segmentation",
    "Segments",
    "Tickets",
    "Timeline",
    "system_clock",
]
