"""What ssh says is told with the hosts that it says it of."""

from __future__ import annotations

import socket
import time

import pytest

from pytest_mlpstorage.launch import connection
from pytest_mlpstorage.launch.connection import connection_fault, with_names

BANNER = ["Connection timed out during banner exchange", "Connection to 10.77.0.2 port 22 timed out"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["ssh: connect to host h2 port 22: Connection refused"], "ssh cannot reach h2: the host refuses the connection"),
        (["ssh: connect to host h2 port 2222: Connection timed out"], "ssh cannot reach h2: the host does not answer"),
        (["ssh: connect to host h2 port 22: No route to host"], "ssh cannot reach h2: there is no way to the host"),
        (["ssh: connect to host h2 port 22: Network is unreachable"], "ssh cannot reach h2: there is no way to the host"),
        (["ssh: Could not resolve hostname h2: Name or service not known"], "ssh cannot reach h2: the name cannot be resolved"),
        (["root@h2: Permission denied (publickey,password)."], "ssh cannot reach h2: the login is refused"),
        (["Host key verification failed."], "ssh cannot reach a host: the key of the host is not known"),
        (["No ED25519 host key is known for h2 and you have requested strict checking.", "Host key verification failed."],
         "ssh cannot reach h2: the key of the host is not known"),
        (["Connection closed by 10.77.0.2 port 22"], "ssh cannot reach 10.77.0.2: the host closes the connection"),
        (["Timeout, server h2 not responding."], "ssh cannot reach h2: the host does not answer"),
        (BANNER[:1], "ssh cannot reach a host: the host does not answer"),
        (BANNER, "ssh cannot reach 10.77.0.2: the host does not answer"),
        (["psycopg.OperationalError: connection to server at 10.0.0.1, port 5432 failed: Connection refused"], ""),
        (["all is well"], ""),
        ([], ""),
    ],
)  # fmt: skip
def test_a_line_of_ssh_is_told_with_its_host(lines, said):
    assert connection_fault(lines) == said


def test_every_host_is_named_once_and_each_kind_by_itself():
    refused = [f"ssh: connect to host h{n} port 22: Connection refused" for n in (3, 2, 3)]
    other = ["ssh: Could not resolve hostname h9: Name or service not known"]
    assert connection_fault([*refused, *other]) == (
        "ssh cannot reach h3, h2: the host refuses the connection; ssh cannot reach h9: the name cannot be resolved"
    )


@pytest.fixture
def name_service(monkeypatch):
    known = {"h2": ["10.77.0.2", "fd00::2"], "h22": ["10.77.0.22"], "10.77.0.3": ["10.77.0.3"]}

    def asked(host, *_, **__):
        if host not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return [(None, None, None, "", (address, 0)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    return known


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ssh cannot reach 10.77.0.2: no answer", "ssh cannot reach h2 (10.77.0.2): no answer"),
        ("ssh cannot reach 10.77.0.22, 10.77.0.2: no answer", "ssh cannot reach h22 (10.77.0.22), h2 (10.77.0.2): no answer"),
        ("ssh cannot reach fd00::2: no answer", "ssh cannot reach h2 (fd00::2): no answer"),
        ("ssh cannot reach 10.77.0.3: no answer", "ssh cannot reach 10.77.0.3: no answer"),
        ("ssh cannot reach 10.77.0.9: no answer", "ssh cannot reach 10.77.0.9: no answer"),
        ("ssh cannot reach h9 by Open MPI 5.0.11 of 12:30", "ssh cannot reach h9 by Open MPI 5.0.11 of 12:30"),
        ("rank 1 on 10.77.0.2 ended with exit code 3", "rank 1 on 10.77.0.2 ended with exit code 3"),
    ],
)
def test_an_address_is_told_with_the_name_by_which_the_user_knows_the_host(name_service, text, named):
    assert with_names(text, ["gone", "h2", "h22", "10.77.0.3"]) == named


def test_the_name_service_is_not_asked_where_there_is_no_address(name_service, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert with_names("ssh cannot reach h2: no answer", ["h2"]) == "ssh cannot reach h2: no answer"


def test_no_more_is_asked_once_every_address_has_its_name(name_service, monkeypatch):
    asked, service = [], socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: asked.append(host) or service(host, *rest, **named))
    assert with_names("ssh cannot reach 10.77.0.2: no answer", ["h2", "h22", "gone"]) == "ssh cannot reach h2 (10.77.0.2): no answer"
    assert asked == ["h2"]


def test_a_name_service_that_hangs_does_not_hold_up_the_end_of_a_job_on_many_hosts(monkeypatch):
    """As where the network is down, which is why ssh has failed."""

    def hangs(*_, **__):
        time.sleep(0.2)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    monkeypatch.setattr(connection, "_NAMES_SECONDS", 0.5, raising=False)
    begun = time.monotonic()
    text = "ssh cannot reach 10.77.0.2: no answer"
    assert with_names(text, [f"h{number}" for number in range(256)]) == text
    assert time.monotonic() - begun < 2.0
