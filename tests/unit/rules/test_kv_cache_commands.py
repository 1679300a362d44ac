"""Recorded command lines of KV cache passes: the forms that were seen, and what may stand in a foreign file."""

import json
from pathlib import Path

import pytest
from kv_cache_tree import OPTIONS, PROGRAM, command

from pytest_mlpstorage.results.metadata import CommandOutput, LeafMetadata
from pytest_mlpstorage.rules.kv_cache_commands import differences, parse_command, passes_of, recorded_options

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"


def metadata(*commands, parameters=None):
    outputs = tuple(CommandOutput(text, "", "") for text in commands)
    return LeafMetadata(command_output_files=outputs, parameters=parameters or {})


@pytest.mark.parametrize("form", ["wrapper", "native", "older"])
def test_a_pass_says_which_option_and_trial_it_is_in_every_form(form):
    parsed = parse_command(command(form, "/results/leaf", 2, 1))
    assert (parsed.option, parsed.trial, parsed.processes, parsed.per_node) == (2, 1, 4, 2)
    assert parsed.by_table == (form == "older")
    assert parsed.foreign_config is None


def test_the_parameters_of_a_pass_are_read_as_they_were_given():
    parsed = parse_command(command("wrapper", "/results/leaf", 3, 0))
    assert parsed.program == PROGRAM
    assert parsed.flags["model"] == "llama3.1-70b-instruct"
    assert parsed.flags["max-concurrent-allocs"] == "4"
    assert differences(*recorded_options(metadata(command("wrapper", "/l", 3, 0)), 3), OPTIONS[3]) == ()


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("w.py --model=a --num_users 5", {"model": "a", "num-users": "5"}),
        ("w.py --model a --model b", {"model": "b"}),
        ("w.py --model a --enable-rag --seed 1", {"model": "a", "enable-rag": None, "seed": "1"}),
        ("w.py --model 'a b' --duration", {"model": "a b", "duration": None}),
        ("w.py --model 'a b", {"model": "'a"}),
        ("w.py --model= --", {"model": ""}),
        ("python -m kv.cache --option 1 x --trial -1", {"option": "1", "trial": "-1"}),
        ("--model a -n 4", {"model": "a"}),
    ],
)
def test_flags_are_read_as_a_parser_of_arguments_reads_them(text, flags):
    assert parse_command(text).flags == flags


@pytest.mark.parametrize(
    "text", ["", "hostname", "mpirun -n 4 python collect.py --format json", "--model " + "x" * 20_000, "w.py -model a"]
)
def test_what_is_no_pass_is_none(text):
    assert parse_command(text) is None


def test_the_longest_command_that_is_read_has_sixteen_kilobytes():
    longest = "w.py --model ".ljust(16 * 1024, "x")
    assert parse_command(longest) is not None
    assert parse_command(longest + "x") is None


@pytest.mark.parametrize(
    ("text", "log", "place"),
    [
        ("w.py --rank-output-base /l/option_1/trial_2", "", (1, 2)),
        ("w.py --rank-output-base=option_1/trial_2/", "", (1, 2)),
        ("w.py --output /l/option_3/trial_0/rank_7/x.json", "", (3, 0)),
        ("w.py --base-output-dir /l/option_3", "", (3, None)),
        ("w.py --option 2 --base-output-dir /l", "", (2, None)),
        ("w.py --option 2 --base-output-dir /l/option_1/trial_1", "", (2, 1)),
        ("w.py --option two --base-output-dir /l/option_1/trial_1", "", (1, 1)),
        ("w.py --model a", "/l/kvcache_opt2_trial1_20260721_002332.stdout.log", (2, 1)),
        ("w.py --model a --output /x", "/l/run.log", (None, None)),
        ("w.py --model a --output /x/suboption_1/trial_1", "", (None, None)),
        ("w.py --model a --output", "", (None, None)),
    ],
)
def test_option_and_trial_are_found_by_number_then_by_directory_then_by_log(text, log, place):
    parsed = parse_command(text, log)
    assert (parsed.option, parsed.trial) == place


