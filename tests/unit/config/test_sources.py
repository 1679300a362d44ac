"""Option > YAML > environment > default, what ``--mlps-set`` reaches, and what ``MLPS_…`` variables do."""

from pathlib import Path

import pytest

from pytest_mlpstorage.config import HostSpec, LaunchConfig, Origin, Setting, load_config
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.verdict import Division

CACHE = "kvcache: {num_users: 5}\n"


def _value(config, key):
    return {setting.key: (setting.value, str(setting.origin)) for setting in config.settings}[key]


def test_a_small_configuration_is_read_with_its_defaults(load, good, tmp_path):
    config = load(good)
    assert config.path == tmp_path / "c.yaml"
    assert (config.edition, config.division, config.submitter, config.system) == ("3.0", Division.WHATIF, "acme", "fastfs")
    assert (config.data_dir, config.results_dir) == (tmp_path / "mlps-data", tmp_path / "mlps-results")
    assert config.cluster.hosts == (HostSpec("localhost"),)
    assert config.cluster.memory_per_host_bytes is None
    assert config.launch == LaunchConfig()
    assert list(config.families) == ["training"]
    assert config.warnings == config.placeholders == ()
    (item,) = config.families["training"].items
    assert item.own.model_dump() == {"model": "unet3d", "accelerator": "b200", "accelerators": 2}
    assert str(item.origin) == "c.yaml:7:7"
    assert str(item.origins["model"]) == "c.yaml:7:14"
    assert item.parameters == {}


def test_units_become_bytes_and_seconds(load, good):
    config = load(
        good + "cluster: {memory_per_host: 1.5GiB, hosts: [a, 'b:4', 10.0.0.1]}\n"
        "launch: {deadline: 2h, heartbeat: 500ms, stall_abort: 10min, mpi_args: [--mca, btl, 3], oversubscribe: yes, launcher: openmpi}\n"
    )
    assert config.cluster.memory_per_host_bytes == 1610612736
    assert config.cluster.hosts == (HostSpec("a"), HostSpec("b", 4), HostSpec("10.0.0.1"))
    assert config.launch == LaunchConfig("openmpi", 7200.0, 0.5, 120.0, 600.0, ("--mca", "btl", "3"), oversubscribe=True)


def test_a_number_is_read_as_it_was_written_where_text_is_wanted(load, good):
    config = load(good.replace('"3.0"', "3.0").replace("acme", "007").replace("fastfs", "1e3").replace("unet3d", "10"))
    assert (config.edition, config.submitter, config.system) == ("3.0", "007", "1e3")
    assert config.families["training"].items[0].own.model == "10"
    assert _value(config, "edition") == ("3.0", "c.yaml:1:10")
    assert _value(config, "training.workloads.0.model") == ("10", "c.yaml:7:14")


def test_official_parameters_are_converted_by_their_type(load, good):
    (item,) = (
        load(
            good + "      framework: 1.0\n"
            "      dataset: {record_length_bytes: 4MiB, num_files_train: 70, record_length_bytes_stdev: 0}\n"
            "      reader: {transfer_size: 256KiB, odirect: off, read_threads: 4}\n"
            "      train: {computation_time: 1e-3}\n"
            "      storage: {timeout: 2min, grace_seconds: 5, storage_options: {library: s3, nested: [1, {a: b}]}}\n"
            "      checkpoint: {shard_bytes: 1024}\n"
            "      model.name: unet\n"
        )
        .families["training"]
        .items
    )
    assert {key: setting.value for key, setting in item.parameters.items()} == {
        "framework": "1.0",
        "dataset.record_length_bytes": 4194304,
        "dataset.num_files_train": 70,
        "dataset.record_length_bytes_stdev": 0,
        "reader.transfer_size": 262144,
        "reader.odirect": False,
        "reader.read_threads": 4,
        "train.computation_time": 0.001,
        "storage.timeout": 120.0,
        "storage.grace_seconds": 5,
        "storage.storage_options": {"library": "s3", "nested": [1, {"a": "b"}]},
        "checkpoint.shard_bytes": 1024,
        "model.name": "unet",
    }
    assert item.parameters["reader.odirect"] == Setting("reader.odirect", False, Origin("yaml", "c.yaml:12:48", 12, 48))


def test_keys_below_one_that_takes_anything_are_taken_by_their_dotted_name(load, good):
    config = load(good + "      storage.storage_options.uri_scheme: file\n", "storage.storage_options.depth=3")
    parameters = config.families["training"].items[0].parameters
    assert parameters["storage.storage_options.uri_scheme"].value == "file"
    assert parameters["storage.storage_options.depth"].value == 3


