"""Values and keys that a configuration must not have: the literal line for each, and all of them at once."""

import pytest

UNITS = "allowed units: B, KiB, MiB, GiB, TiB, PiB, kB, KB, MB, GB, TB, PB"
NAME = "allowed letters, digits, '.', '_' and '-', not beginning with '.': it becomes a directory of the results tree"
TOP = "allowed edition, division, submitter, system, data_dir, results_dir, cluster, launch, training, kvcache"

# What replaces a line of the right configuration (or is put after it), and the one error that follows.
CASES = {
    "no division": ("division: whatif\n", "", "c.yaml:1:1: division: missing; needed one of closed, open, whatif"),
    "no submitter": (
        "submitter: acme\n",
        "",
        "c.yaml:1:1: submitter: missing; needed your organisation, a directory of the results tree",
    ),
    "division in upper case": (
        "whatif",
        "WHATIF",
        "c.yaml:2:11: division: given 'WHATIF'; allowed closed, open, whatif; did you mean 'whatif'?",
    ),
    "division empty": ("division: whatif", "division:", "c.yaml:2:10: division: given nothing; allowed closed, open, whatif"),
    "unknown edition": ('"3.0"', "v3.0", "c.yaml:1:10: edition: given 'v3.0'; allowed 1.0, 2.0, 3.0; did you mean '3.0'?"),
    "edition is a list": ('"3.0"', "[3.0]", "c.yaml:1:10: edition: given a list; allowed text"),
    "system is off": (
        "fastfs",
        "off",
        "c.yaml:4:9: system: given off, which YAML reads as true or false; allowed text (put it in quotes)",
    ),
    "submitter is no": (
        "acme",
        "No",
        "c.yaml:3:12: submitter: given No, which YAML reads as true or false; allowed text (put it in quotes)",
    ),
    "system has a space": ("fastfs", "fast fs", f"c.yaml:4:9: system: given 'fast fs'; {NAME}"),
    "system is blank": ("fastfs", '" "', f"c.yaml:4:9: system: given ' '; {NAME}"),
    "system is empty text": ("fastfs", '""', f"c.yaml:4:9: system: given ''; {NAME}"),
    "system leaves the tree": ("fastfs", "..", f"c.yaml:4:9: system: given '..'; {NAME}"),
    "system is hidden": ("fastfs", ".mlps", f"c.yaml:4:9: system: given '.mlps'; {NAME}"),
    "system is a path": ("fastfs", "a/b", f"c.yaml:4:9: system: given 'a/b'; {NAME}"),
    "misspelt key": (
        "training:\n",
        "trainin: 1\ntraining:\n",
        f"c.yaml:5:1: trainin: unknown key; {TOP}; did you mean 'training'?",
    ),
    "misspelt key in launch": (
        "training:\n",
        "launch: {heartbeet: 3s}\ntraining:\n",
        "c.yaml:5:10: launch.heartbeet: unknown key; allowed launcher, deadline, heartbeat, stall_warning, stall_abort, "
        "sample_interval, mpi_args, oversubscribe; did you mean 'heartbeat'?",
    ),
    "launch is text": (
        "training:\n",
        "launch: fast\ntraining:\n",
        "c.yaml:5:9: launch: given 'fast'; allowed a mapping with the keys launcher, deadline, heartbeat, stall_warning, stall_abort, "
        "sample_interval, mpi_args, oversubscribe",
    ),
    "samples too often": (
        "training:\n",
        "launch: {sample_interval: 50ms}\ntraining:\n",
        "c.yaml:5:27: launch.sample_interval: given '50ms'; allowed 0.1s or longer, or 0s for none: a shorter one would cost what is measured",
    ),
    "bare sample interval": (
        "training:\n",
        "launch: {sample_interval: 1}\ntraining:\n",
        "c.yaml:5:27: launch.sample_interval: given 1; a time with its unit is needed, such as 300s; allowed units: ms, s, min, h, d",
    ),
    "bare deadline": (
        "training:\n",
        "launch: {deadline: 300}\ntraining:\n",
        "c.yaml:5:20: launch.deadline: given 300; a time with its unit is needed, such as 300s; allowed units: ms, s, min, h, d",
    ),
    "sexagesimal deadline": (
        "training:\n",
        "launch: {deadline: 1:30}\ntraining:\n",
        "c.yaml:5:20: launch.deadline: given '1:30'; a time with its unit is needed, such as 300s; allowed units: ms, s, min, h, d",
    ),
    "deadline of nothing": (
        "training:\n",
        "launch: {deadline: 0s}\ntraining:\n",
        "c.yaml:5:20: launch.deadline: given '0s'; allowed a time longer than 0s",
    ),
    "heartbeat in minutes": (
        "training:\n",
        "launch: {heartbeat: 1MIN}\ntraining:\n",
        "c.yaml:5:21: launch.heartbeat: given '1MIN'; unknown unit 'MIN'; allowed units: ms, s, min, h, d; did you mean 1min?",
    ),
    "bare memory": (
        "training:\n",
        "cluster: {memory_per_host: 512}\ntraining:\n",
        f"c.yaml:5:28: cluster.memory_per_host: given 512; a size with its unit is needed, such as 512GiB; {UNITS}",
    ),
    "memory in gb": (
        "training:\n",
        "cluster: {memory_per_host: 512gb}\ntraining:\n",
        f"c.yaml:5:28: cluster.memory_per_host: given '512gb'; unknown unit 'gb'; {UNITS}; did you mean 512GB?",
    ),
    "unknown way to ask": (
        "training:\n",
        "cluster: {collect: rsh}\ntraining:\n",
        "c.yaml:5:20: cluster.collect: given 'rsh'; allowed mpi, ssh, declared; did you mean 'ssh'?",
    ),
    "not asked, and nothing declared": (
        "training:\n",
        "cluster: {collect: declared}\ntraining:\n",
        "c.yaml:5:20: cluster.collect: given 'declared', without cluster.memory_per_host; allowed mpi, ssh, or both keys",
    ),
    "no program to log in": (
        "training:\n",
        "cluster: {ssh: []}\ntraining:\n",
        "c.yaml:5:11: cluster.ssh: given an empty list; allowed a program and its arguments, such as [ssh, -F, my_config]",
    ),
    "program as text": (
        "training:\n",
        "cluster: {ssh: ssh}\ntraining:\n",
        "c.yaml:5:16: cluster.ssh: given 'ssh'; allowed a list",
    ),
    "no hosts": (
        "training:\n",
        "cluster: {hosts: []}\ntraining:\n",
        "c.yaml:5:11: cluster.hosts: given an empty list; allowed a list of at least one host",
    ),
    "hosts as text": (
        "training:\n",
        "cluster: {hosts: node1}\ntraining:\n",
        "c.yaml:5:18: cluster.hosts: given 'node1'; allowed a list of hosts, or allocation",
    ),
    "host that is an option": (
        "training:\n",
        "cluster: {hosts: [node1, --help]}\ntraining:\n",
        "c.yaml:5:26: cluster.hosts.1: given '--help'; allowed a host name or address, or name:slots, such as node1:4",
    ),
    "host without slots": (
        "training:\n",
        'cluster: {hosts: ["node1:0"]}\ntraining:\n',
        "c.yaml:5:19: cluster.hosts.0: given 'node1:0'; allowed a host name or address, or name:slots, such as node1:4",
    ),
    "host named twice": (
        "training:\n",
        "cluster: {hosts: [a, 'a:2']}\ntraining:\n",
        "c.yaml:5:11: cluster.hosts: the host a is named twice; allowed each host once",
    ),
    "oversubscribe as text": (
        "training:\n",
        'launch: {oversubscribe: "yes"}\ntraining:\n',
        "c.yaml:5:25: launch.oversubscribe: given 'yes'; allowed true or false",
    ),
    "data_dir of an unknown user": (
        "training:\n",
        "data_dir: ~nobody-here-x/data\ntraining:\n",
        "c.yaml:5:11: data_dir: given '~nobody-here-x/data'; there is no home directory for ~nobody-here-x",
    ),
    "blank data_dir": (
        "training:\n",
        'data_dir: " "\ntraining:\n',
        "c.yaml:5:11: data_dir: given ' '; allowed a directory, such as ./mlps-data",
    ),
    "family is null": (
        "training:\n  workloads:\n    - model: unet3d\n      accelerator: b200\n      accelerators: 2\n",
        "training:\n",
        "c.yaml:5:10: training: given nothing; allowed a mapping with the key workloads",
    ),
    "no workloads": (
        "  workloads:\n    - model: unet3d\n      accelerator: b200\n      accelerators: 2\n",
        "  warmup_runs: 1\n",
        "c.yaml:5:1: training.workloads: missing; needed a list of at least one entry",
    ),
    "empty workloads": (
        "  workloads:\n    - model: unet3d\n      accelerator: b200\n      accelerators: 2\n",
        "  workloads: []\n",
        "c.yaml:6:14: training.workloads: given an empty list; allowed a list of at least one entry",
    ),
    "entry is text": (
        "    - model: unet3d\n      accelerator: b200\n      accelerators: 2\n",
        "    - unet3d\n",
        "c.yaml:7:7: training.workloads.0: given 'unet3d'; allowed a mapping, such as model: …",
    ),
    "no accelerator": (
        "      accelerator: b200\n",
        "",
        "c.yaml:7:7: training.workloads.0.accelerator: missing; needed accelerator to emulate, such as b200",
    ),
    "half an accelerator": (
        "accelerators: 2",
        "accelerators: 2.5",
        "c.yaml:9:21: training.workloads.0.accelerators: given 2.5; allowed an integer",
    ),
    "no accelerators at all": (
        "accelerators: 2",
        "accelerators: 0",
        "c.yaml:9:21: training.workloads.0.accelerators: given 0; allowed 1 or more",
    ),
    "octal": (
        "accelerators: 2",
        "accelerators: 010",
        "c.yaml:9:21: training.workloads.0.accelerators: given '010'; allowed an integer",
    ),
    "too many runs": (
        "  workloads:",
        "  measured_runs: 101\n  workloads:",
        "c.yaml:6:18: training.measured_runs: given 101; allowed 100 or less",
    ),
    "misspelt entry key": (
        "accelerators: 2",
        "accelerators: 2\n      acelerator: x",
        "c.yaml:10:7: training.workloads.0.acelerator: unknown key; allowed model, accelerator, accelerators, framework, dataset, reader, "
        "train, storage, checkpoint; did you mean 'accelerator'?",
    ),
    "unknown official key": (
        "accelerators: 2",
        "accelerators: 2\n      reader: {read_treads: 4}",
        "c.yaml:10:16: training.workloads.0.reader.read_treads: unknown key; allowed read_threads, transfer_size, odirect, data_loader; "
        "did you mean 'reader.read_threads'?",
    ),
    "unknown group": (
        "accelerators: 2",
        "accelerators: 2\n      readr: {read_threads: 4}",
        "c.yaml:10:15: training.workloads.0.readr.read_threads: unknown key; allowed model, accelerator, accelerators, framework, "
        "dataset, reader, train, storage, checkpoint; did you mean 'reader.read_threads'?",
    ),
    "official key without its group": (
        "accelerators: 2",
        "accelerators: 2\n      read_threads: 4",
        "c.yaml:10:7: training.workloads.0.read_threads: unknown key; allowed model, accelerator, accelerators, framework, dataset, "
        "reader, train, storage, checkpoint; did you mean 'reader.read_threads'?",
    ),
    "group is a number": (
        "accelerators: 2",
        "accelerators: 2\n      reader: 4",
        "c.yaml:10:15: training.workloads.0.reader: given 4; allowed a mapping with the keys read_threads, transfer_size, odirect, "
        "data_loader",
    ),
    "nested and dotted": (
        "accelerators: 2",
        "accelerators: 2\n      reader: {read_threads: 4}\n      reader.read_threads: 5",
        "c.yaml:11:7: training.workloads.0.reader.read_threads: given twice, first at c.yaml:10:16; allowed once",
    ),
    "text for an integer": (
        "accelerators: 2",
        "accelerators: 2\n      reader: {read_threads: four}",
        "c.yaml:10:30: training.workloads.0.reader.read_threads: given 'four'; allowed an integer",
    ),
    "boolean for an integer": (
        "accelerators: 2",
        "accelerators: 2\n      reader: {read_threads: true}",
        "c.yaml:10:30: training.workloads.0.reader.read_threads: given true; allowed an integer",
    ),
    "number for a boolean": (
        "accelerators: 2",
        "accelerators: 2\n      reader: {odirect: 1}",
        "c.yaml:10:25: training.workloads.0.reader.odirect: given 1; allowed true or false",
    ),
    "boolean for text": (
        "accelerators: 2",
        "accelerators: 2\n      reader: {data_loader: on}",
        "c.yaml:10:29: training.workloads.0.reader.data_loader: given on, which YAML reads as true or false; allowed text "
        "(put it in quotes)",
    ),
    "list for a number": (
        "accelerators: 2",
        "accelerators: 2\n      train: {computation_time: [1]}",
        "c.yaml:10:33: training.workloads.0.train.computation_time: given a list; allowed a number",
    ),
    "infinity": (
        "accelerators: 2",
        "accelerators: 2\n      train: {computation_time: .inf}",
        "c.yaml:10:33: training.workloads.0.train.computation_time: given '.inf'; allowed a number",
    ),
    "nothing for a number": (
        "accelerators: 2",
        "accelerators: 2\n      train: {epochs: }",
        "c.yaml:10:23: training.workloads.0.train.epochs: given nothing; allowed an integer",
    ),
    "bare size": (
        "accelerators: 2",
        "accelerators: 2\n      reader: {transfer_size: 262144}",
        f"c.yaml:10:31: training.workloads.0.reader.transfer_size: given 262144; a size with its unit is needed, such as 512GiB; {UNITS}",
    ),
    "bare time": (
        "accelerators: 2",
        "accelerators: 2\n      storage: {timeout: 30}",
        "c.yaml:10:26: training.workloads.0.storage.timeout: given 30; a time with its unit is needed, such as 300s; "
        "allowed units: ms, s, min, h, d",
    ),
    "wrong unit in bytes": (
        "accelerators: 2",
        "accelerators: 2\n      dataset: {record_length_bytes: 4Mb}",
        f"c.yaml:10:38: training.workloads.0.dataset.record_length_bytes: given '4Mb'; unknown unit 'Mb'; {UNITS}; did you mean 4MB?",
    ),
    "two accelerators of a model": (
        "accelerators: 2\n",
        "accelerators: 2\n    - {model: unet3d, accelerator: mi355, accelerators: 2}\n",
        "c.yaml:10:15: training.workloads.1.model: unet3d stands in entry 0 too; allowed one accelerator of a model",
    ),
    "wrong word of a family": (
        "training:\n",
        "kvcache: {mode: fst}\ntraining:\n",
        "c.yaml:5:17: kvcache.mode: given 'fst'; allowed fast, realistic; did you mean 'fast'?",
    ),
    "error in a family parameter is told once": (
        "  workloads:",
        "  reader: {read_threads: x}\n  workloads:",
        "c.yaml:6:26: training.reader.read_threads: given 'x'; allowed an integer",
    ),
    "long value": (
        "fastfs",
        "x" * 70 + "/",
        f"c.yaml:4:9: system: given '{'x' * 57}…'; {NAME}",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_value_or_key_gets_one_line_with_its_place(name, refuse, good):
    old, new, message = CASES[name]
    assert good.count(old) == 1
    assert refuse(good.replace(old, new)) == [message]


def test_every_error_is_told_at_once_in_the_order_of_the_file_then_environment_then_options(refuse):
    text = "division: closd\nsystem: a b\nlaunch: {deadline: 5}\nkvcache: {num_users: many}\n"
    assert refuse(text, "launch.heartbeat=1", "x", environ={"MLPS_DATA_DIR": " "}) == [
        "c.yaml:1:1: submitter: missing; needed your organisation, a directory of the results tree",
        "c.yaml:1:11: division: given 'closd'; allowed closed, open, whatif; did you mean 'closed'?",
        f"c.yaml:2:9: system: given 'a b'; {NAME}",
        "c.yaml:3:20: launch.deadline: given 5; a time with its unit is needed, such as 300s; allowed units: ms, s, min, h, d",
        "c.yaml:4:22: kvcache.num_users: given 'many'; allowed an integer",
        "MLPS_DATA_DIR: data_dir: given nothing; allowed text",
        "--mlps-set: given 'x'; allowed KEY=VALUE, such as launch.deadline=2h",
        "--mlps-set: launch.heartbeat: given 1; a time with its unit is needed, such as 300s; allowed units: ms, s, min, h, d",
    ]


@pytest.mark.parametrize(
    ("data", "results", "what"),
    [
        ("./x", "x", "the same directory as data_dir"),
        ("x", "x/results", "inside data_dir {tmp}/x"),
        ("x/data", "x/../x", "around data_dir {tmp}/x/data"),
        ("link/data", "real", "around data_dir {tmp}/link/data"),
    ],
)
def test_data_and_results_in_each_other_are_refused(data, results, what, refuse, good, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (line,) = refuse(good + f"data_dir: {data}\nresults_dir: {results}\n")
    absolute = tmp_path / results.replace("/../x", "")
    assert line == (
        f"c.yaml:11:14: results_dir: given '{absolute}', {what.format(tmp=tmp_path)}; allowed two directories of which none is in the other"
    )


def test_data_and_results_that_only_begin_alike_are_no_error(load, good):
    config = load(good + "data_dir: ./run\nresults_dir: ./run-results\n")
    assert (config.data_dir.name, config.results_dir.name) == ("run", "run-results")
