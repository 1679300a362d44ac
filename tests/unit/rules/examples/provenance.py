"""Training results that the rules on origin and edition pass and that they fail: the valid one of a package, changed in one place."""

from package_tree import DIGEST, IMAGE, LEAF_FAILING, LEAF_PASSING, OTHER, PackageTree

from pytest_mlpstorage.results.records import TrainingResult

SUBJECT = TrainingResult


def write(root, **written_as):
    return PackageTree.write(root, subject="training", **written_as)


def valid(tree):
    """Leave the tree as it is."""


def several(*bends):
    def bend(tree):
        for one in bends:
            one(tree)

    return bend


def stamp(group, leaf=None, **values):
    """Change one group of the provenance records of all runs."""
    return lambda tree: tree.stamp(lambda r: r[group].update(values), leaf(tree) if leaf else None)


def stamps(**values):
    return lambda tree: tree.stamp(lambda r: r.update(values))


def metadata(change):
    def bend(tree):
        for leaf in tree.leaves("training"):
            tree.edit_metadata(change, leaf)

    return bend


def first_datagen(tree):
    return tree.leaves("training", "datagen")[0]


def raw(content, leaf=None):
    return lambda tree: ((leaf(tree) if leaf else tree.run) / "provenance.json").write_text(content)


def of_another_model(tree):
    """Let the whole workload be another one: its directory, its metadata, its stamp."""
    (tree.system / "training/unet3d").rename(tree.system / "training/resnet50")


def accelerator(name):
    return lambda tree: [tree.edit_metadata(lambda m: m.update(accelerator=name), leaf) for leaf in tree.all_leaves]


UNKNOWN_CONFIG = stamp("core_config", hash="unknown")
OTHER_CONFIG = stamp("core_config", hash="0" * 16)
OTHER_PARAMETERS = metadata(lambda m: m["parameters"]["train"].update(epochs=3))

