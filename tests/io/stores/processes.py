"""Processes that share nothing with the test that starts them."""

import multiprocessing
from multiprocessing.context import ForkServerContext, SpawnContext

_SLOW_TO_IMPORT = ["crmkit.crm", "crmkit.io.stores.sql.sqlite", "crmkit.io.stores.sql.postgresql"]


def context() -> ForkServerContext | SpawnContext:
    """Return how to start processes: as copies of a clean one that has imported crmkit, where the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    servers = multiprocessing.get_context("forkserver")
    servers.set_forkserver_preload(_SLOW_TO_IMPORT)
    return servers
