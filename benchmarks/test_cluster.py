"""Hosts: whether each can do its part, looked at before anything runs."""

from __future__ import annotations


class TestCluster:
    """One item a host of the configuration; what needs a host that fails is skipped with that reason."""

    of_hosts = True

    def test_host(self, host, mlps):
        """Tell all that is wrong with a host: reached, versions, clock, directories, space, memory, open files."""
        mlps.host(host)
