"""Whether directories can be used on a host: tried with files that are gone afterwards."""

from __future__ import annotations

import os
import threading

import pytest

from pytest_mlpstorage.cluster import host_probe
from pytest_mlpstorage.cluster.host_probe import HostProbe, left_token, probe_host, probe_of_team

ROOT = os.geteuid() == 0


def files(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_directory_that_is_there_is_written_and_left_as_it_was(tmp_path):
    found = probe_host([tmp_path]).path(tmp_path)
    assert (found.there, found.problem, found.exists, found.as_pytest, found.as_first) == (str(tmp_path), "", True, None, None)
    assert files(tmp_path) == []


def test_one_that_is_not_there_is_tried_in_the_nearest_above_it(tmp_path):
    found = probe_host([tmp_path / "a" / "b"]).path(tmp_path / "a" / "b")
    assert (found.there, found.problem, found.exists) == (str(tmp_path), "", False)
    assert files(tmp_path) == []


def test_a_file_in_its_place_and_a_link_to_nowhere_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    probe = probe_host([tmp_path / "file" / "data", tmp_path / "link"])
    assert probe.path(tmp_path / "file" / "data").problem == f"{tmp_path}/file is no directory"
    assert probe.path(tmp_path / "link").problem == f"{tmp_path}/link cannot be written: No such file or directory"


@pytest.mark.parametrize("write", [True, False], ids=["tried", "looked at"])
@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_one_that_may_not_be_written_is_told(tmp_path, write):
    tmp_path.chmod(0o500)
    assert "cannot be written" in probe_host([tmp_path], write=write).path(tmp_path).problem


def test_what_only_a_try_shows_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(host_probe.os, "open", lambda *_: (_ for _ in ()).throw(OSError(122, "Disk quota exceeded")))
    assert probe_host([tmp_path]).path(tmp_path).problem == f"{tmp_path} cannot be written: Disk quota exceeded"
    assert probe_host([tmp_path], write=False).path(tmp_path).problem == ""


def test_looking_makes_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(host_probe.os, "open", lambda *_: pytest.fail("a file was made"))
    probe = probe_host([tmp_path], write=False)
    assert (probe.path(tmp_path).problem, probe.temporary, probe.shared_memory) == ("", "", "")


def test_a_token_shows_which_directory_is_the_same(tmp_path):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    with left_token([here / "data", here]) as token:
        assert len(files(here)) == 1
        probe = probe_host([here / "data", elsewhere], of_pytest=token, of_first=token)
    assert [(path.as_pytest, path.as_first) for path in probe.paths] == [(True, True), (False, False)]
    assert files(tmp_path) == ["elsewhere", "here"]


def test_a_token_goes_with_whatever_ends_the_block_and_none_is_left_where_nobody_may_write(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyboardInterrupt), left_token([tmp_path, tmp_path / "file"]):
        raise KeyboardInterrupt
    assert files(tmp_path) == ["file"]


def test_no_place_for_temporary_files_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(
        host_probe.tempfile, "gettempdir", lambda: (_ for _ in ()).throw(FileNotFoundError(2, "No usable temporary directory"))
    )
    assert probe_host([]).temporary == "No usable temporary directory"
    monkeypatch.setattr(host_probe, "_SHARED_MEMORY", tmp_path / "none")
    assert probe_host([]).shared_memory == f"{tmp_path}/none cannot be written: No such file or directory"


def test_the_record_survives_json(tmp_path):
    probe = probe_host([tmp_path, tmp_path / "a"], of_pytest="token")
    assert HostProbe.from_json(probe.to_json()) == probe
    with pytest.raises(KeyError):
        probe.path("/elsewhere")


class Team:
    """A communicator of threads."""

    def __init__(self, rank, gate, box):
        self.rank, self._gate, self._box = rank, gate, box

    def bcast(self, value):
        if self.rank == 0:
            self._box.append(value)
        self._gate.wait(10)
        return self._box[0]

    def barrier(self):
        self._gate.wait(10)


def told_by_two(paths, *, write):
    """What each of two ranks says."""
    gate, box, found = threading.Barrier(2), [], {}
    ranks = [
        threading.Thread(target=lambda n=n: found.update({n: probe_of_team(Team(n, gate, box), paths, of_pytest="", write=write)}))
        for n in range(2)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(20)
    return [found[n] for n in range(2)]


@pytest.mark.parametrize("write", [True, False])
def test_the_first_of_a_team_leaves_a_token_for_the_others(tmp_path, write):
    found = told_by_two([str(tmp_path)], write=write)
    assert [probe.path(tmp_path).as_first for probe in found] == ([True, True] if write else [None, None])
    assert files(tmp_path) == []


def test_where_the_first_could_leave_none_the_others_do_not_know(tmp_path, monkeypatch):
    full, fine = tmp_path / "full", tmp_path / "fine"
    full.mkdir()
    fine.mkdir()
    opened = os.open

    def no_room(path, *flags):
        return (_ for _ in ()).throw(OSError(28, "No space left on device")) if str(full) in str(path) else opened(path, *flags)

    monkeypatch.setattr(host_probe.os, "open", no_room)
    found = told_by_two([str(full), str(fine)], write=True)
    assert [[path.as_first for path in probe.paths] for probe in found] == [[None, True], [None, True]]
