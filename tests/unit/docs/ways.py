"""How each command of the docs is tried: for real, as far as a dry run goes, or by whom else, with the reason.

The first pattern that a command fits as a whole is its way; a command that fits none is a test that fails.
"""

from __future__ import annotations

import dataclasses
import re

REAL = "for real"
DRY = "with --mlps-dry-run, as it stands"
COLLECTED = "with --collect-only"
PARSED = "its options are parsed"
FOLLOWED = "a step of a tutorial, which is followed as a whole"
ELSEWHERE = "elsewhere"


@dataclasses.dataclass(frozen=True)
class Way:
    """A pattern of commands and how they are tried; ``codes`` are the exit codes that are right, ``reason`` why it is not tried here."""

    pattern: str
    how: str
    codes: tuple[int, ...] = (0,)
    reason: str = ""


WAYS = (
    # -- what others run for real, or what cannot be had here
    Way(r"python3? -m pytest_mlpstorage\.bootstrap (quick|test|install)( .*)?", PARSED),
    Way(
        r"(pip|python3? -m pip) (install|wheel) .*",
        ELSEWHERE,
        reason="needs a package index; .ci/run installs, the sections distributions and installed of .ci/full build the wheel and install it",
    ),
    Way(r"python3 -m venv .*", ELSEWHERE, reason="makes an environment, as the first step of .ci/run does"),
    Way(r"\. \.venv/bin/activate", ELSEWHERE, reason="for a shell of one's own; .ci/run uses the environment's programs by their paths"),
    Way(r"python -m pytest_mlpstorage\.dlio\.probe", ELSEWHERE, reason="needs DLIO and torch; the bootstrap of .ci/run ends with it"),
    Way(r"pytest --pyargs .*", ELSEWHERE, reason="needs an installed wheel; the section installed of .ci/full runs it"),
    Way(r"(salloc|sbatch) .*", ELSEWHERE, reason="needs Slurm; tests/real/test_slurm.py runs in allocations of one"),
    Way(r'eval "\$\(register-python-argcomplete pytest\)"', ELSEWHERE, reason="for a shell of one's own, with the extra completion"),
    Way(
        r"\.ci/(tag|release) v\d+\.\d+\.\d+",
        ELSEWHERE,
        reason="tests/unit/packaging/test_version.py does it in clones of its own; the section distributions of .ci/full rehearses it",
    ),
    # -- cheap enough to be run
    Way(r"cp configs/closed\.yaml mine\.yaml", REAL),
    Way(r"pytest rules/ --mlps-list-rules( > docs/rules\.md)?", REAL),
    Way(r"pytest benchmarks/ --mlps-config=\S+ --(mlps-show-config|mlps-describe-system|fixtures)", REAL),
    Way(r"pytest rules/ --results-dir=(SUBMISSION|DIR|NEW|(\./)?mlps-results)( .*)?", REAL),
    Way(r"python -m pytest_mlpstorage\.(history|package) .*", REAL),
    Way(r"python -m pytest_mlpstorage\.(reference|error_codes) \S+( README\.md)?", REAL),
    Way(r"mkdir try|cp -r mlps-results/(whatif try/closed|code-images try/)", FOLLOWED),
    Way(r"pytest rules/ --results-dir=try .*", FOLLOWED, codes=(0, 1)),
    # -- what would measure: as far as it goes without
    Way(r"(\.venv/bin/)?pytest benchmarks/ --mlps-config=\S+ --mlps-dry-run( --mlps-set system=\S+)?", DRY),
    Way(r"(\.venv/bin/)?(python -m )?pytest benchmarks/\S* --mlps-config=\S+( .*)?", COLLECTED),
)


def way_of(command: str) -> Way | None:
    """The way of a command; None where nobody has said one."""
    return next((way for way in WAYS if re.fullmatch(way.pattern, command)), None)
