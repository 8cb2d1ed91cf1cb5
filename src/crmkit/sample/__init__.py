"""The seeded sample company: a year of a plausible business, to try things on, to show and to test with."""

from crmkit.sample.company import Company, company

__all__ = ["Company", "company"]
