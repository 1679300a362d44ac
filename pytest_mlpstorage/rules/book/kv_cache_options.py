"""Rules on what a KV cache run was started with: options, locks, what each division may vary (sections 6.3.1, 6.3.2, 6.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import KVCacheEdition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import boolean, number
from pytest_mlpstorage.results.kv_cache_records import KVCacheSummary
from pytest_mlpstorage.results.records import KVCacheResult, Leaf, LeafMetadata
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.rules.kv_cache_commands import PARAMETERS, Difference, differences, passes_of, recorded_options
from pytest_mlpstorage.rules.kv_cache_runs import cache_book, rank_results, ranks_of, summary_of, with_metadata
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

_COMMANDS = "command_output_files"

_SEED, _TRIALS, _CONFIG = "another seed", "another number of trials", "a configuration file of its own"

_NO_SCALING = "no autoscaling"

_FROM_THE_TABLE = "max-concurrent-allocs"
"""The one parameter of an option that nobody may vary."""


@rule("6.3.1.1", "kvcacheFixedWorkloadPerOption", subject=KVCacheResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,))
def fixed_workload(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed run makes every pass of every option with just the parameters that the edition gives it.

    The recorded command lines are compared, not the arguments of the tool, which hold its parser's defaults in every closed run.
    """
    run = with_metadata(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, metadata = run
    file = metadata.path or leaf.relpath
    summary = summary_of(result, leaf).record
    options, passes = cache_book(edition).options, passes_of(metadata)
    for number_of_option, option in options.items():
        records = recorded_options(metadata, number_of_option)
        lacking = [flag for flag in PARAMETERS if all(flag not in recorded.values for recorded in records)]
        unsaid = bool(lacking) and all(command.option != number_of_option for command in passes)
        if unsaid and len(lacking) == len(PARAMETERS):
            yield _not_recorded(leaf, summary, number_of_option, option.name, file)
        elif unsaid:
            yield NoEvidence(f"option {number_of_option} has neither a command line nor a record of {', '.join(lacking)}", file)
        different = [difference for recorded in records for difference in differences(recorded, option)]
        for difference in different:
            yield _differs(difference, f"option {number_of_option} ({option.name})", file)
        if records and not different and not unsaid:
            given = sum(any(flag in recorded.values for recorded in records) for flag in PARAMETERS)
            # The older wrapper's command has the number of the option alone: the program then takes its own table.
            what = f"{given} parameters" if given else "none recorded"
            yield Met(f"option {number_of_option}: {what}", "recorded parameters as in the edition's option")
    ran = {command.option for command in passes} | set(summary.options if summary is not None else ())
    for number_of_option in sorted(n for n in ran if n is not None and n not in options):
        yield Finding(
            "an option was run that the edition does not have", measured=number_of_option, required=", ".join(map(str, options)), file=file
        )


def _not_recorded(leaf: Leaf, summary: KVCacheSummary | None, number_of_option: int, name: str, file: str) -> Finding | NoEvidence:
    """An option without a command: not run where the summary and the ranks know nothing of it either, else not to be verified."""
    if summary is not None and number_of_option not in summary.options and all(r.option != number_of_option for r in ranks_of(leaf)):
        return Finding(f"option {number_of_option} ({name}) was not run", file=summary.path, field=f"options.{number_of_option}")
    return NoEvidence(f"no command line of option {number_of_option} is recorded", file)


def _differs(difference: Difference, what: str, file: str) -> Finding:
    if difference.measured is None:
        message = f"{what} was started without --{difference.flag}, so that the program's own default applied"
    else:
        message = f"{what} was run with another {difference.flag}"
    return Finding(message, measured=difference.measured, required=difference.required, file=file, field=difference.field)


@rule("6.3.2.1", "kvcacheClosedSequenceLocks", subject=KVCacheResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,))
def sequence_locks(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed run has the edition's seed, number of trials and pause between options, and no configuration file of its own.

    What was asked for and what the passes and the summary show are both held against it. The configuration file that lies beside
    the tool's own program is part of the tool (its code image is what is checked), and every recorded command names it.
    """
    run = with_metadata(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, metadata = run
    file, cache = metadata.path or leaf.relpath, cache_book(edition)
    summary = summary_of(result, leaf).record
    locks = (f"seed {cache.seed}", f"{cache.trials} trials", f"{cache.inter_option_delay_seconds} s between options")
    for key, sequence_key, what, required, lock in (
        ("seed", "seed", _SEED, cache.seed, locks[0]),
        ("trials", "trials", _TRIALS, cache.trials, locks[1]),
        ("inter_option_delay", "inter_option_delay_s", "another pause between options", cache.inter_option_delay_seconds, locks[2]),
    ):
        asked = [(f"args.{key}", metadata.args.get(key)), _sequence(metadata, sequence_key)]
        given = [(field, value) for field, value in asked if value is not None]
        if not given:
            yield NoEvidence(f"the metadata has no args.{key}", file)
        for field, value in given:
            if number(value) != required:
                yield _unlocked(what, value, required, file, field)
            else:
                yield Met(lock, ", ".join(locks))
    if summary is not None and summary.trials_per_option != cache.trials:
        yield _unlocked(_TRIALS, summary.trials_per_option, cache.trials, summary.path, "trials_per_option")
    yield from _pass_locks(metadata, cache, file)
    configs = [(f"args.{key}", metadata.args.get(key)) for key in ("config", "config_file")]
    for field, value in (*configs, _sequence(metadata, "config")):
        if value:
            yield _unlocked(_CONFIG, value, "none", file, field)
        else:
            yield Met("none", "no configuration file of its own")


def _sequence(metadata: LeafMetadata, key: str) -> tuple[str, object]:
    """What the newest releases record of the sequence."""
    return f"parameters.sequence.{key}", value_at(metadata.parameters, f"sequence.{key}")


def _unlocked(what: str, value: object, required: str | int, file: str, field: str) -> Finding:
    return Finding(f"a closed run has {what}", measured=shown(value), required=required, file=file, field=field)


def _pass_locks(metadata: LeafMetadata, cache: KVCacheEdition, file: str) -> Iterator[Finding | Met]:
    """Seed and configuration of the passes, and how many of them each option had."""
    trials: dict[int, set[int]] = {}
    for command in passes_of(metadata):
        for flag in ("seed-base", "seed"):
            value = command.flags.get(flag)
            if value is not None and number(value) != cache.seed:
                yield _unlocked(_SEED, value, cache.seed, file, _COMMANDS)
        if command.foreign_config is not None:
            yield _unlocked(_CONFIG, command.foreign_config, "the file beside the program", file, _COMMANDS)
        if command.option is not None and command.trial is not None:
            trials.setdefault(command.option, set()).add(command.trial)
    for number_of_option, made in sorted(trials.items()):
        if len(made) != cache.trials:
            yield Finding(
                f"option {number_of_option} was not started as often as a closed run demands",
                measured=len(made),
                required=cache.trials,
                file=file,
                field=_COMMANDS,
            )
        else:
            yield Met(f"{len(made)} starts", f"{cache.trials} starts of each option, by its commands")


@rule("6.3.2.2", "kvcacheAutoscalingProhibited", subject=KVCacheResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,))
def autoscaling_prohibited(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """No pass of a closed run scales itself.

    The command lines and the ranks' own records are asked. The arguments of the tool say that it was on in every closed run, because
    that is the default of its parser; they are not believed.
    """
    run = with_metadata(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, metadata = run
    file = metadata.path or leaf.relpath
    if cache_book(edition).autoscaling:
        yield NotAsked("allowed", "asked where the edition forbids autoscaling")
        return
    passes, ranks = passes_of(metadata), rank_results(result, leaf)
    features = metadata.parameters.get("features")
    if not passes and not ranks and not isinstance(features, Mapping):
        yield NoEvidence("neither a command line nor a rank's file shows whether autoscaling was on", file)
    scaling = [command for command in passes if "enable-autoscaling" in command.flags]
    for _ in scaling:
        yield Finding("a closed pass was started with autoscaling", measured="--enable-autoscaling", file=file, field=_COMMANDS)
    if passes and not scaling:
        yield Met(f"none in {len(passes)} commands", _NO_SCALING)
    recorded = features.items() if isinstance(features, Mapping) else ()
    on = [(key, value) for key, value in recorded if "autoscal" in str(key).lower() and boolean(value) is not False and value is not None]
    for key, value in on:
        yield Finding("a closed run has autoscaling on", measured=shown(value), file=file, field=f"parameters.features.{key}")
    if isinstance(features, Mapping) and not on:
        yield Met("none in the recorded features", _NO_SCALING)
    scaled = [rank for rank in ranks if rank.autoscaled]
    for rank in scaled:
        yield Finding("a rank of a closed run scaled itself", file=rank.path, field="summary.autoscaling_stats")
    if ranks and not scaled:
        yield Met(f"none in {len(ranks)} files of ranks", _NO_SCALING)


@rule("6.6.1", "kvcacheClosedImmutable", subject=KVCacheResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,))
def closed_immutable(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed run varies only where it works and on which machines; its passes have no flag beyond those of their option."""
    run = with_metadata(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, metadata = run
    found = list(_used(leaf, metadata, edition))
    for used in found:
        if isinstance(used, NoEvidence):
            yield used
            continue
        flag, argument, value, file, field = used
        if argument is not None:
            why = "may be varied only in the open division: under open/ the result would be OPEN"
        else:
            why = "may not be varied"
        yield Finding(f"{flag} {why}", measured=value, file=file, field=field)
    if not found:
        yield Met(f"no other in {len(passes_of(metadata))} commands", "flags of an option, and such as vary nothing")


_Used = tuple[str, "str | None", "str | None", str, str]
"""A flag beyond those of an option, the open argument that allows it, its value, file and field."""


def _used(leaf: Leaf, metadata: LeafMetadata, edition: Edition) -> Iterator[_Used | NoEvidence]:
    """Flags of the passes, and overrides, that are neither an option's nor of no consequence. Sorted, each once a pass."""
    file, cache = metadata.path or leaf.relpath, cache_book(edition)
    arguments = {flag: name for name, flags in cache.open_flags.items() for flag in flags} | {name: name for name in cache.open_arguments}
    neutral = {*cache.pass_flags, *cache.closed_arguments, *PARAMETERS}
    passes = passes_of(metadata)
    if not passes:
        yield NoEvidence("no command line of a pass is recorded", file)
    for command in passes:
        for flag in sorted(command.flags.keys() - neutral):
            yield f"--{flag}", arguments.get(flag), (command.flags[flag] or "given")[:80], file, _COMMANDS
    for key, value in sorted(metadata.override_parameters.items()):
        flag = key.replace("_", "-")
        if flag not in neutral or flag in PARAMETERS:
            yield key, arguments.get(flag), shown(value), file, f"override_parameters.{key}"


@rule("6.6.2", "kvcacheOpenAllowances", subject=KVCacheResult, editions=("3.0",), preflight=True, divisions=(Division.OPEN,))
def open_allowances(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """An open run may vary what the edition lists, and what it varied is told; the writes at a time are always those of the option.

    What stands in no list is a warning: the rule says what may be varied, and the tool's own open command offers more.
    """
    run = with_metadata(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, metadata = run
    file, cache = metadata.path or leaf.relpath, cache_book(edition)
    findings: list[Finding] = []
    for number_of_option, option in cache.options.items():
        for recorded in recorded_options(metadata, number_of_option):
            different = differences(recorded, option)
            findings += [_varied(difference, f"option {number_of_option} ({option.name})", file, cache) for difference in different]
            if _FROM_THE_TABLE in recorded.values and all(difference.flag != _FROM_THE_TABLE for difference in different):
                yield Met(f"{option.max_concurrent_allocations} in option {number_of_option}", f"{_FROM_THE_TABLE} of the edition's option")
    for used in _used(leaf, metadata, edition):
        if isinstance(used, NoEvidence):
            yield used
            continue
        flag, argument, value, where, field = used
        findings.append(_told(f"{flag} is set", value, None, where, field, listed=argument is not None))
    yield from findings
    if all(finding.severity is Severity.INFO for finding in findings):
        varied = len({finding.message for finding in findings})
        yield Met(
            f"{varied} difference{'s' * (varied > 1)}, all listed" if varied else "no difference",
            "open division: free in what the edition lists",
        )


def _varied(difference: Difference, what: str, file: str, cache: KVCacheEdition) -> Finding:
    if difference.flag == _FROM_THE_TABLE:
        return _differs(difference, what, file)
    measured = difference.measured or "the program's default"
    message = f"{what} was run with another {difference.flag}"
    return _told(message, measured, difference.required, file, difference.field, listed=difference.flag in cache.open_arguments)


def _told(message: str, measured: str | None, required: str | int | None, file: str, field: str, *, listed: bool) -> Finding:
    if listed:
        severity, category, more = Severity.INFO, Category.OPEN, ""
    else:
        severity, category, more = Severity.WARNING, Category.CLOSED, ", which the list of what an open run may vary does not name"
    return Finding(f"{message}{more}", severity=severity, category=category, measured=measured, required=required, file=file, field=field)