PASSING = {
    "PROV-01": [
        valid,
        lambda t: t.unstamp(),
        stamp("tool", code_image=DIGEST),
        stamp("tool", code_image=IMAGE),
        stamp("tool", code_image=f"code-images/{IMAGE}"),
        stamp("tool", code_image=f"md5-tree-v1:{DIGEST}"),
        stamp("tool", code_image="unknown"),
        several(stamp("tool", code_image="unknown"), lambda t: (t.run / ".mlps-code-image").unlink()),
        metadata(lambda m: m.update(provenance_file=None)),
        stamps(storage_library={"name": "none"}),
    ],
    "EDN-01": [
        valid,
        stamps(rules_edition="2.0"),
        stamps(rules_edition="v3.0"),
        stamps(rules_edition="0.5"),
        stamps(rules_edition="unknown"),
        stamps(rules_edition=None),
        lambda t: t.edit_manifest(lambda m: m.update(rules_edition="0.5")),
        lambda t: t.unstamp(),
    ],
    "EDN-02": [
        valid,
        UNKNOWN_CONFIG,
        stamp("core_config", hash=None),
        lambda t: t.unstamp(),
        several(lambda t: t.unstamp(), OTHER_PARAMETERS),
        accelerator(" B200"),
        several(accelerator("mi355"), OTHER_CONFIG, OTHER_PARAMETERS, metadata(lambda m: m.update(parameters={}))),
        several(accelerator("MI355"), OTHER_CONFIG, OTHER_PARAMETERS, metadata(lambda m: m.update(parameters={}))),
        metadata(lambda m: m["parameters"]["reader"].update(read_threads="16")),
        metadata(lambda m: m["parameters"]["reader"].update(batch_size="7")),
        metadata(lambda m: m.update(parameters={})),
        several(lambda t: [leaf.joinpath("provenance.json").unlink() for leaf in t.leaves("training")[1:]]),
    ],
    "EDN-03": [
        valid,
        lambda t: t.unstamp(),
        stamp("dlio", commit="f6796ed"),
        stamp("dlio", commit="F6796ED281E39CCC83A450E2B1F21B9C909D8FD0"),
        several(stamps(rules_edition="2.0"), stamp("dlio", commit="0" * 40)),
        lambda t: t.stamp(lambda r: r["dlio"].update(commit="0" * 40), first_datagen(t)),
        # A leaf of this suite is told the same by the rule on its engine.
        several(stamp("dlio", commit="unknown"), metadata(lambda m: m.update(mlps={"engine": {"name": "dlio"}}))),
    ],
    "2.1.9": [
        valid,
        lambda t: t.describe("clients", [{"quantity": "1", "chassis": {"memory_capacity": "256"}}]),
        lambda t: t.describe("clients.0.chassis.memory_capacity", 256 / 1.1 + 1e-9),
        lambda t: t.describe("clients.0.chassis.memory_capacity", 284),
        lambda t: t.edit_summary(host_memory_GB=[0, 281.6, 0]),
        lambda t: t.edit_summary(host_memory_GB=[230.4]),
        # With two kinds of clients nobody knows which of them a host was.
        lambda t: t.describe("clients", [{"quantity": 1, "chassis": {"memory_capacity": 1}}, {"quantity": 0, "chassis": {"memory_capacity": 2}}]),
        several(lambda t: t.describe("solution.capabilities.multi_host", False)),
        several(lambda t: t.describe("clients.0.quantity", 2), lambda t: t.edit_summary(num_hosts=2, host_memory_GB=[256, 256])),
        several(lambda t: t.describe("solution.capabilities", {}), lambda t: t.describe("clients", None), lambda t: t.edit_summary(num_hosts=9)),
        several(lambda t: t.describe("clients", "two"), lambda t: t.edit_summary(num_hosts=9)),
        several(lambda t: t.describe("clients.0.quantity", None), lambda t: t.edit_summary(num_hosts=9, host_memory_GB=[2304])),
        several(lambda t: t.describe("clients", [{"quantity": 1}, {"quantity": "some"}]), lambda t: t.edit_summary(num_hosts=9)),
        lambda t: t.describe("clients.0.chassis", "a box"),
        lambda t: t.describe("clients.0.chassis.memory_capacity", "much"),
        lambda t: t.edit_summary(num_hosts=None, host_memory_GB=[1]),
        lambda t: t.edit_summary(host_memory_GB=[]),
        lambda t: t.edit_summary(host_memory_GB=[1e308, 1e308]),
    ],
    "MLPS-ENGINE-1": [
        metadata(lambda m: m.pop("mlps")),
        several(metadata(lambda m: m.pop("mlps")), stamp("dlio", commit="unknown")),
        lambda t: [t.edit_metadata(lambda m: m["mlps"].update(engine={"name": "other"}), leaf) for leaf in t.leaves("training", "datasize")],
    ],
    "MLPS-LEAF-1": LEAF_PASSING,
    "MLPS-NAME-1": [valid],
}  # fmt: skip

