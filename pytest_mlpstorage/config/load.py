"""All sources to one frozen configuration: option > YAML > environment > (edition, later) > default."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pytest_mlpstorage.config.document import read_document
from pytest_mlpstorage.config.environment import environment_layer, set_variables
from pytest_mlpstorage.config.families import Section, own_settings, read_section
from pytest_mlpstorage.config.hosts import settle_hosts
from pytest_mlpstorage.config.problems import Problems, one_of
from pytest_mlpstorage.config.sections import PLACEHOLDER, ClusterSection, LaunchSection, SuiteSection, host_parts
from pytest_mlpstorage.config.sources import assignments_layer, options_layer
from pytest_mlpstorage.config.suite import ClusterConfig, FamilyConfig, FamilySchema, Given, HostSpec, LaunchConfig, SuiteConfig
from pytest_mlpstorage.config.tree import Fields, Loc, Origin, Scalar, Setting, at, leaves, overlay
from pytest_mlpstorage.config.validate import field_names, validate
from pytest_mlpstorage.units import parse_duration, parse_size
from pytest_mlpstorage.verdict import Division

__all__ = ["load_config"]

_DEFAULT = Origin("default", "default")


def load_config(
    path: Path | None,
    *,
    families: Sequence[FamilySchema],
    options: Mapping[str, object],
    assignments: Sequence[str],
    environ: Mapping[str, str],
    invocation_dir: Path | None = None,
    editions: Sequence[str] = (),
    launchers: Sequence[str] = (),
) -> SuiteConfig:
    """Read, overlay and check everything the user set.

    ``options`` are the plugin's own options by dotted key (``results_dir``; None: not given), ``assignments`` the texts
    of ``--mlps-set``. Relative directories are taken from ``invocation_dir`` (default: the working directory).
    ``editions`` and ``launchers``, where given, are the names that ``edition`` and ``launch.launcher`` may have. Raises
    ConfigurationError whose message holds every error, one a line, as ``file:line:col: key: given …; allowed …; did you
    mean …``; a placeholder is one only beside others, because it collects.
    """
    base = Path.cwd() if invocation_dir is None else invocation_dir
    problems = Problems()
    shown = _shown(path, base) if path is not None else "(no configuration file)"
    document = Fields.of(Origin("default", shown)) if path is None else read_document(path, shown, problems)
    if document is None:
        problems.raise_if_any()
        raise AssertionError("a document that was not read has an error")
    by_name = {schema.family: schema for schema in families}
    sections = {name: read_section(by_name[name], entry, problems) for name, entry in document.entries.items() if name in by_name}
    environment, warnings = environment_layer(environ, families=families, sections=sections, problems=problems)
    assigned = assignments_layer(assignments, families=families, sections=sections, configured_in=shown, problems=problems)
    given_options = options_layer(options, problems)
    _refuse_contradictions(assigned, given_options, problems)

    own = Fields.of(document.origin, {name: entry for name, entry in document.entries.items() if name not in by_name})
    merged = environment
    for layer in (own, assigned, given_options):
        merged = _over(merged, layer, own.origin)
    merged = settle_hosts(merged, environ, base, problems)
    suite = validate(SuiteSection, merged, prefix="", problems=problems, also=tuple(by_name))
    edition, division = _edition(merged, editions, problems), _division(merged)
    configured = {name: section.config(edition, division) for name, section in sections.items()}
    if by_name and not sections and all(name in field_names(SuiteSection) for name in document.entries):
        problems.add(document.origin, "", f"no workload family is configured; allowed {one_of(tuple(by_name))}", code="MLPS-E112")
    _refuse_launcher(merged, launchers, problems)
    _refuse_guessing(merged, problems)
    directories = {name: _directory(getattr(suite, name), base) for name in ("data_dir", "results_dir")} if suite else {}
    if directories:
        _refuse_nested(directories["data_dir"], directories["results_dir"], merged, problems)
    if problems:
        for place in _placeholders(merged, sections):
            problems.add(place.origin, place.key, f"given {place.value!r}, a placeholder; allowed a value of your own", code="MLPS-E120")
    problems.raise_if_any()
    assert suite is not None
    complete = {name: family for name, family in configured.items() if family is not None}
    return SuiteConfig(
        path=path,
        edition=suite.edition,
        division=suite.division,
        submitter=suite.submitter,
        system=suite.system,
        data_dir=directories["data_dir"],
        results_dir=directories["results_dir"],
        cluster=ClusterConfig(
            tuple(HostSpec(*host_parts(host)) for host in suite.cluster.hosts),
            parse_size(suite.cluster.memory_per_host) if suite.cluster.memory_per_host else None,
            suite.cluster.collect,
            suite.cluster.ssh,
        ),
        launch=_launch(suite.launch),
        families=MappingProxyType(complete),
        settings=_settings(suite, merged, directories, sections, complete),
        warnings=warnings,
        placeholders=_placeholders(merged, sections),
        given=Given(tuple(assignments), set_variables(environ), str(base)),
    )


def _shown(path: Path, base: Path) -> str:
    absolute = path if path.is_absolute() else base / path
    try:
        return str(absolute.relative_to(base))
    except ValueError:
        return str(absolute)


def _over(low: Fields, high: Fields, origin: Origin) -> Fields:
    merged = overlay(low, high)
    assert isinstance(merged, Fields)
    return Fields.of(origin, merged.entries)


def _edition(merged: Fields, editions: Sequence[str], problems: Problems) -> str | None:
    """The edition that counts; None (noted) where there is none of that name."""
    if "edition" not in merged.entries:
        return str(SuiteSection.model_fields["edition"].default)
    node = merged.entries["edition"].node
    if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool):
        return None  # told with the other keys of the suite
    if editions and node.text not in editions:
        problems.bad_value("edition", node, one_of(editions), candidates=editions)
        return None
    return node.text


def _division(merged: Fields) -> Division | None:
    node = merged.entries["division"].node if "division" in merged.entries else None
    words = {division.value: division for division in Division}
    return words.get(node.text) if isinstance(node, Scalar) else None


def _refuse_launcher(merged: Fields, launchers: Sequence[str], problems: Problems) -> None:
    node, _, taken = at(merged, ("launch", "launcher"))
    if len(taken) < 2 or not isinstance(node, Scalar) or not isinstance(node.value, str) or not launchers:
        return
    names = ("auto", *launchers)
    if node.text and node.text not in names and "/" not in node.text:
        problems.bad_value("launch.launcher", node, f"{', '.join(names)} or /path/to/mpirun", candidates=names)


def _refuse_guessing(merged: Fields, problems: Problems) -> None:
    """Hosts that are not asked need their memory declared: most sizes follow from it."""
    node, _, taken = at(merged, ("cluster", "collect"))
    if len(taken) == 2 and isinstance(node, Scalar) and node.value == "declared":
        _, _, memory = at(merged, ("cluster", "memory_per_host"))
        if len(memory) < 2:
            what = "given 'declared', without cluster.memory_per_host; allowed mpi, ssh, or both keys"
            problems.add(node.origin, "cluster.collect", what, code="MLPS-E112")


def _refuse_contradictions(assigned: Fields, options: Fields, problems: Problems) -> None:
    for key, scalar in leaves(options):
        way: Loc = tuple(key.split("."))
        node, _, taken = at(assigned, way)
        if len(taken) == len(way) and isinstance(node, Scalar) and node.text != scalar.text:
            problems.add(
                scalar.origin,
                key,
                f"given {scalar.text!r}, and {node.text!r} by {node.origin.where}; allowed one of them",
                code="MLPS-E113",
            )


def _directory(text: str, base: Path) -> Path:
    return Path(os.path.normpath(base / Path(text).expanduser()))


def _refuse_nested(data: Path, results: Path, merged: Fields, problems: Problems) -> None:
    """Data inside results would enter the submission, results inside data would be I/O on the storage under test."""
    if PLACEHOLDER.search(str(data)) or PLACEHOLDER.search(str(results)):
        return
    real_data, real_results = Path(os.path.realpath(data)), Path(os.path.realpath(results))
    if real_data == real_results:
        what = "the same directory as data_dir"
    elif real_data in real_results.parents:
        what = f"inside data_dir {data}"
    elif real_results in real_data.parents:
        what = f"around data_dir {data}"
    else:
        return
    entry = merged.entries.get("results_dir") or merged.entries.get("data_dir")
    origin = entry.node.origin if entry else _DEFAULT
    problems.add(
        origin, "results_dir", f"given {str(results)!r}, {what}; allowed two directories of which none is in the other", code="MLPS-E118"
    )


def _launch(section: LaunchSection) -> LaunchConfig:
    return LaunchConfig(
        launcher=section.launcher,
        deadline_seconds=parse_duration(section.deadline) if section.deadline else None,
        heartbeat_seconds=parse_duration(section.heartbeat),
        stall_warning_seconds=parse_duration(section.stall_warning),
        stall_abort_seconds=parse_duration(section.stall_abort) if section.stall_abort else None,
        sample_interval_seconds=parse_duration(section.sample_interval) or None,
        mpi_args=section.mpi_args,
        oversubscribe=section.oversubscribe,
    )


def _settings(
    suite: SuiteSection,
    merged: Fields,
    directories: Mapping[str, Path],
    sections: Mapping[str, Section],
    complete: Mapping[str, FamilyConfig],
) -> tuple[Setting, ...]:
    settings: list[Setting] = []
    for setting in own_settings(suite, merged, ""):
        if setting.key in directories:
            settings.append(Setting(setting.key, str(directories[setting.key]), setting.origin))
        elif setting.key not in {"cluster", "launch"}:
            settings.append(setting)
    for name, model in (("cluster", ClusterSection), ("launch", LaunchSection)):
        section = getattr(suite, name)
        node = merged.entries[name].node if name in merged.entries else Fields.of(_DEFAULT)
        assert isinstance(node, Fields)
        known = {setting.key: setting for setting in own_settings(section, node, name)}
        for field, info in field_names(model).items():
            key = f"{name}.{field}"
            if field in node.entries:
                settings.append(known[key])
            else:
                default = list(info.default) if isinstance(info.default, tuple) else info.default
                settings.append(Setting(key, default, _DEFAULT))
    for family, section_of in sections.items():
        settings += section_of.settings(complete[family])
    return tuple(settings)


def _placeholders(merged: Fields, sections: Mapping[str, Section]) -> tuple[Setting, ...]:
    """Every text with ``<…>`` in it, also half filled in: ``/mnt/<storage>/data``."""
    scalars = [*leaves(merged), *(pair for section in sections.values() for pair in section.scalars())]
    return tuple(Setting(key, scalar.text, scalar.origin) for key, scalar in scalars if PLACEHOLDER.search(scalar.text))
