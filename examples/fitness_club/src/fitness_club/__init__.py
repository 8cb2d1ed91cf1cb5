"""A fitness club's CRM on crmkit: its records, the life of a member, its KPIs, its imports and the manager's page."""
