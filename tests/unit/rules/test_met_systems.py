"""What rules on packages, submissions and system descriptions tell of what is met: the figures of the tree, and where nothing was asked."""

import pytest
from asking import ask
from package_tree import OTHER, PackageTree
from system_tree import CLIENT, SystemTree
from training_tree import TrainingTree


@pytest.fixture
def described(tmp_path):
    return SystemTree.write(tmp_path / "tree")


@pytest.fixture
def package(tmp_path):
    return lambda **written_as: PackageTree.write(tmp_path / "tree", **written_as)


def test_a_capacity_is_told_with_the_least_that_the_schema_wants(described):
    described.set("solution.usable_capacity_tib", 1.0625)
    assert ask(described.read(), "SYS-07").met == ("usable_capacity_tib 1.0625 TiB", "a number of at least 1 TiB")


def test_the_first_of_many_words_are_told_and_the_rest_are_counted(described):
    described.set("solution.architecture.storage_location", "remote_and_local")
    measured, required = ask(described.read(), "SYS-03").met
    assert measured == "storage_location remote_and_local, benchmark_API file, product_API file, … 2 more"
    assert required == "for each, one of the schema's words"


def test_truth_values_are_told_as_yaml_has_them_and_long_texts_are_cut(described):
    described.set("solution.capabilities.multi_host", "False")
    described.set("solution.friendly_description", "a long text " * 20)
    assert ask(described.read(), "SYS-05").met[0].startswith("multi_host false, simultaneous_write true")
    told = ask(described.read(), "SYS-02").met[0]
    assert told == "submission_name fastfs, friendly_description a long text a long text a long text a lo…"


def test_kinds_and_fields_are_counted(described):
    described.set("clients", [CLIENT, CLIENT])
    assert ask(described.read(), "SYS-09").met[0] == "deployment onprem; 2 kinds of client"
    assert ask(described.read(), "SYS-18").met[0] == "3 kinds of port, 15 fields"
    described.set("clients.0.networking.0.state", "down")
    assert ask(described.read(), "SYS-18").met[0] == "3 kinds of port, 13 fields"


def test_an_entry_that_is_wrong_is_not_counted_among_those_that_are_right(described):
    described.set("clients.0.networking.0.state", "UP")
    assert ask(described.read(), "SYS-18").met == ("", "")
    described.set("solution.availability", "soon")
    assert ask(described.read(), "SYS-08").met == ("", "")


def test_rack_units_are_told_beside_the_sum_of_what_has_them(described):
    described.set("product_nodes.0.quantity", 7)
    described.set("total_rack_units", 16)
    assert ask(described.read(), "SYS-12").met == ("16 rack units", "16 rack units, the sum of nodes and switches")
    measured, required = ask(described.read(), "SYS-10").met
    assert measured == "1 to 2 U; power described; 16 U in total"
    assert required == "rack units of each node, client and switch; power of each; total_rack_units"


@pytest.mark.parametrize(
    ("change", "rule_id", "told"),
    [
        (SystemTree.cloud, "SYS-10", ("deployment cloud", "asked of deployment onprem")),
        (SystemTree.cloud, "SYS-12", ("no total_rack_units", "asked where they are given")),
        (SystemTree.cloud, "SYS-13", ("no power described", "asked where it is")),
        (SystemTree.cloud, "SYS-20", ("no kind of switch", "asked where they are described")),
        (lambda _tree: None, "SYS-11", ("deployment onprem", "asked of deployment cloud")),
        (lambda _tree: None, "SYS-15", ("storage_location remote", "asked where storage is local")),
        (SystemTree.local, "SYS-14", ("storage_location local", "asked where storage is remote")),
        (SystemTree.local, "SYS-16", ("storage_location local", "asked where storage is remote")),
        (lambda tree: tree.text("[1"), "MLPS-DRAFT-1", ("no document", "asked of one that can be read")),
    ],
)
def test_a_rule_that_was_not_asked_says_so(change, rule_id, told, described):
    change(described)
    assert ask(described.read(), rule_id).met == told


