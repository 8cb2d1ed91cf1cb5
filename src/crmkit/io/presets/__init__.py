"""Presets: what the columns of other systems' exports mean, for HubSpot, Salesforce, Pipedrive, Zoho, Google Contacts, Outlook,
Mailchimp, Jobber and vCards.

A file is recognised by its columns, whatever their order. One that only looks a little like an export is not: `recognise` then returns
None rather than guess.
"""

from crmkit.io.presets.exports import mapping_for, words_for
from crmkit.io.presets.preset import Preset
from crmkit.io.presets.recognition import PRESETS, by_name, recognise

__all__ = ["PRESETS", "Preset", "by_name", "mapping_for", "recognise", "words_for"]
