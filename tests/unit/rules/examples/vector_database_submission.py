"""Trees for the rules on where a vector database kept its vectors and what may be submitted: the valid tree, changed in one place."""

from vector_database_tree import VectorDatabaseTree

from pytest_mlpstorage.results.records import VectorDatabaseResult

SUBJECT = VectorDatabaseResult
write = VectorDatabaseTree.write

DF = "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/a 1 1 1 1% {}\n/dev/b 1 1 1 1% {}\n\n"


def valid(tree):
    """Leave the tree as it is."""


def _object(tree, **values):
    """Say that the database lay on object storage."""
    path = tree.submission / "systems" / "fastfs.yaml"
    path.write_text(path.read_text().replace('"file"', '"object"'))
    if values:
        tree.edit("summary.json", lambda s: s["database"].update(values))


def _database(tree, name, run=None):
    tree.edit("summary.json", lambda s: s["database"].update(database=name), run=run)


def _index(tree, name):
    tree.edit("summary.json", lambda s: s.update(index_type=name))


def _logs(tree, name, *mounts):
    """Leave a listing of filesystems in a log in the place of the probe's record."""
    for run in tree.runs:
        (run / "fs_separation.json").unlink()
        (run / name).write_text(DF.format(*mounts))


def _alone(tree, **config):
    """Let every run be one of the official tool on one node: no summary, the same figures in other files."""
    other = write(tree.root.parent / "alone", form="single-node")
    for run in tree.runs:
        (run / "summary.json").unlink()
        for name in ("statistics.json", "config.json"):
            (run / name).write_bytes((other.runs[0] / name).read_bytes())
    tree.edit("config.json", lambda c: c.update(config))


def _only_nested(tree):
    """Keep the summary of the first run only where the part of one node may have one."""
    (tree.runs[0] / "vectordb").mkdir()
    (tree.runs[0] / "summary.json").rename(tree.runs[0] / "vectordb" / "summary.json")


PASSING = {
    "5.4.1": [
        valid,
        lambda t: t.args(storage_root=None, data_dir="/data"),
        lambda t: t.args(storage_root="", vdb_data_path="/data"),
        lambda t: (_object(t), t.args(storage_root=None)),
    ],
    "5.4.2": [
        valid,
        lambda t: _logs(t, "vdb_run.stdout.log", "/data", "/results"),
        lambda t: _logs(t, "vector_database_run.stdout.log", "/data", "/results"),
        lambda t: (_object(t), t.remove("fs_separation.json")),
    ],
    "5.5.1": [
        valid,
        lambda t: t.edit("summary.json", lambda s: s["database"].pop("storage_backend")),
        _object,
        lambda t: _object(t, storage_backend="MinIO"),
        lambda t: _object(t, storage_backend="s3-express"),
        lambda t: _object(t, storage_backend="S3-Compatible"),
    ],
    "5.6.2": [valid, _alone],
    "5.6.3": [valid, _alone],
    "5.6.4": [
        valid,
        lambda t: t.override(index__M=32, run__mode="timed", dataset__batch_size="1000", search__search_ef=100),
        lambda t: t.override(storage__storage_root="/x", storage__storage_type="local_fs", database__database="milvus"),
        lambda t: t.edit_load_metadata(lambda m: m["override_parameters"].update({"dataset.num_shards": 4})),
        lambda t: (t.load / f"vector_database_{t.load.name}_metadata.json").unlink(),
    ],
    "5.6.5": [
        valid,
        lambda t: t.override(database__host="db1", database__port=19530, index__M=32),
        lambda t: _index(t, "IVF_FLAT"),
        lambda t: _index(t, "FLAT"),
    ],
    "MLPS-ENGINE-1": [valid, _alone, lambda t: t.edit("summary.json", lambda s: s.pop("database"))],
    "MLPS-FILES-1": [
        valid,
        lambda t: t.text("summary.json", "PRUNED BY STAFF\n", run=2),
        lambda t: t.remove("result_verdict.json"),
        lambda t: t.remove("recall_stats.json"),
        lambda t: t.edit_metadata(lambda m: m.update(num_processes="many")),
        lambda t: t.summary(num_hosts="many"),
    ],
}