@pytest.mark.parametrize(
    ("launcher", "counts"),
    [
        ("mpirun -n 8", (8, None)),
        ("mpirun -np 8 --npernode 4", (8, 4)),
        ("mpiexec -ppn 2 -n 8", (8, 2)),
        ("mpirun -n many", (None, None)),
        ("mpirun -n", (None, None)),
        ("", (None, None)),
    ],
)
def test_the_counts_of_the_launcher_are_read_before_the_program_only(launcher, counts):
    parsed = parse_command(f"{launcher} python w.py --model a -n 99 --npernode 98")
    assert (parsed.processes, parsed.per_node) == counts


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("/t/w.py --model a --config /t/config.yaml", None),
        ("/t/w.py --model a --config /t/../t/other.yaml", None),
        ("/t/x/../w.py --model a --config /t/config.yaml", None),
        ("/t/w.py --model a --config", None),
        ("/t/w.py --model a --config /u/config.yaml", "/u/config.yaml"),
        ("/t/w.py --model a --config /t/u/config.yaml", "/t/u/config.yaml"),
        ("w.py --model a --config config.yaml", None),
        ("python -m package --model a --config config.yaml", "config.yaml"),
    ],
)
def test_only_the_configuration_beside_the_program_is_the_tools_own(text, foreign):
    assert parse_command(text).foreign_config == foreign


def test_only_the_first_five_hundred_commands_of_a_run_are_read():
    passes = passes_of(metadata(*[f"w.py --option {n}" for n in range(501)]))
    assert len(passes) == 500
    assert passes[-1].option == 499


def test_a_parameter_that_is_not_given_took_the_programs_default():
    (recorded,) = recorded_options(metadata("w.py --rank-output-base option_1/trial_0 --model llama3.1-8b"), 1)
    assert [(d.flag, d.measured) for d in differences(recorded, OPTIONS[1])] == [
        ("num-users", None), ("duration", None), ("gpu-mem-gb", None), ("cpu-mem-gb", None),
        ("max-concurrent-allocs", None), ("generation-mode", None),
    ]  # fmt: skip


def test_a_pass_by_the_programs_table_and_the_newest_record_are_judged_by_what_they_say():
    parameters = {"options": {"2": {"num_users": "100", "cpu_mem_gb": 4.0, "other": 1}, "3": "x"}}
    own = metadata("w.py --option 2 --num-users 7", parameters=parameters)
    by_table, newest = recorded_options(own, 2)
    assert [(d.flag, d.measured, d.required, d.field) for d in differences(by_table, OPTIONS[2])] == [
        ("num-users", "7", 100, "command_output_files")
    ]
    assert differences(newest, OPTIONS[2]) == ()
    assert newest.field == "parameters.options.2"
    assert recorded_options(own, 3) == ()
    assert recorded_options(metadata(parameters={"options": [1]}), 1) == ()


@pytest.mark.parametrize("wrong", [None, [], {"a": 1}, True, "none ", float("nan")])
def test_a_value_of_any_kind_is_another_than_the_tables(wrong):
    own = metadata(parameters={"options": {"1": {"model": wrong, "num_users": wrong}}})
    (recorded,) = recorded_options(own, 1)
    assert {d.flag for d in differences(recorded, OPTIONS[1])} == {"model", "num-users"}


def test_every_command_of_the_published_runs_is_its_options():
    found = list(CORPORA.glob("v3.0/*/*/results/*/kv_cache/*/run/*/*metadata.json")) if CORPORA.is_dir() else []
    if not found:
        pytest.skip("the published round v3.0 is not beside this checkout")
    for path in found:
        record = LeafMetadata.from_json(json.loads(path.read_text()))
        passes = passes_of(record)
        assert passes
        assert all(p.option in OPTIONS and p.trial in (0, 1, 2) for p in passes)
        for number, option in OPTIONS.items():
            assert all(differences(recorded, option) == () for recorded in recorded_options(record, number))
