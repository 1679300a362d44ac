"""The pool of code images that a run writes: what an image holds, when it comes into the pool, and what is never overwritten."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.code_image import CodePool, write_pointer
from pytest_mlpstorage.results.provenance import CodeHash, image_name, parse_pointer
from pytest_mlpstorage.results.tree_hash import hashed_files, tree_hash

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"


@pytest.fixture
def code(tmp_path):
    """Two packages and a module, with what development leaves in them."""
    files = {
        "one/__init__.py": "1",
        "one/data/table.yaml": "a: 1",
        "one/__pycache__/a.pyc": "x",
        "one/tests/test_a.py": "x",
        "two/__init__.py": "2",
        "three.py": "3",
    }
    for name, content in files.items():
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_text(content)
    (tmp_path / "code/one/link.py").symlink_to("__init__.py")
    return [tmp_path / "code" / name for name in ("one", "two", "three.py")]


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def pool(results, code, **given):
    return CodePool(results, code, **{"version": "1.2", "git_sha": "a" * 40, **given})


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_image_holds_exactly_what_its_hash_is_made_of_and_its_record(results, code):
    image = pool(results, code).publish()
    assert names(image) == {".code-hash.json", "one/__init__.py", "one/data/table.yaml", "two/__init__.py", "three.py"}


def test_an_image_is_named_for_its_hash_and_its_record_states_it(results, code):
    made = pool(results, code)
    digest = made.stage()
    image = made.publish()
    assert image == results / "code-images" / image_name(digest)
    assert tree_hash(image).digest == digest
    record = CodeHash.from_json(json.loads((image / ".code-hash.json").read_text()))
    assert record.well_formed
    assert (record.digest, record.algorithm, record.mlpstorage_version, record.git_sha) == (digest, "md5-tree-v2", "1.2", "a" * 40)
    assert record.captured_at.endswith("Z")


def test_the_record_has_the_keys_of_a_published_one_in_its_order(results, code):
    mine = json.loads((pool(results, code, git_sha=None).publish() / ".code-hash.json").read_text())
    assert list(mine) == ["hash", "algorithm", "captured_at", "mlpstorage_version", "git_sha"]
    assert mine["git_sha"] is None
    for path in CORPORA.glob("v3.0/*/code-*/.code-hash.json"):
        assert list(mine) == list(json.loads(path.read_text()))


def test_a_pointer_is_written_as_published_ones_are(tmp_path):
    digest = "d8b126b5a33de216f8d98aa0dbe3a46c"
    content = write_pointer(tmp_path, digest).read_bytes()
    assert (len(content), parse_pointer(content.decode())) == (44, ("md5-tree-v2", digest))
    published = {path.read_bytes().strip() for path in CORPORA.glob("v3.0/closed/*/results/**/.mlps-code-image")}
    if not published:
        pytest.skip("the published round v3.0 is not beside this checkout")
    assert content in published


def test_the_pool_is_touched_only_when_a_leaf_is_about_to_stand(results, code):
    made = pool(results, code)
    made.stage()
    assert not (results / "code-images").exists()
    made.publish()
    assert (results / "code-images/.mlps-image-pool").is_file()
    assert [path.name for path in (results / ".mlps/code-images").iterdir()] == []


def test_the_same_code_is_one_image_however_often_it_runs(results, code):
    first = pool(results, code).publish()
    captured = (first / ".code-hash.json").read_text()
    assert pool(results, code, version="9").publish() == first
    assert (first / ".code-hash.json").read_text() == captured
    assert len(list((results / "code-images").glob("code-*"))) == 1


def test_changed_code_is_another_image_and_the_first_stays(results, code):
    first = pool(results, code).publish()
    (code[0] / "__init__.py").write_text("changed")
    second = pool(results, code).publish()
    assert first != second
    assert (first / "one/__init__.py").read_text() == "1"
    assert (second / "one/__init__.py").read_text() == "changed"


def test_code_is_copied_and_hashed_once_a_session(results, code, monkeypatch):
    made = pool(results, code)
    digest = made.stage()
    made.publish()
    monkeypatch.setattr("pytest_mlpstorage.results.code_image.tree_hash", lambda *_: pytest.fail("hashed again"))
    (code[0] / "__init__.py").write_text("changed while it runs")
    assert made.stage() == digest
    made.publish()


def test_a_pool_that_somebody_took_away_is_made_again(results, code):
    made = pool(results, code)
    made.publish()
    shutil.rmtree(results / "code-images")
    assert made.publish().is_dir()


def test_an_image_that_was_changed_is_not_overwritten_and_no_leaf_is_marked_with_it(results, code):
    image = pool(results, code).publish()
    (image / "one/__init__.py").write_text("tampered")
    with pytest.raises(FileSystemError, match="not what its name says"):
        pool(results, code).publish()
    assert (image / "one/__init__.py").read_text() == "tampered"


def test_an_image_of_another_hash_with_the_same_first_digits_is_not_overwritten(results, code):
    image = pool(results, code).publish()
    record = json.loads((image / ".code-hash.json").read_text())
    (image / ".code-hash.json").write_text(json.dumps({**record, "hash": record["hash"][:8] + "0" * 24}))
    with pytest.raises(FileSystemError, match="not what its name says"):
        pool(results, code).publish()


STAGE_AND_DIE = """
import os, pathlib, signal, sys
from pytest_mlpstorage.results.code_image import CodePool
CodePool(pathlib.Path(sys.argv[1]), [pathlib.Path(name) for name in sys.argv[2:]], version="1").stage()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_session_left_is_cleared_away(results, code):
    (results / ".mlps/code-images/part-0/one").mkdir(parents=True)  # as an older version left it
    assert subprocess.run([sys.executable, "-c", STAGE_AND_DIE, results, *code]).returncode == -9
    left = set((results / ".mlps/code-images").iterdir())
    elsewhere = results / ".mlps/code-images/1.1.0123abcd.another-host.example"
    elsewhere.mkdir()
    pool(results, code).stage()
    assert len(left) == 1
    assert not left & set((results / ".mlps/code-images").iterdir())
    assert elsewhere.is_dir(), "nobody here can tell whether its session lives"


