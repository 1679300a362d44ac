"""Every command that the README and the docs tell people to give does what it should, as far as it can be tried here."""

import re
import shlex
import subprocess

import pytest
from ways import COLLECTED, DRY, ELSEWHERE, FOLLOWED, PARSED, REAL, WAYS, way_of
from written import REPO, commands, commands_of

from pytest_mlpstorage.bootstrap import command as bootstrap

WRITTEN = commands()
DISTINCT = {one.command: one for one in reversed(WRITTEN)}
"""Each command once, with the first place where it stands."""


def tried(*how):
    """The commands that are tried so: those of the README and the first of each way at every push, the others where all is tried."""
    chosen, seen = [], set()
    for command, one in sorted(DISTINCT.items(), key=lambda item: (item[1].page != "README.md", item[1].page, item[1].line)):
        way = way_of(command)
        if way is not None and way.how in how:
            rest = way.how in {REAL, DRY} and one.page != "README.md" and way in seen
            chosen.append(pytest.param(command, id=command, marks=[pytest.mark.full] if rest else []))
            seen.add(way)
    return pytest.mark.parametrize("command", chosen)


def test_blocks_of_bash_and_lines_after_a_prompt_are_commands_and_nothing_else_is():
    page = """
```bash
pytest a --one \\
  --two      # said of it
# a remark
. .venv/bin/activate   # and this
```

```text
$ pytest b -k 'c and d'
29 passed
```

```python
pytest.main()
```

   ```bash
   pytest e
   ```
"""
    assert [(one.line, one.command) for one in commands_of(page)] == [
        (4, "pytest a --one --two"),
        (6, ". .venv/bin/activate"),
        (10, "pytest b -k 'c and d'"),
        (19, "pytest e"),
    ]


def test_there_are_commands_on_every_kind_of_page():
    kinds = {one.page.split("/")[1] if one.page.startswith("docs/") else one.page for one in WRITTEN}
    assert {"README.md", "tutorial", "how-to"} <= kinds
    assert len(DISTINCT) >= 40


def test_each_command_has_a_way_in_which_it_is_tried():
    assert [str(one) for one in WRITTEN if way_of(one.command) is None] == [], "say in ways.py how it is tried"


def test_each_way_is_that_of_a_command_and_says_why_where_nothing_is_tried():
    used = {way_of(command) for command in DISTINCT}
    assert [way.pattern for way in WAYS if way not in used] == []
    assert [way.pattern for way in WAYS if (way.how == ELSEWHERE) != bool(way.reason)] == []


def give(command, folder, surroundings):
    """Give a command in a folder, and look at how it ends; what it said."""
    ours = re.sub(r"(?<![^ ])(benchmarks|rules)/", rf"{REPO}/\1/", command)  # the suites stay where the installed package looks for them
    cache = " -p no:cacheprovider" if re.match(r"(\.venv/bin/)?pytest [^>]*$", command) else ""
    done = subprocess.run(["bash", "-c", ours + cache], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120)
    assert done.returncode in way_of(command).codes, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


@tried(REAL, DRY)
def test_a_command_does_what_it_should(command, here, surroundings):
    give(command, here, surroundings)


@tried(COLLECTED)
def test_a_command_that_measures_names_what_is_there(command, here, pytester, monkeypatch):
    monkeypatch.chdir(here)
    words = shlex.split(command.removeprefix(".venv/bin/").removeprefix("python -m ").removeprefix("pytest "))
    words = [re.sub(r"^benchmarks/", f"{REPO}/benchmarks/", word) for word in words]
    result = pytester.runpytest_inprocess(*words, "--collect-only", "-p", "no:cacheprovider")
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    assert any("<Function test_" in line for line in result.outlines)


@pytest.mark.full
def test_the_tutorial_on_judging_can_be_followed_step_by_step(here, surroundings):
    steps = [one.command for one in commands_of((REPO / "docs" / "tutorial" / "judging.md").read_text(encoding="utf-8"))]
    said = {command: give(command, here, surroundings) for command in steps if way_of(command).how in {REAL, FOLLOWED}}
    assert [command for command in DISTINCT if way_of(command).how == FOLLOWED and command not in said] == []
    (whole,) = [text for command, text in said.items() if command.startswith("pytest rules/ --results-dir=try -n auto")]
    assert "INVALID" in whole
    assert (here / "verdicts" / "verdicts.csv").is_file()
    assert (here / "try.html").is_file()


@tried(PARSED)
def test_the_bootstrap_knows_each_option_that_it_is_given(command, monkeypatch):
    known = []
    monkeypatch.setattr(bootstrap, "_work", lambda options, arguments: known.append((options.command, list(arguments))) or 0)
    monkeypatch.setattr(bootstrap.signal, "signal", lambda *_: None)
    words = shlex.split(command)
    assert words[0] in {"python", "python3"}
    assert words[1:3] == ["-m", "pytest_mlpstorage.bootstrap"]
    assert bootstrap.main(words[3:]) == 0
    ((name, rest),) = known
    assert rest == [] or name != "install"
    assert [word for word in rest if word.startswith("--mlps") and "=" not in word] == []


def test_the_two_commands_of_the_readme_come_first():
    first = [one.command for one in commands_of((REPO / "README.md").read_text(encoding="utf-8"))][:2]
    assert first == ["python3 -m pytest_mlpstorage.bootstrap quick", "python3 -m pytest_mlpstorage.bootstrap test"]
