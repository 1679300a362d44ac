"""Addresses as they are told: what is hidden, and what is not."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb import pgvector_connection
from pytest_mlpstorage.vectordb.address import address_shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:w/rd@host/db", "postgresql://me:***@host/db"),
        ("http://root:w?rd@host:19530", "http://root:***@host:19530"),
        ("http://root:w/@rd@host:19530", "http://root:***@host:19530"),
        ("postgresql://me:word@host/db?application_name=a@b", "postgresql://me:***@host/db?application_name=a@b"),
        ("postgresql://host:5432/db?application_name=a@b", "postgresql://host:5432/db?application_name=a@b"),
        ("postgresql://host:5432,other:5432/db?application_name=a@b", "postgresql://host:5432,other:5432/db?application_name=a@b"),
        ("postgresql://me:12345@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:12,ab@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:12/ab@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:12?ab@host/db", "postgresql://me:***@host/db"),
        (r"host=x password='a\'b word' user=me", "host=x password=*** user=me"),
        (r"host=x password=a\ word user=me", "host=x password=*** user=me"),
        ("host=x password=a&word user=me", "host=x password=*** user=me"),
        ("postgresql://host/db?password=a&b=c", "postgresql://host/db?password=***&b=c"),
        ("host=x password = word user=me", "host=x password = *** user=me"),
        ("host=x password='a word", "host=x password=***"),
        ("postgresql://host:5432,other:5432", "postgresql://host:5432,other:5432"),
        ("postgresql://host:5432?user=a", "postgresql://host:5432?user=a"),
    ],
)
def test_a_password_that_nobody_may_write_so_is_hidden_and_a_port_is_not(address, shown):
    assert address_shown(address) == shown


class Unreadable:
    """A client that finds an address wrong, and says where."""

    Error, ProgrammingError = OSError, ValueError

    def connect(self, _address, **_named):
        raise ValueError("invalid port number: word")


@pytest.mark.parametrize(("address", "told"), [("postgresql://me:word/@host/db", False), ("postgresql://host:word/db", True)])
def test_what_a_client_says_of_an_address_is_told_unless_it_may_hold_a_password(monkeypatch, address, told):
    monkeypatch.setattr(pgvector_connection, "_client", lambda: (Unreadable(), None))
    with pytest.raises(ConfigurationError) as caught:
        pgvector_connection.Connection(address)
    assert ("word" in str(caught.value)) is told