FAILING = {
    "MLPS-LEAF-1": LEAF_FAILING,
    "PROV-01": [
        (raw("{"), "[PROV-01] a provenance record is no JSON: "),
        (raw("[]"), '[PROV-01] a provenance record holds a JSON list, not an object; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json'),
        (raw(""), '[PROV-01] a provenance record is empty; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json'),
        (raw("{}"), '[PROV-01] a provenance record names no code image; required the image, or unknown; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:tool.code_image'),
        (raw("{", first_datagen), "training/unet3d/datagen/"),
        (raw("{", lambda t: t.leaves("training", "datasize")[0]), "training/unet3d/datasize/"),
        (lambda t: (t.run / "provenance.json").unlink(), '[PROV-01] a leaf lacks the provenance record that its metadata declares; required provenance.json; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000:provenance_file'),
        (stamp("tool", code_image=None), "names no code image"),
        (stamps(tool="mlpstorage"), "[PROV-01] a provenance record holds what it may not: tool is 'mlpstorage', not an object; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json (×6)"),
        (stamps(rules_edition=["3.0"]), '[PROV-01] a provenance record holds what it may not: rules_edition is "[\'3.0\']", not a text; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json (×6)'),
        (stamps(layout_version="three"), "[PROV-01] a provenance record holds what it may not: layout_version is 'three', not a whole number; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json (×6)"),
        (stamp("dlio", commit=[1]), "[PROV-01] a provenance record holds what it may not: dlio.commit is '[1]', not a text; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json (×6)"),
        (stamp("core_config", hash={}), "[PROV-01] a provenance record holds what it may not: core_config.hash is '{}', not a text; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json (×6)"),
        (stamp("tool", code_image=f"md5-tree-v2:{OTHER}"), "[PROV-01] a provenance record names another code image than the leaf's pointer; measured md5-tree-v2:0123456789abcdef0123456789abcdef; required md5-tree-v2:6a657f89b2fd42697f74fca3edced82f; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:tool.code_image (×6)"),
        (stamp("tool", code_image=f"code-{OTHER[:8]}"), "another code image"),
        (stamp("tool", code_image="mine"), "another code image"),
        (stamp("tool", code_image=DIGEST[:8]), "another code image"),
        (lambda t: (t.run / ".mlps-code-image").write_text(f"md5-tree-v2:{OTHER}"), "another code image"),
    ],
    "EDN-01": [
        (lambda t: t.edit_manifest(lambda m: m.update(rules_edition="9.9")), '[EDN-01] the declared edition does not exist; judged by edition 3.0; measured 9.9; required 0.5 or 1.0 or 2.0 or 3.0; in closed/acme/submission.yaml:rules_edition'),
        (stamps(rules_edition="9.9"), '[EDN-01] a leaf declares an edition that does not exist; measured 9.9; required 0.5 or 1.0 or 2.0 or 3.0; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:rules_edition (×6)'),
        (stamps(rules_edition="3"), "measured 3;"),
        (lambda t: t.stamp(lambda r: r.update(rules_edition="x"), first_datagen(t)), "training/unet3d/datagen/"),
    ],
    "EDN-02": [
        (OTHER_CONFIG, '[EDN-02] the work is that of no comparability class of training unet3d on b200; measured 0000000000000000; required 0d3ad0dec188becd or f636f5a57473fca2; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:core_config.hash (×6)'),
        (OTHER_CONFIG, '[EDN-02] the stamped core-config hash is not what the parameters in the metadata give; measured 0000000000000000; required 0d3ad0dec188becd; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:core_config.hash (×6)'),
        (OTHER_CONFIG, "the stamped core-config hash is not what the parameters in the metadata give"),
        (several(UNKNOWN_CONFIG, OTHER_PARAMETERS), "no comparability class"),
        (OTHER_PARAMETERS, "is not what the parameters in the metadata give; measured 0d3ad0dec188becd; required "),
        (accelerator("h100"), "no comparability class of training unet3d on h100"),
        (accelerator(None), "on any accelerator"),
        (stamps(rules_edition="2.0"), "no comparability class"),
        (of_another_model, '[EDN-02] the work is that of no comparability class of training resnet50 on b200; measured 0d3ad0dec188becd; required a workload that has a class; in closed/acme/results/fastfs/training/resnet50/run/20260713_081000/provenance.json:core_config.hash (×6)'),
        (several(accelerator("mi355"), OTHER_CONFIG), '[EDN-02] the comparability class of training unet3d on mi355 cannot be told: the edition sanctions it, but neither a template nor a comparability class was ever published; measured 0000000000000000; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:core_config.hash (×6)'),
        (lambda t: t.unstamp(), '[EDN-02] the work is that of class unet3d-b200-A, by the parameters in the metadata; measured 0d3ad0dec188becd; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000:parameters (×6)'),
        (several(lambda t: t.unstamp(), OTHER_PARAMETERS), '[EDN-02] the work is that of no class that is published, by the parameters in the metadata; measured 5358abcd6ea65c7d; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000:parameters (×6)'),
    ],
    "EDN-03": [
        (stamp("dlio", commit="0" * 40), '[EDN-03] the DLIO that measured is no accepted revision; measured 0000000000000000000000000000000000000000; required one of 10 accepted revisions (3.0.2, 3.0.4); in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:dlio.commit (×6)'),
        (stamp("dlio", commit="f6796e"), "no accepted revision"),
        (stamp("dlio", commit="unknown"), '[EDN-03] the record does not know which DLIO measured; measured unknown; required one of 10 accepted revisions (3.0.2, 3.0.4); in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:dlio.commit (×6)'),
        (stamp("dlio", commit=None), "does not know which DLIO measured"),
        (several(stamp("dlio", commit=None), metadata(lambda m: m.update(mlps={"engine": "dlio"}))), "does not know which DLIO measured"),
    ],
    "2.1.9": [
        (lambda t: t.describe("clients.0.quantity", 2), '[2.1.9] a run did not use the clients that the system description names; measured 1 hosts; required 2 clients in the description; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/summary.json:num_hosts (×6)'),
        (lambda t: t.edit_summary(num_hosts=2, host_memory_GB=[256, 256]), "measured 2 hosts; required 1 clients"),
        (lambda t: t.describe("clients", [{"quantity": 1}, {"quantity": 1}]), "measured 1 hosts; required 2 clients"),
        (lambda t: t.describe("clients.0.chassis.memory_capacity", 232), '[2.1.9] the hosts of a run do not have the memory that closed/acme/systems/fastfs.yaml states; measured 256.00 GiB a host; required 232 GiB ± 10%; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/summary.json:host_memory_GB (×6)'),
        (lambda t: t.describe("clients.0.chassis.memory_capacity", 285), "do not have the memory"),
        (lambda t: t.describe("clients.0.chassis.memory_capacity", "1024"), "required 1024 GiB"),
        (lambda t: t.edit_summary(host_memory_GB=[281.60001]), "measured 281.60 GiB a host"),
        (lambda t: t.edit_summary(host_memory_GB=[230.39999]), "do not have the memory that closed/acme/systems/fastfs.yaml states"),
        (lambda t: t.edit_summary(host_memory_GB=[128, 128], num_hosts=2), "measured 128.00 GiB a host"),
        (several(lambda t: t.describe("solution.capabilities.multi_host", False), lambda t: t.edit_summary(num_hosts=2)), '[2.1.9] a run used several hosts, and the system is described as one that does not support them; measured 2; required 1 host, or capabilities.multi_host true; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/summary.json:num_hosts (×6)'),
        (several(lambda t: t.describe("solution.capabilities.multi_host", "False"), lambda t: t.edit_summary(num_hosts=2)), "does not support them"),
        (lambda t: t.edit_summary(num_hosts=0), "measured 0 hosts"),
    ],
    "MLPS-ENGINE-1": [
        (several(metadata(lambda m: m.pop("mlps")), stamp("dlio", commit="0" * 40)), '[MLPS-ENGINE-1] the DLIO that measured is no accepted revision; measured 0000000000000000000000000000000000000000; required one of 10 accepted revisions (3.0.2, 3.0.4); in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/provenance.json:dlio.commit (×6)'),
        (metadata(lambda m: m["mlps"].update(engine={"name": "mlps-checkpoint"})), '[MLPS-ENGINE-1] what measured is not DLIO; measured mlps-checkpoint; required dlio; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/training_20260713_081000_metadata.json:mlps.engine.name (×6)'),
        (metadata(lambda m: m["mlps"].update(engine=[])), '[MLPS-ENGINE-1] the metadata does not say which engine measured; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/training_20260713_081000_metadata.json:mlps.engine (×6)'),
        (metadata(lambda m: m["mlps"].update(engine={"name": "dlio", "engine": {"reader": "raw"}})), "[MLPS-ENGINE-1] data were read by a plug-in and not by DLIO's own reader; measured raw; required builtin; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/training_20260713_081000_metadata.json:mlps.engine.reader (×6)"),
    ],
    "MLPS-NAME-1": [(lambda t: t.submission.rename(t.submission.with_name("TBD")), '[MLPS-NAME-1] the submitter looks like a placeholder; measured TBD; required the name of the submitter; in closed/TBD/results/fastfs/training/unet3d')],
}  # fmt: skip
