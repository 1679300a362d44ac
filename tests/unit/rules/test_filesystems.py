"""Mount points from a listing of df in a log."""

import time

import pytest

from pytest_mlpstorage.rules.filesystems import mount_point, mount_points

HEADER = "Filesystem     1K-blocks  Used Available Use% Mounted on\n"


@pytest.mark.parametrize(
    ("log", "mounts"),
    [
        ("", set()),
        (HEADER, set()),
        (HEADER + "/dev/a 9 1 8 10% /\n", {"/"}),
        (HEADER.replace("\n", "\r\n") + "/dev/a 9 1 8 10% /data\r\n\r\n/dev/b 9 1 8 10% /late\r\n", {"/data"}),
        (HEADER + "/dev/a 9 1 8 10% /a\n \t\n/dev/b 9 1 8 10% /late\n", {"/a"}),
        ("before\n" + HEADER + "/dev/a 9 1 8 10% /a\n\nx\n" + HEADER + "/dev/b 9 1 8 - /b c\n", {"/a", "/b c"}),
        (HEADER.replace("1K-blocks", "Type 1K-blocks") + "/dev/a xfs 9 1 8 100% /a\n", {"/a"}),
        (HEADER + "/dev/a-name-of-its-own-line\n      9 1 8 10% /a/\n", {"/a"}),
        (" " + HEADER + "/dev/a 9 1 8 10% /a\n", set()),
        ("Filesystems Mounted on\n/dev/a 9 1 8 10% /a\n", set()),
        ("Filesystem Mounted on it\n/dev/a 9 1 8 10% /a\n", set()),
        (HEADER + "/dev/a 9 1 8 10 /a\n", set()),
        (HEADER + "/dev/a 9 1 8 10% a\n", set()),
    ],
)
def test_rows_after_a_header_until_a_blank_line_are_mount_points(log, mounts):
    assert mount_points(log.encode()) == mounts


def test_bytes_that_are_no_text_are_shown_and_not_refused():
    assert mount_points(HEADER.encode() + b"/dev/a 9 1 8 10% /d\xff\n") == {"/d\N{REPLACEMENT CHARACTER}"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data", "/data"), ("/data/", "/data"), ("/data/x/..", "/data"), ("/data/inner/x", "/data/inner"), ("/data2", "/"),
        ("/", "/"), ("data", None), ("s3://bucket", None),
    ],
)  # fmt: skip
def test_the_longest_mount_point_above_a_path_counts(path, expected):
    assert mount_point(path, frozenset({"/", "/data", "/data/inner"})) == expected


def test_a_path_may_lie_below_no_mount_point():
    assert mount_point("/data", frozenset({"/other"})) is None
    assert mount_point("/data", frozenset()) is None


@pytest.mark.parametrize("line", [b"Filesystem Mounted on\n", b"Filesystem Mounted on\n\n", b"Filesystem " + b" -" * 40 + b"\n"])
def test_a_log_of_nothing_but_headers_takes_no_time(line):
    begun = time.monotonic()
    assert mount_points(line * (2**21 // len(line))) == frozenset()
    assert time.monotonic() - begun < 5
