"""Whether reads are cold: page-cache residency of files, dropping them from memory, and what the storage then delivers.

Only ``hosts`` knows MPI, and takes the communicator from its caller; the rest is of one host.
"""

from pytest_mlpstorage.page_cache.cold import make_cold
from pytest_mlpstorage.page_cache.counters import HostIoCounters, read_since, start_counters
from pytest_mlpstorage.page_cache.hosts import counters_of_hosts, leads_host, on_each_host
from pytest_mlpstorage.results.page_cache import HostIoSince, HostPageCache, PageCacheRecord, write_page_cache

__all__ = [
    "HostIoCounters",
    "HostIoSince",
    "HostPageCache",
    "PageCacheRecord",
    "counters_of_hosts",
    "leads_host",
    "make_cold",
    "on_each_host",
    "read_since",
    "start_counters",
    "write_page_cache",
]