@pytest.fixture
def shared_with_another_user(code):
    """A results directory that every user may write to, and code that every user may read; what is made is this user's, who then goes."""
    folder = Path(tempfile.mkdtemp(prefix="mlps-of-two-"))
    folder.chmod(0o777)
    copied = [Path(shutil.copytree(path, folder / "code" / path.name, symlinks=True)) for path in code if path.is_dir()]
    staged = folder / "results/.mlps/code-images"
    staged.mkdir(parents=True)
    for path in (folder / "results", folder / "results/.mlps", staged, folder / "code"):
        path.chmod(0o777)
    is_root = os.geteuid() == 0

    def begin(closed):
        """Close what the first user left, and be the other one; without root this user is shut out of it in another way."""
        closed.chmod(0o755 if is_root and closed != staged else 0o700 if is_root else 0o555 if closed != staged else 0)
        if is_root:
            pool(folder / "warm", copied).publish()  # what is imported on first use may lie where the other user cannot read
            os.seteuid(65534)
        return copied, folder / "results", staged

    yield begin, staged
    if is_root:
        os.seteuid(0)
    for path in (staged, *staged.glob("*")):
        path.chmod(0o777)
    shutil.rmtree(folder)


def test_what_another_user_left_and_nobody_else_can_remove_is_in_nobodys_way(shared_with_another_user):
    begin, staged = shared_with_another_user
    left = staged / f"999999999.1.0123abcd.{socket.gethostname()}"
    (left / "part").mkdir(parents=True)
    code, results, _ = begin(left)
    image = pool(results, code).publish()
    assert image.is_dir()
    assert (left / "part").is_dir()


def test_a_place_for_copies_that_another_user_has_closed_is_an_error_that_names_it(shared_with_another_user):
    begin, staged = shared_with_another_user
    code, results, _ = begin(staged)
    with pytest.raises(FileSystemError, match="cannot keep a copy of the code that runs") as raised:
        pool(results, code).stage()
    assert raised.value.code == "MLPS-E411"
    assert "Permission denied" in str(raised.value)


def test_two_sessions_without_a_lock_never_take_the_code_from_each_other(results, code):
    """On a filesystem without locks nothing keeps a second start away; both stage before either of them ends."""
    (results / "code-images").mkdir(parents=True)
    one, other = pool(results, code), pool(results, code)
    assert one.stage() == other.stage()
    waiting = names(results / ".mlps/code-images")
    assert one.publish() == other.publish() == results / "code-images" / image_name(one.stage())
    assert len(waiting) == 2 * len(names(one.publish()))
    assert names(results / ".mlps/code-images") == set()


def test_two_sessions_may_publish_at_the_same_moment(results, code, monkeypatch):
    one, other = pool(results, code), pool(results, code)
    one.stage()
    other.stage()
    moved = one._moved
    monkeypatch.setattr(one, "_moved", lambda: (other.publish(), moved())[1])  # the other comes between the look and the move
    assert one.publish() == other.publish()
    assert tree_hash(one.publish()).digest == one.stage()


def test_a_marker_that_was_lost_is_written_again(results, code):
    pool(results, code).publish()
    (results / "code-images/.mlps-image-pool").unlink()
    pool(results, code).publish()
    assert (results / "code-images/.mlps-image-pool").is_file()


def test_code_that_cannot_be_read_is_an_error_that_names_it(results, code, tmp_path):
    with pytest.raises(FileSystemError, match="cannot keep a copy of the code"):
        pool(results, [tmp_path / "gone"]).stage()


def test_a_full_disk_leaves_no_half_copy_and_the_next_start_works(results, code, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    made = pool(results, code)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(FileSystemError, match="free space"):
            made.stage()
    assert list((results / ".mlps/code-images").iterdir()) == []
    assert made.publish().is_dir()


def test_no_code_at_all_is_an_error(results, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileSystemError, match="cannot be hashed: there is none"):
        pool(results, [tmp_path / "empty"]).stage()


def test_the_files_of_a_hash_are_given_in_its_order(code):
    assert hashed_files(code[0]) == ["__init__.py", "data/table.yaml"]
    with pytest.raises(OSError, match="gone"):
        hashed_files(code[0] / "gone")


def test_capturing_the_package_itself_is_cheap(results):
    import time

    import pytest_mlpstorage

    begun = time.process_time()
    CodePool(results, [Path(pytest_mlpstorage.__file__).parent], version="0").publish()
    assert time.process_time() - begun < 1.0
    assert os.listdir(results / "code-images")  # noqa: PTH208 - names are wanted
