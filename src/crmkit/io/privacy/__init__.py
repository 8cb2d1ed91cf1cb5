"""What is known about a person: given out, erased, and kept no longer than needed.

`export_person` collects it, `erase_person` takes it out of records, their history and notes while every count stays what it was,
`is_suppressed` tells an import that somebody was erased, and `apply_retention` erases or deletes by age.
"""

from crmkit.io.privacy.erasing import ERASED, Erasure, erase_person, erasures
from crmkit.io.privacy.exporting import PersonExport, export_person
from crmkit.io.privacy.holding import LEGAL_HOLD
from crmkit.io.privacy.retention import Retained, Retention, apply_retention
from crmkit.io.privacy.suppression import is_suppressed

__all__ = [
    "ERASED",
    "LEGAL_HOLD",
    "Erasure",
    "PersonExport",
    "Retained",
    "Retention",
    "apply_retention",
    "erase_person",
    "erasures",
    "export_person",
    "is_suppressed",
]