def test_option_beats_yaml_beats_environment_beats_default(load, good, tmp_path):
    environ = {"MLPS_SYSTEM": "env", "MLPS_LAUNCH_DEADLINE": "1h", "MLPS_DATA_DIR": "/env", "MLPS_RESULTS_DIR": "/env-results"}
    config = load(
        good + "launch: {deadline: 2h}\ndata_dir: yaml-data\nresults_dir: yaml-results\n",
        "launch.deadline=3h",
        environ={**environ, "MLPS_LAUNCH_HEARTBEAT": "9s"},
        options={"results_dir": Path("option-results"), "data_dir": None},
    )
    assert _value(config, "system") == ("fastfs", "c.yaml:4:9")
    assert _value(config, "launch.deadline") == ("3h", "--mlps-set")
    assert config.launch.deadline_seconds == 10800.0
    assert _value(config, "launch.heartbeat") == ("9s", "environment MLPS_LAUNCH_HEARTBEAT")
    assert _value(config, "launch.stall_warning") == ("120s", "default")
    assert _value(config, "data_dir") == (f"{tmp_path}/yaml-data", "c.yaml:11:11")
    assert _value(config, "results_dir") == (f"{tmp_path}/option-results", "--results-dir")


def test_required_keys_may_come_from_the_environment(load, good):
    config = load(good.replace("division: whatif\n", ""), environ={"MLPS_DIVISION": "open", "MLPS_CLUSTER_HOSTS": "[a, b]"})
    assert config.division is Division.OPEN
    assert _value(config, "division") == ("open", "environment MLPS_DIVISION")
    assert [host.name for host in config.cluster.hosts] == ["a", "b"]


def test_samples_are_taken_each_second_unless_another_time_or_none_is_set(load, good):
    given = {text: load(f"{good}launch: {{sample_interval: {text}}}\n").launch.sample_interval_seconds for text in ("0s", "100ms", "5s")}
    assert given == {"0s": None, "100ms": 0.1, "5s": 5.0}
    assert load(good).launch.sample_interval_seconds == 1.0


def test_an_empty_variable_counts_as_unset(load, good):
    assert load(good, environ={"MLPS_DATA_DIR": ""}).data_dir.name == "mlps-data"


def test_a_wrong_variable_is_named(refuse, good):
    assert refuse(good.replace("division: whatif\n", ""), environ={"MLPS_DIVISION": "Open"}) == [
        "MLPS_DIVISION: division: given 'Open'; allowed closed, open, whatif; did you mean 'open'?"
    ]
    assert refuse(good, environ={"MLPS_DATA_DIR": "caf\udce9"}) == [
        "MLPS_DATA_DIR: data_dir: given the character U+DCE9; allowed printable text"
    ]


def test_unknown_variables_are_one_warning_and_those_of_others_none(load, good):
    environ = {"MLPS_DATADIR": "x", "MLPS_QQQ": "1", "MLPS_TORCH_SOURCE": "x", "MLPS_RUN_ID": "x", "MLPS_PROGRESS": "x", "MLPS_GUARD": "x"}
    assert load(good, environ={**environ, "HOME": "/", "mlps_x": "1"}).warnings == (
        "environment variables that set nothing: MLPS_DATADIR (did you mean 'MLPS_DATA_DIR'?), MLPS_QQQ",
    )


def test_home_is_expanded_and_relative_paths_are_taken_from_where_pytest_was_started(load, good, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = load(good, "data_dir=~/data", "results_dir=../results")
    assert config.data_dir == tmp_path / "home" / "data"
    assert config.results_dir == tmp_path.parent / "results"


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("launch.deadline=2h", "launch.deadline", "2h"),
        ("launch.mpi_args=[--mca, btl, tcp]", "launch.mpi_args", ["--mca", "btl", "tcp"]),
        ("cluster.hosts=[a:4, b]", "cluster.hosts", ["a:4", "b"]),
        ("launch={deadline: 2h}", "launch.deadline", "2h"),
        ("edition=2.0", "edition", "2.0"),
        ("training.measured_runs=7", "training.measured_runs", 7),
        ("training.workloads.0.accelerators=4", "training.workloads.0.accelerators", 4),
        ("training.workloads.0.reader.read_threads=4", "training.workloads.0.reader.read_threads", 4),
        ("training.reader.read_threads=4", "training.workloads.0.reader.read_threads", 4),
        ("reader.read_threads=4", "training.workloads.0.reader.read_threads", 4),
        ("reader={read_threads: 4}", "training.workloads.0.reader.read_threads", 4),
        ("training.workloads=[{model: a, accelerator: b, accelerators: 3}]", "training.workloads.0.accelerators", 3),
        (" system =x", "system", "x"),
        ("system='a'", "system", "a"),
        ("framework=a=b", "training.workloads.0.framework", "a=b"),
    ],
)
def test_an_assignment_reaches_its_key(assignment, key, value, load, good):
    assert _value(load(good, assignment), key) == (value, "--mlps-set")


