"""What ``MLPS_…`` variables set: suite keys, and the official parameters of the families that are configured.

The name of a variable is the dotted key in upper case with ``_`` for dots and dashes: ``launch.deadline`` is
``MLPS_LAUNCH_DEADLINE``, ``reader.read_threads`` of training is ``MLPS_TRAINING_READER_READ_THREADS``. Entries of a
family's list have no variables: they stand in the YAML. Names come from the key lists, never from an engine.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from pytest_mlpstorage.config.document import parse_value
from pytest_mlpstorage.config.families import Section
from pytest_mlpstorage.config.problems import Problems
from pytest_mlpstorage.config.sources import insert, suite_keys
from pytest_mlpstorage.config.suite import FamilySchema
from pytest_mlpstorage.config.tree import Entry, Fields, Origin
from pytest_mlpstorage.config.validate import field_names

__all__ = ["environment_layer", "family_keys", "set_variables", "variable_of"]

_PREFIX: Final = "MLPS_"
# Read by others: where torch comes from when the environment is made, and what the launcher tells its ranks.
_NOT_OURS: Final = frozenset(
    {"MLPS_TORCH_SOURCE", "MLPS_RUN_ID", "MLPS_PROGRESS", "MLPS_GUARD", "MLPS_RANK_NAME", "MLPS_SAMPLER", "MLPS_DLIO_WORKER_LOG"}
)
_LIKENESS: Final = 0.85
_SUGGESTED: Final = 3


def variable_of(key: str) -> str:
    """The variable of a dotted key."""
    return _PREFIX + key.replace(".", "_").replace("-", "_").upper()


def set_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are there to set a key, sorted by name; an empty one counts as unset."""
    return {name: environ[name] for name in sorted(environ) if name.startswith(_PREFIX) and name not in _NOT_OURS and environ[name]}


def family_keys(schema: FamilySchema) -> tuple[str, ...]:
    """Keys of a family that a variable may set: the section's own and the official ones that no entry has for itself."""
    entry = field_names(schema.item_model) if schema.item_model else {}
    return tuple(dict.fromkeys([*field_names(schema.model), *(key for key in schema.official_keys if key not in entry)]))


def environment_layer(
    environ: Mapping[str, str], *, families: Sequence[FamilySchema], sections: Mapping[str, Section], problems: Problems
) -> tuple[Fields, tuple[str, ...]]:
    """What variables set of the suite's keys, and one warning about those that set nothing; an empty variable counts as unset.

    What they set of a family's keys goes into its section, below all else that is there.
    """
    layer = Fields.of(Origin("environment", "MLPS_…"))
    ours = set_variables(environ)
    if not ours:
        return layer, ()
    meanings = _meanings(
        [*((None, key) for key in suite_keys()), *((name, key) for name in sections for key in family_keys(sections[name].schema))]
    )
    idle = _meanings([(schema.family, key) for schema in families if schema.family not in sections for key in family_keys(schema)])
    unknown: list[str] = []
    for variable in ours:
        found = meanings.get(variable, ())
        if not found:
            unknown.append(_unknown(variable, meanings, idle))
            continue
        origin, shown = Origin("environment", variable), [f"{family}.{key}" if family else key for family, key in found]
        if len(found) > 1:
            what = f"means {' or '.join(shown)}; allowed a name of one key: set it in the YAML or with --mlps-set"
            problems.add(origin, "", what, code="MLPS-E110")
            continue
        (family, key), node = found[0], parse_value(environ[variable], origin, shown[0], problems)
        if node is None:
            continue
        if family is None:
            layer = insert(layer, key, node, origin)
        else:
            sections[family].take_variable(key, Entry(origin, node))
    return layer, (f"environment variables that set nothing: {', '.join(unknown)}",) if unknown else ()


_Meanings = Mapping[str, Sequence[tuple[str | None, str]]]


def _meanings(keys: Sequence[tuple[str | None, str]]) -> _Meanings:
    found: dict[str, list[tuple[str | None, str]]] = {}
    for family, key in keys:
        found.setdefault(variable_of(f"{family}.{key}" if family else key), []).append((family, key))
    return found


def _unknown(variable: str, meanings: _Meanings, idle: _Meanings) -> str:
    """A variable that sets nothing, with the reason or with what it was probably meant to be."""
    if variable in idle:
        return f"{variable} ({idle[variable][0][0]} is not configured)"
    near = _nearest(variable, meanings)
    return f"{variable} (did you mean {' or '.join(map(repr, near))}?)" if near else variable


def _nearest(variable: str, meanings: _Meanings) -> Sequence[str]:
    """Variables that another was meant to be: with the family or the group left out, or nearly right as a whole.

    All names begin alike, so what they share at the beginning is no likeness.
    """
    word = variable.removeprefix(_PREFIX)
    short = [name for name, keys in meanings.items() if any(word in _short_forms(family, key) for family, key in keys)]
    if short:
        return short[:_SUGGESTED]
    tails = {name: name.removeprefix(_PREFIX) for name in meanings}
    close = difflib.get_close_matches(word, tails.values(), n=1, cutoff=_LIKENESS)
    return [name for name, tail in tails.items() if tail in close and _alike(word, tail)]


def _short_forms(family: str | None, key: str) -> set[str]:
    """A name without its family, without its group, without both."""
    group, _, last = key.rpartition(".")
    forms = [[last], [group, last], [family or "", last]]
    return {"_".join(filter(None, form)).replace(".", "_").replace("-", "_").upper() for form in forms}


def _alike(word: str, known: str) -> bool:
    """Whether two names are alike also in what follows their common beginning."""
    begin = 0
    while begin < min(len(word), len(known)) and word[begin] == known[begin]:
        begin += 1
    ours, theirs = word[begin:], known[begin:]
    return max(len(ours), len(theirs)) <= 2 or difflib.SequenceMatcher(None, ours, theirs).ratio() >= 0.5
