"""Rules of round 1.0 on what a run was told: its workload, what was overridden, the template behind it (rules.md §2.10, §3.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.nested import dotted
from pytest_mlpstorage.results.coerce import native
from pytest_mlpstorage.results.records import Leaf, TrainingResult
from pytest_mlpstorage.results.run_config_v1 import RunConfig
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs_v1 import configured_runs, lacks_config, lacks_overrides
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

_ABSENT = "absent"


@rule("V1-3", "workloadOverride", subject=TrainingResult, editions=("1.0",))
def workload_override(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The overrides of every run name one workload, ``<model>_<accelerator>``, that the round has."""
    for leaf, config in configured_runs(result):
        if config is None or config.overrides is None:
            yield _no_overrides(leaf, config)
        elif config.workload is None:
            yield Finding(
                "the overrides of a run do not name one workload",
                measured=", ".join(config.workloads)[:80] or _ABSENT,
                required="workload=<model>_<accelerator>",
                file=config.overrides_file,
                field="workload",
            )
        else:
            yield from _known_workload(result, edition, config)


def _no_overrides(leaf: Leaf, config: RunConfig | None) -> Finding | NoEvidence:
    file = f"{leaf.relpath}/{leaf.config_folder}/overrides.yaml" if config is None else config.overrides_file
    if file.removeprefix(f"{leaf.relpath}/") in leaf.pruned:
        return NoEvidence("the overrides were removed by their publisher", file, withheld=True)
    damage = next((problem.message for problem in leaf.problems if problem.file == file), None)
    if damage is not None:
        return Finding(f"the overrides of a run cannot be read: the file {damage}", file=file)
    return Finding(
        "a run has no overrides, so which workload it ran is not known", required=f"{leaf.config_folder}/overrides.yaml", file=leaf.relpath
    )


def _known_workload(result: TrainingResult, edition: Edition, config: RunConfig) -> Iterator[Finding | Met]:
    training = edition.training
    reason = training.why_not(config.model or "", config.accelerator or "", result.division)
    if reason is not None:
        yield Finding(
            f"the workload of a run is none of the round: {reason}"[:300],
            measured=shown(config.workload),
            required="<model>_<accelerator>",
            file=config.overrides_file,
            field="workload",
        )
    else:
        yield Met(f"{shown(config.workload)}", f"<model>_<accelerator> of the round, in the {result.division.value} division")


@rule("V1-5", "allowedParameters", subject=TrainingResult, editions=("1.0",))
def allowed_parameters(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A run overrides only parameters that its division allows, or those that the launcher itself sets.

    Keys that begin with ``workflow`` are not judged. One that only the open division allows makes a closed result invalid; it
    would be OPEN under the open division.
    """
    closed = result.division is Division.CLOSED
    lists = "closed list" if closed else "closed and open list"
    for leaf, config in configured_runs(result):
        if config is None or config.overrides is None:
            yield lacks_overrides(leaf)
            continue
        found = list(_overrides(config, config.overrides, edition, closed=closed))
        yield from found
        if _harmless(found):
            yield Met(f"{len(config.overrides)} overrides", f"only keys of the {lists}, the launcher or workflow")


def _harmless(found: list[Finding]) -> bool:
    return all(finding.severity is Severity.INFO for finding in found)


def _overrides(config: RunConfig, given: Mapping[str, str], edition: Edition, *, closed: bool) -> Iterator[Finding]:
    for key, value in sorted(given.items()):
        category = edition.training.key_category(key)
        if category is Category.INVALID:
            yield _refused(config, key, value, "is in no list of parameters that a submission may set")
        elif category is Category.OPEN and closed:
            yield _refused(config, key, value, "is allowed only in the open division: there the result would be OPEN")
        elif category is Category.OPEN:
            yield Finding(
                f"{key} is set, which only the open division allows",
                severity=Severity.INFO,
                category=Category.OPEN,
                measured=shown(value),
                file=config.overrides_file,
                field=f"workload.{key}",
            )
    for entry in config.foreign:
        yield Finding(
            "an override is none of the workload", measured=shown(entry), required="workload.<key>=<value>", file=config.overrides_file
        )


def _refused(config: RunConfig, key: str, value: str, why: str) -> Finding:
    return Finding(f"{shown(key)} {why}", measured=shown(value) or "nothing", file=config.overrides_file, field=f"workload.{shown(key)}")


@rule("V1-12", "templateUntouched", subject=TrainingResult, editions=("1.0",))
def template_untouched(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The workload of every run is the released template of its model and accelerator, but for what its overrides changed.

    A key that differs without standing in the overrides was edited in the template. That fails even where the key could have
    been overridden: the edit would show nowhere. In the open division a key that only that division allows may differ.
    """
    apart = "overrides" if result.division is Division.CLOSED else "overrides and the open list"
    for leaf, config in configured_runs(result):
        if config is None or config.parameters is None:
            yield lacks_config(leaf)
        elif config.overrides is None:
            yield lacks_overrides(leaf)
        else:
            template = edition.training.templates.get((config.model or "", config.accelerator or ""))
            if template is None:
                yield NoEvidence(
                    f"there is no released template {shown(config.workload) or 'of an unknown workload'}", config.overrides_file
                )
            else:
                released = dict(dotted(template.parameters))
                found = list(_edits(result, edition, config, released))
                yield from found
                if _harmless(found):
                    yield Met(f"{len(released.keys() - config.overrides)} parameters", f"the released template's, but for {apart}")


def _edits(result: TrainingResult, edition: Edition, config: RunConfig, released: dict[str, object]) -> Iterator[Finding]:
    used = {str(key): value for key, value in dotted(config.parameters or {})}
    told = config.overrides or {}
    for key in sorted(used.keys() | released.keys()):
        if key in told or (key in used and key in released and _same(used[key], released[key])):
            continue
        if result.division is not Division.CLOSED and key in edition.training.open_keys:
            message = f"the workload template differs from the released one in {shown(key)}, which the open division allows"
            severity, category = Severity.INFO, Category.OPEN
        else:
            message = f"the workload template was edited: {shown(key)} differs from the released one and is not among the overrides"
            severity, category = Severity.ERROR, Category.INVALID
        measured, required = (shown(values[key]) or "null" if key in values else _ABSENT for values in (used, released))
        yield Finding(message, severity, category, measured, required, config.config_file, f"workload.{shown(key)}")


def _same(one: object, other: object) -> bool:
    """Equal in value and in kind: ``0.90`` is 0.9, a text that holds a number is that number, true is not 1."""
    one, other = native(one), native(other)
    return isinstance(one, bool) == isinstance(other, bool) and one == other