def test_the_last_assignment_of_a_key_wins(load, good):
    config = load(good, "reader.read_threads=4", "training.measured_runs=3", "reader.read_threads=5", "training.measured_runs=4")
    assert _value(config, "training.workloads.0.reader.read_threads") == (5, "--mlps-set")
    assert _value(config, "training.measured_runs") == (4, "--mlps-set")


def test_an_entry_beats_its_section_and_an_assignment_beats_both(load, good):
    text = good.replace("  workloads:", "  reader: {read_threads: 1, odirect: true}\n  workloads:") + "      reader.read_threads: 2\n"
    assert _value(load(text), "training.workloads.0.reader.read_threads") == (2, "c.yaml:11:28")
    assert _value(load(text), "training.workloads.0.reader.odirect") == (True, "c.yaml:6:38")
    assert _value(load(text, "reader.read_threads=3"), "training.workloads.0.reader.read_threads") == (3, "--mlps-set")
    both = load(text, "training.workloads.0.reader.read_threads=4", "training.reader.read_threads=3")
    assert _value(both, "training.workloads.0.reader.read_threads") == (4, "--mlps-set")
    assert both.families["training"].parameters["reader.read_threads"].value == 3


def test_a_family_without_entries_keeps_its_parameters_itself(load, good):
    config = load(good + CACHE, "kvcache.mode=realistic", "num_users=9")
    assert config.families["kvcache"].items == ()
    assert config.families["kvcache"].own.mode == "realistic"
    assert _value(config, "kvcache.num_users") == (9, "--mlps-set")


WRONG = {
    "results_dri=x": "--mlps-set: results_dri: unknown key; allowed a key of the YAML, <family>.<official key> or an official key; "
    "did you mean 'results_dir'?",
    "measured_runs=2": "--mlps-set: measured_runs: unknown key; allowed a key of the YAML, <family>.<official key> or an official key; "
    "did you mean 'training.measured_runs'?",
    "read_threads=2": "--mlps-set: read_threads: unknown key; allowed a key of the YAML, <family>.<official key> or an official key; "
    "did you mean 'reader.read_threads'?",
    "deadline=2h": "--mlps-set: deadline: unknown key; allowed a key of the YAML, <family>.<official key> or an official key; "
    "did you mean 'launch.deadline'?",
    "launch.deadlin=2h": "--mlps-set: launch.deadlin: unknown key; allowed a key of the YAML, <family>.<official key> or an official key; "
    "did you mean 'launch.deadline'?",
    "num_users=2": "--mlps-set: num_users: a key of kvcache, which is not configured; allowed keys of training",
    "kvcache.num_users=2": "--mlps-set: kvcache.num_users: the family kvcache is not configured in c.yaml; allowed training",
    "training=2": "--mlps-set: training: given a whole section; allowed a key in it, such as training.warmup_runs",
    "training.reader.read_thread=2": "--mlps-set: training.reader.read_thread: unknown key; allowed read_threads, transfer_size, odirect, "
    "data_loader; did you mean 'reader.read_threads'?",
    "training.measured_run=2": "--mlps-set: training.measured_run: unknown key; allowed warmup_runs, measured_runs, workloads, framework, "
    "dataset, reader, train, storage, checkpoint, model; did you mean 'measured_runs'?",
    "training.workloads.1.accelerators=2": "--mlps-set: training.workloads.1.accelerators: given the entry '1'; allowed 0",
    "training.workloads.x.accelerators=2": "--mlps-set: training.workloads.x.accelerators: given the entry 'x'; allowed 0",
    "training.workloads.-1.accelerators=2": "--mlps-set: training.workloads.-1.accelerators: given the entry '-1'; allowed 0",
    "training.workloads.0=2": "--mlps-set: training.workloads.0: given a whole entry; allowed one of its keys, such as "
    "training.workloads.0.model",
    "training.workloads=unet3d": "--mlps-set: training.workloads: given 'unet3d'; allowed a list of entries",
    "training.workloads.0.accelerators=x": "--mlps-set: training.workloads.0.accelerators: given 'x'; allowed an integer",
    "reader.read_threads=x": "--mlps-set: training.reader.read_threads: given 'x'; allowed an integer",
    "reader.read_threads=": "--mlps-set: training.reader.read_threads: given nothing; allowed an integer",
    "reader=4": "--mlps-set: training.reader: given 4; allowed a mapping with the keys read_threads, transfer_size, odirect, data_loader",
    "system=": "--mlps-set: system: given nothing; allowed text",
    "system=yes": "--mlps-set: system: given yes, which YAML reads as true or false; allowed text (put it in quotes)",
    "reader.read_threads": "--mlps-set: given 'reader.read_threads'; allowed KEY=VALUE, such as launch.deadline=2h",
    "=4": "--mlps-set: given '=4'; allowed KEY=VALUE, such as launch.deadline=2h",
    "": "--mlps-set: given ''; allowed KEY=VALUE, such as launch.deadline=2h",
    "a\x07=1": "--mlps-set: given 'a\\x07=1'; allowed KEY=VALUE, such as launch.deadline=2h",
    "system=a\x07": "--mlps-set: system: given the character U+0007; allowed printable text",
    "system=!!python/name:os.system x": "--mlps-set: system: given '!!python/name:os.system x'; given the tag "
    "tag:yaml.org,2002:python/name:os.system; allowed no tags",
    "system=*a": "--mlps-set: system: given '*a'; given the alias *a; allowed no aliases: write the value out",
    "cluster.hosts=[a": "--mlps-set: cluster.hosts: given '[a'; not YAML: while parsing a flow sequence did not find expected ',' or ']'",
    "launch.mpi_args=--mca": "--mlps-set: launch.mpi_args: given '--mca'; allowed a list",
}


