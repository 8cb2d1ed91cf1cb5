"""The parts of `crmkit.testing.StoreContract`, one module for each capability."""
