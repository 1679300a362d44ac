"""Trees that somebody made to hurt: judged in bounded time and memory, nothing read outside of them, and never an exception."""

import dataclasses
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import pytest
from whole_tree import write_package

from pytest_mlpstorage.report.records import encode
from pytest_mlpstorage.report.verdicts import verdict_object
from pytest_mlpstorage.results import files
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import edition_of, judge_tree, metrics_of

SECONDS = 60
MEMORY = 1_500 * 1024**2
"""Address space that judging may take; without what is hostile it takes a tenth."""


@dataclasses.dataclass(frozen=True)
class Said:
    """The verdict of each benchmark, all that was told, and the paths beside the tree that were opened."""

    verdicts: dict
    text: str
    outside: list


@pytest.fixture
def package(tmp_path):
    return write_package(tmp_path / "tree")


def judge(package, *, as_nobody=False):
    """Judge in a child that is bounded in time and memory, and whose every opening of a file or directory is looked at."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            answer = json.dumps(_said(package.root, as_nobody=as_nobody))
        except BaseException:  # noqa: BLE001 - it is told by the parent
            answer = json.dumps(traceback.format_exc())
        with os.fdopen(write, "w") as file:
            file.write(answer)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"judging ended by signal {status} (14: it took more than {SECONDS} s)"
    said = json.loads(answer)
    assert not isinstance(said, str), said
    return Said(**said)


def _said(root, *, as_nobody):
    signal.alarm(SECONDS)
    if as_nobody and os.geteuid() == 0:  # whom no permission stops
        _judged(root)  # what is imported late may not be readable for others
        os.setuid(65534)
    here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()  # what tests before this one have left
    resource.setrlimit(resource.RLIMIT_AS, (here + MEMORY, here + MEMORY))
    opened, folder = set(), os.path.realpath(root.parent)

    def hook(event, arguments):
        if event in ("open", "os.scandir", "os.listdir") and isinstance(arguments[0], (str, os.PathLike)):
            path = Path(os.fspath(arguments[0]))
            itself = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_NOFOLLOW
            opened.add(os.path.join(os.path.realpath(path.parent), path.name) if itself else os.path.realpath(path))  # noqa: PTH118

    sys.addaudithook(hook)
    said = _judged(root)
    beside = {path for path in opened if path.startswith(folder)}
    said["outside"] = sorted(path for path in beside if os.path.commonpath([path, os.path.realpath(root)]) != os.path.realpath(root))
    return said


def _judged(root):
    tree = read_tree(root)
    judged = judge_tree(tree)
    told, findings = {}, [*judged.package, *(f for judgement in judged.submissions.values() for f in judgement.findings)]
    for place in tree.result_places:
        result, judgement = tree.load(place), judged.results[place.relpath]
        metrics = metrics_of(result, edition_of(place))
        told[place.benchmark] = verdict_object(place, judgement, accelerator=result.accelerator, metrics=metrics)
        findings += judgement.findings
    text = [told, [finding.line() for finding in findings], tree.ignored, [problem.message for problem in tree.problems]]
    return {"verdicts": {name: one["verdict"] for name, one in told.items()}, "text": encode(text)}


def test_without_anything_hostile_everything_is_closed(package):
    said = judge(package)
    assert set(said.verdicts.values()) == {"CLOSED"}
    assert said.outside == []


# -- links -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def outside(package):
    """A complete leaf beside the tree, and a file with something that must not be told."""
    folder = package.root.parent / "outside"
    shutil.copytree(package.run, folder / "leaf")
    (folder / "secret.json").write_text('{"num_accelerators": "SECRET"}')
    return folder


@pytest.mark.parametrize("name", ["summary.json", "training_run.stdout.log", "provenance.json", ".mlps-code-image", "0_output.json"])
def test_a_file_that_is_a_link_out_of_the_tree_is_not_read(package, outside, name):
    path = package.leaves("training")[2] / name
    path.unlink()
    path.symlink_to(outside / "secret.json")
    said = judge(package)
    assert said.outside == []
    assert "SECRET" not in said.text
    # One rank's own figures are no evidence that a verdict waits for.
    assert said.verdicts["training"] in ("INVALID", "NOT VERIFIED") or name == "0_output.json"


@pytest.mark.parametrize("level", ["leaf", "run", "training", "fastfs", "results", "acme", "systems", "code-images"])
def test_a_directory_that_is_a_link_out_of_the_tree_is_not_entered(package, outside, level):
    places = {
        "leaf": package.leaves("training")[2],
        "run": package.leaves("training")[0].parent,
        "training": package.system / "training",
        "fastfs": package.system,
        "results": package.system.parent,
        "acme": package.submission,
        "systems": package.submission / "systems",
        "code-images": package.root / "code-images",
    }
    path = places[level]
    path.rename(outside / "moved")
    path.symlink_to(outside / "moved", target_is_directory=True)
    said = judge(package)
    assert said.outside == []
    assert said.verdicts.get("training") != "CLOSED" or level in ("systems", "code-images")
    assert level == "code-images" or "CLOSED" not in said.verdicts.values() or level in ("leaf", "run", "training")


def test_links_in_loops_end(package):
    leaf = package.leaves("training")[2]
    (leaf / "summary.json").unlink()
    (leaf / "summary.json").symlink_to("summary.json")
    (leaf / "loop").symlink_to("..", target_is_directory=True)
    (package.system / "training" / "up").symlink_to(package.root, target_is_directory=True)
    (package.submission / "a").symlink_to("b")
    (package.submission / "b").symlink_to("a")
    said = judge(package)
    assert said.verdicts["training"] == "INVALID"
    assert "levels of symbolic links" in said.text


def test_a_file_that_is_a_link_inside_the_tree_is_read(package):
    leaf = package.leaves("training")[2]
    (leaf / "summary.json").rename(leaf / "kept")
    (leaf / "summary.json").symlink_to("kept")
    assert judge(package).verdicts["training"] == "CLOSED"


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1_500, pytest.param(10_000, marks=pytest.mark.full)])
def test_thousands_of_levels_are_not_followed(package, levels):
    start = os.open(package.leaves("training")[2], os.O_RDONLY)
    at = os.dup(start)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    try:
        assert judge(package).verdicts["training"] == "CLOSED"
    finally:
        _take_away(start)


def _take_away(start):
    """Without recursion, which ends at a thousand levels: each level is moved up until there is none below it."""
    while True:
        inner = os.open("d", os.O_RDONLY, dir_fd=start)
        try:
            os.rename("d", "up", src_dir_fd=inner, dst_dir_fd=start)
        except FileNotFoundError:
            os.close(inner)
            os.rmdir("d", dir_fd=start)
            os.close(start)
            return
        os.close(inner)
        os.rmdir("d", dir_fd=start)
        os.rename("up", "d", src_dir_fd=start, dst_dir_fd=start)


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", b"a\nb", b"\x1b[2J\x07", b"<script>alert(1)<script>", b"x" * 255, b"-rf", b" ", "\u202e".encode()]
)
def test_a_name_may_be_anything_that_a_file_system_allows(package, name):
    for parent in (package.root / "closed", package.system.parent, package.system / "training", package.leaves("training")[0].parent):
        (parent / os.fsdecode(name)).mkdir()
        (parent / os.fsdecode(name) / os.fsdecode(name)).write_text("{}")
    (package.submission / "systems" / os.fsdecode(name)).write_text("a: b")
    said = judge(package)
    assert "INVALID" in said.verdicts.values()
    said.text.encode("utf-8")


def test_a_directory_of_very_many_names_is_cut_and_says_so(package, monkeypatch):
    monkeypatch.setattr(files, "MAX_NAMES", 1_000)
    for number in range(1_050):
        (package.submission / "systems" / f"{number:06}.md").touch()
        (package.leaves("training")[2] / f"{number:06}").touch()
    said = judge(package)
    assert said.verdicts["training"] in ("INVALID", "NOT VERIFIED")


# -- contents ----------------------------------------------------------------------------------------------------------

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))

YAML = {
    "bomb": BOMB,
    "many anchors": "a: &a {b: 1}\n" + "".join(f"c{n}: *a\n" for n in range(10_000)),
    "deep": "[" * 100_000,
    "deep mappings": "".join(f"{' ' * n}a:\n" for n in range(2_000)),
    "tag": "system_under_test: !!python/object/apply:os.system [ls]",
    "merge": "a: &a {<<: *a}\n",
    "huge integer": f"system_under_test: {{solution: {{usable_capacity_tib: {'9' * 5_000}}}}}",
    "hex integer": f"system_under_test: {{solution: {{usable_capacity_tib: 0x{'f' * 60_000}}}}}",
    "sexagesimal": f"system_under_test: {{solution: {{usable_capacity_tib: {'1:' * 5_000}1}}}}",
    "keys of any kind": "system_under_test: {? [1, 2] : 3, ? {a: b} : c, null: 1, 1.5: 2, true: 3}",
    "no mapping": "- 1\n- 2\n",
    "binary": "\x00\x01\x02",
    "list where a mapping is due": "system_under_test: [1, 2]\n",
    "text where a list is due": "system_under_test: {clients: all, product_nodes: 7, solution: x}\n",
    "empty": "",
    "two documents": "a: 1\n---\nb: 2\n",
}


@pytest.mark.parametrize("content", YAML.values(), ids=YAML)
@pytest.mark.parametrize("name", ["systems/fastfs.yaml", "submission.yaml"])
def test_a_hostile_yaml_file_is_a_finding_and_no_more(package, name, content):
    (package.submission / name).write_text(content)
    said = judge(package)
    assert "INVALID" in said.verdicts.values() or "NOT VERIFIED" in said.verdicts.values()


JSON = {
    "deep": "[" * 100_000,
    "deep objects": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "no number": '{"num_accelerators": NaN, "num_hosts": Infinity, "host_memory_GB": [-Infinity], "metric": {"train_au_percentage": [NaN]}}',
    "huge integer": f'{{"num_accelerators": {"9" * 4_000}, "num_hosts": {"9" * 4_000}, "num_files_train": {"9" * 4_000}}}',
    "more than Python reads": f'{{"num_accelerators": {"9" * 5_000}}}',
    "other kinds": json.dumps(
        {key: [{}] for key in ("num_accelerators", "num_hosts", "start", "end", "metric", "host_memory_GB", "epochs")}
    ),
    "null": json.dumps(dict.fromkeys(("num_accelerators", "num_hosts", "start", "end", "metric", "host_memory_GB", "epochs"))),
    "negative": '{"num_accelerators": -8, "num_hosts": 0, "num_files_train": -1, "host_memory_GB": [-256], "epochs": -5}',
    "lone surrogate": '{"start": "\\ud800", "hostname": "\\udfff"}',
    "UTF-16": "\ufeff{}".encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "no text": b"\xff\xfe\x00\x01",
    "a list": "[1, 2]",
    "keys that are numbers": json.dumps({str(n): {"block1": None} for n in (0, 1, 99999999, 999999999999)}),
    "long text": json.dumps({"start": "x" * 1_000_000, "accelerator": "\x1b[2J" * 1000}),
}


@pytest.mark.parametrize("content", JSON.values(), ids=JSON)
def test_a_hostile_json_file_is_a_finding_and_no_more(package, content):
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    for family in ("training", "checkpointing", "vector_database", "kv_cache"):
        leaf = package.leaves(family)[0]
        for path in sorted(leaf.rglob("*.json"))[:12]:
            path.write_bytes(raw)
    for path in (package.submission / "results" / "results.json", package.image / ".code-hash.json"):
        path.write_bytes(raw)
    said = judge(package)
    assert set(said.verdicts.values()) <= {"INVALID", "NOT VERIFIED"}


@pytest.mark.parametrize(
    "name",
    [
        "summary.json",
        "training_run.stdout.log",
        "dlio.log",
        "0_output.json",
        "dlio_config/config.yaml",
        "fs_separation.json",
        "provenance.json",
    ],
)
def test_a_file_of_two_gigabytes_takes_neither_time_nor_memory(package, name):
    path = package.leaves("training")[2] / name
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    judge(package)


def test_large_files_elsewhere_take_neither_time_nor_memory(package):
    for path in (
        package.submission / "submission.yaml",
        package.submission / "systems" / "fastfs.yaml",
        package.submission / "results" / "results.json",
        package.submission / "results" / "results.csv",
        package.root / "results.csv",
        package.run / ".mlps-code-image",
        package.image / ".code-hash.json",
    ):
        with path.open("wb") as file:
            file.truncate(2 * 1024**3)
    assert "INVALID" in judge(package).verdicts.values()


def test_a_pipe_and_a_directory_where_a_file_is_due_are_not_waited_for(package):
    leaf = package.leaves("training")[2]
    for name in ("summary.json", "training_run.stdout.log", "0_output.json"):
        (leaf / name).unlink()
        os.mkfifo(leaf / name)
    (leaf / "provenance.json").unlink()
    (leaf / "provenance.json").mkdir()
    said = judge(package)
    assert said.verdicts["training"] == "INVALID"
    assert "no regular file" in said.text


def test_what_may_not_be_read_is_said():
    # pytest's own folders are closed to others, and root may read everything.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        package = write_package(Path(name) / "tree")
        package.root.chmod(0o755)
        (package.leaves("training")[2] / "summary.json").chmod(0)
        closed = package.leaves("checkpointing")[0]
        closed.chmod(0)
        try:
            said = judge(package, as_nobody=True)
        finally:
            closed.chmod(0o755)
    assert said.verdicts["training"] == "INVALID"
    assert said.verdicts["checkpointing"] in ("INVALID", "NOT VERIFIED")
    assert "Permission denied" in said.text


def test_numbers_that_promise_more_than_there_is_cost_nothing(package):
    for leaf in package.leaves("training"):
        package.edit(leaf / "summary.json", lambda s: s.update(num_accelerators=10**18, num_hosts=10**18, epochs=10**18))
        package.edit_metadata(lambda m: m["parameters"]["dataset"].update(num_files_train=10**300, record_length_bytes=10**300), leaf)
    for leaf in package.leaves("checkpointing"):
        package.edit(leaf / "summary.json", lambda s: s.update(num_accelerators=10**18, num_hosts=10**18))
        package.edit_metadata(lambda m: m["args"].update(num_processes=10**18, num_checkpoints_write=10**18), leaf)
    for leaf in package.leaves("kv_cache"):
        package.edit(leaf / "summary.json", lambda s: s.update(total_ranks=10**18, trials_per_option=10**18, host_count=10**18))
    said = judge(package)
    assert {said.verdicts[name] for name in ("training", "checkpointing", "kv_cache")} == {"INVALID"}


def test_a_tree_of_empty_directories_is_judged(tmp_path):
    for family in ("training/unet3d", "checkpointing/llama3-8b", "vector_database/milvus/DISKANN", "kv_cache/llama3.1-8b"):
        (tmp_path / "tree" / "closed" / "acme" / "results" / "fastfs" / Path(family)).mkdir(parents=True)

    @dataclasses.dataclass
    class Tree:
        root: Path

    said = judge(Tree(tmp_path / "tree"))
    assert set(said.verdicts.values()) == {"INVALID"}