@pytest.mark.parametrize("assignment", WRONG)
def test_a_wrong_assignment_gets_one_line(assignment, refuse, good):
    assert refuse(good, assignment) == [WRONG[assignment]]


def test_a_key_of_two_configured_families_lists_its_candidates(refuse, good):
    assert refuse(good + CACHE, "reader.read_threads=4") == [
        "--mlps-set: reader.read_threads: a key of 2 configured families; allowed training.reader.read_threads, kvcache.reader.read_threads"
    ]


def test_an_option_and_an_assignment_that_contradict_each_other_are_refused(refuse, load, good):
    assert refuse(good, "results_dir=a", options={"results_dir": "b"}) == [
        "--results-dir: results_dir: given 'b', and 'a' by --mlps-set; allowed one of them"
    ]
    assert load(good, "results_dir=b", options={"results_dir": "b"}).results_dir.name == "b"


def test_placeholders_collect_by_name(load, good):
    text = good.replace("acme", '"<your organisation>"') + '      dataset.data_folder: "<mount>"\ndata_dir: "/mnt/<storage>/data"\n'
    config = load(text + 'cluster: {hosts: ["<host 1>"]}\n', 'results_dir="<elsewhere>"')
    assert [(setting.key, setting.value, str(setting.origin)) for setting in config.placeholders] == [
        ("submitter", "<your organisation>", "c.yaml:3:12"),
        ("data_dir", "/mnt/<storage>/data", "c.yaml:11:11"),
        ("cluster.hosts.0", "<host 1>", "c.yaml:12:19"),
        ("results_dir", "<elsewhere>", "--mlps-set"),
        ("training.workloads.0.dataset.data_folder", "<mount>", "c.yaml:10:28"),
    ]
    assert config.submitter == "<your organisation>"


def test_without_a_file_everything_may_come_from_options_and_environment(tmp_path):
    def loading(**environ):
        return load_config(
            None, families=(), options={"system": "s"}, assignments=["submitter=me"], environ=environ, invocation_dir=tmp_path
        )

    config = loading(MLPS_DIVISION="whatif")
    assert (config.path, config.submitter, config.system) == (None, "me", "s")
    with pytest.raises(ConfigurationError) as caught:
        loading()
    assert caught.value.message == "(no configuration file): division: missing; needed one of closed, open, whatif"


def test_values_of_the_edition_and_computed_ones_fill_in_what_nobody_set(load, good):
    config = load(good, "training.measured_runs=2").with_settings(
        [
            Setting("training.measured_runs", 5, Origin("edition", "edition 3.0")),
            Setting("training.warmup_runs", 1, Origin("edition", "edition 3.0")),
            Setting("launch.deadline", "660s", Origin("computed", "3 x 20 s + 10 min")),
            Setting("system", "other", Origin("computed", "computed")),
        ]
    )
    assert _value(config, "training.measured_runs") == (2, "--mlps-set")
    assert _value(config, "training.warmup_runs") == (1, "edition 3.0")
    assert _value(config, "launch.deadline") == ("660s", "computed: 3 x 20 s + 10 min")
    assert _value(config, "system") == ("fastfs", "c.yaml:4:9")
    assert str(config.origin("training.warmup_runs")) == "edition 3.0"
    with pytest.raises(KeyError):
        config.origin("training.nothing")


def test_a_configuration_cannot_be_changed(load, good):
    config = load(good + "      reader: {read_threads: 4}\n")
    with pytest.raises(AttributeError):
        config.system = "x"
    with pytest.raises(TypeError):
        config.families["training"] = None
    with pytest.raises(TypeError):
        config.families["training"].items[0].parameters["reader.read_threads"] = None
