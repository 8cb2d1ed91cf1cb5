"""Bringing files in: a plan of what will happen to each row, and then the plan carried out."""

from crmkit.io.importing.applying import Applied
from crmkit.io.importing.plan import ImportPlan
from crmkit.io.importing.planning import plan_import
from crmkit.io.importing.steps import Step
from crmkit.io.importing.suggesting import suggest_mapping

__all__ = ["Applied", "ImportPlan", "Step", "plan_import", "suggest_mapping"]