FAILING = {
    "5.4.1": [
        (lambda t: t.args(run=1, storage_root=None), "gave no directory of the database"),
        (lambda t: t.args(run=1, storage_root=7), "gave no directory of the database"),
        (lambda t: t.args(results_dir=None), "gave no results_dir"),
        (lambda t: t.args(results_dir="/data/vectors/"), "in one directory"),
        (lambda t: t.args(data_dir="/results", storage_root=None, results_dir="/results"), "in one directory"),
    ],
    "5.4.2": [
        (lambda t: t.remove("fs_separation.json"), "nothing shows"),
        (lambda t: t.edit("fs_separation.json", lambda f: f.update(same_filesystem=True), run=4), "one filesystem"),
        (lambda t: _logs(t, "vdb_run.stdout.log", "/", "/boot"), "one filesystem"),
        (lambda t: _logs(t, "vector_database_run.stdout.log", "/", "/boot"), "one filesystem"),
    ],
    "5.5.1": [
        (lambda t: _object(t, storage_backend="local"), "measured local"),
        (lambda t: _object(t, storage_backend="s3express"), "measured s3express"),
        (
            lambda t: (_object(t), t.edit("summary.json", lambda s: s["database"].pop("storage_backend"), run=4)),
            "no kind of object storage",
        ),
        (lambda t: (_object(t), _alone(t)), "no kind of object storage"),
    ],
    "5.6.2": [
        (lambda t: _database(t, "pgvector", run=4), "measured pgvector; required milvus"),
        (lambda t: _database(t, "Milvus"), "measured Milvus"),
        (lambda t: _database(t, ["milvus"]), "a list of 1 values"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("database")), "does not name its database"),
        (lambda t: (_alone(t), t.args(vdb_engine="zvec")), "measured zvec"),
        (lambda t: _database(t, "zvec"), "would be OPEN"),
    ],
    "5.6.3": [
        (lambda t: t.result_dir.rename(t.result_dir.with_name("IVF_FLAT")), "measured IVF_FLAT; required DISKANN or HNSW or AISAQ"),
        (lambda t: t.result_dir.rename(t.result_dir.with_name("diskann")), "measured diskann"),
        (lambda t: t.result_dir.rename(t.result_dir.with_name("HNSW")), "measured DISKANN; required HNSW"),
        (lambda t: _index(t, "diskann"), "another index"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("index_type"), run=2), "does not name the index"),
        (lambda t: _alone(t, index_type="HNSW"), "measured HNSW"),
    ],
    "5.6.4": [
        (lambda t: t.override(database__host="db1"), "would be OPEN"),
        (lambda t: t.override(run=4, run__runtime=10), "run.runtime is in no list"),
        (lambda t: t.override(index__nlist="128"), "measured 128"),
        (lambda t: t.edit_load_metadata(lambda m: m["override_parameters"].update(hnsw=1)), "hnsw is in no list"),
    ],
    "5.6.5": [
        (lambda t: t.override(index__nlist=128), "is in no list of parameters that a submission may set, open or closed"),
        (lambda t: _database(t, "pgvector"), "the list of parameters is not applied"),
        (lambda t: _database(t, "zvec", run=3), "one that the rules do not name"),
        (lambda t: _database(t, None), "does not name its database"),
        (lambda t: _index(t, "SCANN"), "none that the rules name for milvus"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("index_type")), "does not name the index"),
    ],
    "MLPS-ENGINE-1": [
        (lambda t: _database(t, "zvec", run=4), "measured zvec; required milvus"),
        (lambda t: t.edit_load(lambda s: s["database"].update(database="pgvector")), "measured pgvector"),
    ],
    "MLPS-FILES-1": [
        (lambda t: t.remove("summary.json", run=3), "a run lacks a file; required *summary.json"),
        (lambda t: (t.load / "summary.json").unlink(), "a data generation lacks a file"),
        (_alone, "as the official tool does on one node"),
        (_only_nested, "a run lacks a file; required *summary.json"),
        (lambda t: t.text("summary.json", "{"), "a file is no JSON"),
        (lambda t: t.text(f"vector_database_{t.runs[0].name}_metadata.json", ""), "a file is empty"),
        (lambda t: (t.load / "summary.json").write_text("[1]"), "not an object"),
    ],
}

WRITTEN_AS = {"5.6.5": {"division": "open"}}
"""How the valid tree of a rule must be written, where not as a closed result with summaries."""