def test_product_nodes_that_are_none_are_told_as_what_they_are(described):
    assert ask(described.read(), "SYS-16").met == ("1 kinds of product node", "at least 1, as storage is remote")
    described.set("product_nodes", [5])
    assert ask(described.read(), "SYS-16").met[0] == "product_nodes a list of 1 values"


def test_the_time_of_a_remap_is_told_with_what_decides_its_limit(described):
    assert ask(described.read(), "SYS-06").met == ("0 s", "0 s, as hosts can write and read at once")
    described.set("solution.capabilities.simultaneous_write", False)
    described.set("solution.capabilities.remap_time_in_seconds", 45)
    assert ask(described.read(), "SYS-06").met == ("45 s", "more than 0 s, as hosts cannot write and read at once")


def test_a_package_tells_its_directories_and_its_images(package):
    tree = package()
    (tree.root / "open").mkdir()
    assert ask(tree.read(), "2.1.2").met[0] == "closed, code-images, open"
    assert ask(tree.read(), "CHECK-01").met[0] == "12 leaves naming 1 images"
    (tree.run / ".mlps-code-image").write_text(f"md5-tree-v2:{OTHER}")
    assert ask(tree.read(), "CHECK-01").met[0] == "11 leaves naming 1 images"
    assert "2 files of the recorded hash" in ask(tree.read(), "CHECK-02").met[0]
    (tree.image / "more.py").write_text("x")
    assert "recorded hash" not in ask(tree.read(), "CHECK-02").met[0]


def test_leaves_of_experiments_alone_are_not_asked_for_their_image(package):
    tree = package()
    (tree.root / "closed").rename(tree.root / "whatif")
    assert ask(tree.read(), "CHECK-01").met == ("no leaf in closed or open", "asked of each")


def test_a_submission_tells_its_systems_and_their_benchmarks(package):
    tree = package(subject="submission")
    (tree.system / "training").rename(tree.root / "training")
    assert ask(tree.read(), "2.1.10").met[0] == "checkpointing, kv_cache, vector_database"
    assert ask(tree.read(), "2.1.8").met[0] == "fastfs; 1 descriptions; submission_name fastfs"
    (tree.submission / "systems" / "notes.md").write_text("x")
    assert ask(tree.read(), "2.1.7").met[0] == "3 files; 1 descriptions with a PDF"


def test_the_memory_of_several_runs_is_told_as_a_range(package):
    tree = package(subject="training")
    for number, leaf in enumerate(tree.leaves("training")):
        tree.edit(leaf / "summary.json", lambda s, number=number: s.update(host_memory_GB=[250 + number]))
    measured, required = ask(tree.read(), "2.1.9").met
    assert measured == f"1 hosts; multi_host true; 250 to {249 + len(tree.leaves('training'))} GiB"
    assert required == "1 clients in the description; multi_host true where a run uses more than 1 host; 256 GiB ± 10% a host"


def test_a_run_that_does_not_say_its_hosts_is_told_as_not_compared(package):
    tree = package(subject="training")
    tree.edit_summary(num_hosts=None)
    assert ask(tree.read(), "2.1.9").met == ("num_hosts not recorded", "hosts compared where a run records them")


def test_mount_points_of_data_and_results_are_told_and_object_storage_is_not_asked(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree")
    for run in tree.runs:
        (run / "fs_separation.json").unlink()
        rows = "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/a 9 1 8 10% /\n/dev/b 9 1 8 10% /data\n"
        (run / "training_run.stdout.log").write_text(rows)
    assert ask(tree.read(), "3.4.2").met == ("data on /data, results on / (df)", "data and results on two filesystems")
    tree.describe(benchmark_API="object")
    assert ask(tree.read(), "3.4.2").met == ("object storage", "asked where data lie on a filesystem")
