"""Trees in which what a rule on vector databases reads is not there: what it must say is lacking, by rule."""


def without_summary(tree):
    for run in tree.runs:
        (run / "summary.json").unlink()


def without_metadata(tree):
    for run in tree.runs:
        (run / f"vector_database_{run.name}_metadata.json").unlink()


def without_load_summary(tree):
    (tree.load / "summary.json").unlink()


def of_ours(tree):
    """Say in the metadata of every leaf that this suite made it, and in no summary what it recorded."""
    tree.edit_metadata(lambda m: m.update(mlps={"tool": {"name": "pytest-mlpstorage"}}))
    tree.edit_load_metadata(lambda m: m.update(mlps={"tool": {"name": "pytest-mlpstorage"}}))


OWN = tuple(f"MLPS-VDB-{number:02}" for number in range(1, 11))

LACKING = (
    *((id, without_summary, "there is no summary") for id in ("5.1.1", "5.1.2", "5.2.2", "5.3.2", "5.3.3", "5.3.4", "5.6.2", "5.6.3", "MLPS-ENGINE-1")),
    *((id, lambda t: t.text("summary.json", "{"), "the summary could not be read") for id in ("5.1.1", "5.3.2", "5.3.3", "5.3.4", "5.6.2", "5.6.3")),
    ("5.3.4", lambda t: t.text("summary.json", "PRUNED BY STAFF"), "the summary could not be read"),
    *((id, without_metadata, "metadata could not be read") for id in ("5.4.1", "5.4.2", "5.6.4", "RC-VDB-1", "RC-VDB-2")),
    *((id, lambda t: t.load.rename(t.root / "gone"), "there is no datagen") for id in ("5.1.2", "5.2.1", "5.2.2")),
    ("5.2.1", without_load_summary, "no summary says how many vectors were inserted"),
    ("5.2.2", without_load_summary, "no summary says that the index was built"),
    ("5.1.2", lambda t: (without_load_summary(t), t.edit_load_metadata(lambda m: m.update(args={}))), "nothing gives dimension"),
    ("5.1.2", lambda t: t.edit_load(lambda s: s.pop("dimension")), "nothing gives dimension"),
    ("5.1.2", lambda t: t.edit("summary.json", lambda s: s.pop("dimension"), run=2), "nothing gives dimension"),
    ("5.2.2", lambda t: t.edit("summary.json", lambda s: s.pop("index_type"), run=2), "nothing gives index_type"),
    ("5.3.2", lambda t: t.summary(recall="high"), "the recall is no number"),
    ("5.3.2", lambda t: t.summary(recall=True), "the recall is no number"),
    ("5.3.2", lambda t: t.summary(recall={"max_recall": True, "mean_recall": 0.5}), "the recall is no number"),
    ("5.3.2", lambda t: (t.edit("summary.json", lambda s: s.pop("recall")), t.text("recall_stats.json", "{")), "recall_stats.json could not be read"),
    ("5.3.2", lambda t: (t.edit("summary.json", lambda s: s.pop("recall")), t.text("recall_stats.json", "PRUNED BY STAFF")), "recall_stats.json could not be read"),
    ("5.3.5", lambda t: t.text("result_verdict.json", "PRUNED BY STAFF"), "pruned by its publisher"),
    ("5.6.4", lambda t: t.edit_metadata(lambda m: m.pop("override_parameters")), "no override_parameters"),
    ("5.6.4", lambda t: t.edit_load_metadata(lambda m: m.update(override_parameters=[])), "no override_parameters"),
    *((id, of_ours, "the summary has not what this suite recorded of the measurement") for id in OWN),
    *((id, lambda t: (of_ours(t), without_summary(t), without_load_summary(t)), "has not what this suite recorded") for id in OWN),
)  # fmt: skip
