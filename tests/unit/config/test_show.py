"""``--mlps-show-config``: every value with its origin."""

from pytest_mlpstorage.config import Origin, Setting, show


def test_every_value_is_shown_with_its_origin_in_a_table_people_can_read(load, good, tmp_path):
    text = good.replace("  workloads:", "  reader: {read_threads: 4}\n  workloads:") + "launch: {deadline: 2h}\ndata_dir: /data\n"
    config = load(text, "train.epochs=3", environ={"MLPS_LAUNCH_HEARTBEAT": "9s"}, options={"results_dir": "/results"})
    config = config.with_settings([Setting("training.measured_runs", 5, Origin("edition", "edition 3.0"))])
    assert show(config) == [
        'edition                                   3.0            c.yaml:1:10',
        'division                                  whatif         c.yaml:2:11',
        'submitter                                 acme           c.yaml:3:12',
        'system                                    fastfs         c.yaml:4:9',
        'data_dir                                  /data          c.yaml:12:11',
        'results_dir                               /results       --results-dir',
        'cluster.hosts                             ["localhost"]  default',
        'cluster.host_file                         (not set)      default',
        'cluster.memory_per_host                   (not set)      default',
        'cluster.collect                           mpi            default',
        'cluster.ssh                               ["ssh"]        default',
        'launch.launcher                           auto           default',
        'launch.deadline                           2h             c.yaml:11:20',
        'launch.heartbeat                          9s             environment MLPS_LAUNCH_HEARTBEAT',
        'launch.stall_warning                      120s           default',
        'launch.stall_abort                        (not set)      default',
        'launch.sample_interval                    1s             default',
        'launch.mpi_args                           []             default',
        'launch.oversubscribe                      (not set)      default',
        'training.measured_runs                    5              edition 3.0',
        'training.workloads.0.model                unet3d         c.yaml:8:14',
        'training.workloads.0.accelerator          b200           c.yaml:9:20',
        'training.workloads.0.accelerators         2              c.yaml:10:21',
        'training.workloads.0.reader.read_threads  4              c.yaml:6:26',
        'training.workloads.0.train.epochs         3              --mlps-set',
    ]  # fmt: skip


def test_entries_are_shown_in_the_order_of_their_numbers(load, good):
    entries = ", ".join(f"{{model: m{i}, accelerator: b200, accelerators: {i + 1}}}" for i in range(11))
    config = load(good, f"training.workloads=[{entries}]")
    models = [line.split()[1] for line in show(config) if ".model " in line]
    assert models == [f"m{i}" for i in range(11)]
