"""One message holds every error: what the edition does not know, unknown keys, wrong values, placeholders, launch arguments."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_mlpstorage.config import FamilySchema
from pytest_mlpstorage.verdict import Division


def knows(own, edition, division):
    """A family that knows unet3d on b200, and flux in whatif only."""
    models = ("unet3d", "flux") if division is Division.WHATIF else ("unet3d",)
    if own.get("model", "unet3d") not in models:
        yield "model", f"{own['model']!r} is not in division {division.value} of edition {edition}"
    if own.get("accelerator", "b200") != "b200":
        yield "accelerator", f"{own['accelerator']!r} is unknown"


@pytest.fixture
def families(training) -> tuple[FamilySchema, ...]:
    return (dataclasses.replace(training, entry_check=knows),)


def test_what_the_edition_does_not_know_is_told_at_its_place_for_every_entry(refuse, good, families):
    text = good.replace("unet3d", "unet4d") + "    - {model: flux, accelerator: b20, accelerators: 2}\n"
    assert refuse(text.replace("whatif", "closed"), families=families) == [
        "c.yaml:7:14: training.workloads.0.model: 'unet4d' is not in division closed of edition 3.0",
        "c.yaml:10:15: training.workloads.1.model: 'flux' is not in division closed of edition 3.0",
        "c.yaml:10:34: training.workloads.1.accelerator: 'b20' is unknown",
    ]
    (line,) = refuse(good, "training.workloads.0.model=unet4d", families=families)
    assert line == "--mlps-set: training.workloads.0.model: 'unet4d' is not in division whatif of edition 3.0"


def test_other_errors_of_the_same_file_hide_none_of_it(refuse, good, families):
    text = (
        good.replace("unet3d", "unet4d").replace("acme", '"<your organisation>"').replace("fastfs", "fast fs")
        + "      accelerator_count: 3\n"
        + "    - {model: flux, accelerator: b10}\n"
        + "    - {model: unet4d, accelerator: b20, accelerators: 2}\n"
        + "    - nonsense\n"
        + "  reader: {read_treads: 4, read_threads: many}\n"
        + "launch: {launcher: slrm, mpi_args: [--mca, -np, '7', -H]}\n"
    )
    assert refuse(text, "x", families=families, launchers=("openmpi",)) == [
        "c.yaml:3:12: submitter: given '<your organisation>', a placeholder; allowed a value of your own",
        "c.yaml:4:9: system: given 'fast fs'; allowed letters, digits, '.', '_' and '-', not beginning with '.': "
        "it becomes a directory of the results tree",
        "c.yaml:7:14: training.workloads.0.model: 'unet4d' is not in division whatif of edition 3.0",
        "c.yaml:10:7: training.workloads.0.accelerator_count: unknown key; allowed model, accelerator, accelerators, framework, dataset, "
        "reader, train, storage, checkpoint; did you mean 'accelerator'?",
        "c.yaml:11:7: training.workloads.1.accelerators: missing; needed simulated accelerators",
        "c.yaml:11:34: training.workloads.1.accelerator: 'b10' is unknown",
        "c.yaml:12:15: training.workloads.2.model: unet4d stands in entry 0 too; allowed one accelerator of a model",
        "c.yaml:12:15: training.workloads.2.model: 'unet4d' is not in division whatif of edition 3.0",
        "c.yaml:12:36: training.workloads.2.accelerator: 'b20' is unknown",
        "c.yaml:13:7: training.workloads.3: given 'nonsense'; allowed a mapping, such as model: …",
        "c.yaml:14:12: training.reader.read_treads: unknown key; allowed read_threads, transfer_size, odirect, data_loader; "
        "did you mean 'reader.read_threads'?",
        "c.yaml:14:42: training.reader.read_threads: given 'many'; allowed an integer",
        "c.yaml:15:20: launch.launcher: given 'slrm'; allowed auto, openmpi or /path/to/mpirun",
        "c.yaml:15:44: launch.mpi_args.1: given '-np'; accelerators and cluster.hosts say that already",
        "c.yaml:15:54: launch.mpi_args.3: given '-H'; accelerators and cluster.hosts say that already",
        "--mlps-set: given 'x'; allowed KEY=VALUE, such as launch.deadline=2h",
    ]


@pytest.mark.parametrize("division", ["division: closd\n", ""])
def test_where_the_division_is_wrong_only_what_no_division_knows_is_told(division, refuse, good, families):
    text = good.replace("division: whatif\n", division) + "    - {model: flux, accelerator: b20, accelerators: 2}\n"
    lines = refuse(text, families=families)
    assert len(lines) == 2
    assert "division" in lines[0]
    assert lines[1].endswith("training.workloads.1.accelerator: 'b20' is unknown")


def test_an_edition_that_is_unknown_is_told_and_asked_nothing(refuse, good, families):
    (line,) = refuse(good.replace("3.0", "9.9").replace("unet3d", "unet4d"), families=families)
    assert line.startswith("c.yaml:1:10: edition: given '9.9'; allowed 1.0, 2.0, 3.0")


def test_the_edition_that_counts_is_that_of_the_strongest_source(refuse, good, families):
    text = good.replace('edition: "3.0"\n', "").replace("unet3d", "unet4d")
    for arguments, options, edition in ((("edition=2.0",), {}, "2.0"), ((), {"environ": {"MLPS_EDITION": "1.0"}}, "1.0"), ((), {}, "3.0")):
        (line,) = refuse(text, *arguments, families=families, **options)
        assert line.endswith(f"of edition {edition}")


def test_a_misspelt_family_is_told_once(refuse):
    (line,) = refuse("division: closed\nsubmitter: acme\nsystem: box\ntrainning: {}\n")
    assert "did you mean 'training'" in line


def test_a_launcher_by_name_or_path_is_taken(load, good, families):
    for name in ("auto", "openmpi", "/opt/mpi/bin/mpirun"):
        assert load(good + f"launch: {{launcher: {name}}}\n", families=families, launchers=("openmpi",)).launch.launcher == name


def test_a_launcher_is_suggested_where_one_is_near(refuse, good):
    (line,) = refuse(good + "launch: {launcher: openmpy}\n", launchers=("openmpi",))
    assert line == "c.yaml:10:20: launch.launcher: given 'openmpy'; allowed auto, openmpi or /path/to/mpirun; did you mean 'openmpi'?"


def test_no_family_at_all_is_told_with_the_others(refuse, good):
    assert refuse("division: closd\nsubmitter: acme\nsystem: box\n") == [
        "c.yaml:1:1: no workload family is configured; allowed training, kvcache",
        "c.yaml:1:11: division: given 'closd'; allowed closed, open, whatif; did you mean 'closed'?",
    ]
