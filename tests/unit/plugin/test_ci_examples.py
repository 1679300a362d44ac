"""The ready files for GitHub Actions and GitLab CI: valid by the public schemas, and their judging job does what docs/ci.md says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

from pytest_mlpstorage.report import junit_cases, records

REPO = Path(__file__).parents[3]
sys.path.insert(0, str(REPO / "tests/unit/rules"))

from training_tree import TrainingTree  # noqa: E402 - which the rules are tested with
from whole_tree import write_package  # noqa: E402

DOCS = REPO / "docs"
GITHUB, GITLAB = DOCS / "ci/github-actions.yml", DOCS / "ci/gitlab-ci.yml"
SUITES = {f"--pyargs pytest_mlpstorage.suites.{suite}": str(REPO / suite) for suite in ("rules", "benchmarks")}


def document(path):
    # YAML 1.1 takes the key "on" for a truth value, GitHub does not.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text()).items()}


def scripts(path, job):
    """What a job runs, as one script, and the variables that it runs with."""
    whole = document(path)
    if path == GITHUB:
        work = whole["jobs"][job]
        return "\n".join(step["run"] for step in work["steps"] if "run" in step), {**whole["env"], **work.get("env", {})}
    return "\n".join(whole[job]["script"]), {**whole["variables"], **whole[job].get("variables", {})}


def run(script, folder, environ, **more):
    """Run a script as both systems do: one bash that ends at the first command that fails."""
    for module, where in more.pop("instead", SUITES).items():
        script = script.replace(module, where)
    environ = {**os.environ, **environ, "CI_PROJECT_DIR": str(folder), **more}
    environ.pop("GITHUB_STEP_SUMMARY", None)
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def without_installing(script):
    """The lines of a script without those that install: the tests run where that is done already."""
    return "\n".join(line for line in script.splitlines() if "install" not in line and "-m venv" not in line)


def submission(folder, *, broken=False):
    write_package(folder / "submission")
    if broken:
        TrainingTree.write(folder / "submission", submitter="other").edit_metric(run=2, train_au_mean_percentage=12.0)


@pytest.fixture
def here(tmp_path):
    """A folder with the environment of these tests at the front of the path."""
    return tmp_path, {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize(("path", "schema"), [(GITHUB, "github-workflows.json"), (GITLAB, "gitlab-ci.json")], ids=["github", "gitlab"])
def test_both_files_are_what_the_public_schemas_demand(path, schema):
    package = pytest.importorskip("check_jsonschema", reason="brings the schemas of both systems")
    rules = json.loads((files(package) / "builtin_schemas/vendor" / schema).read_text())
    checked = document(path)
    jsonschema.validate(checked, rules)
    broken = {**checked, "jobs": {"judge": {"steps": "none"}}} if path == GITHUB else {**checked, "judge": {"script": 7}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, rules)


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
@pytest.mark.parametrize("broken", [False, True], ids=["good", "broken"])
def test_the_judging_job_passes_a_good_submission_fails_a_broken_one_and_leaves_its_reports(path, broken, here):
    folder, environ = here
    submission(folder, broken=broken)
    script, variables = scripts(path, "judge")
    done = run(without_installing(script), folder, {**variables, **environ})
    assert done.returncode == (1 if broken else 0), done.stdout + done.stderr
    reports = folder / variables["REPORTS"]
    assert sorted(entry.name for entry in reports.iterdir()) == [
        "junit.xml", "report.html", "submissions.json", "verdicts.csv", "verdicts.json",
    ]  # fmt: skip
    assert {one["verdict"] for one in json.loads((reports / "verdicts.json").read_text())} >= {"CLOSED", *(["INVALID"] if broken else [])}


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_what_is_kept_is_where_the_job_puts_it(path):
    _, variables = scripts(path, "judge")
    whole = document(path)
    if path == GITHUB:
        kept = [step for step in whole["jobs"]["judge"]["steps"] if "upload-artifact" in step.get("uses", "")]
        assert [step["with"]["path"] for step in kept] == ["${{ env.REPORTS }}"]
        assert [step["if"] for step in kept] == ["always()"]
    else:
        artifacts = whole["judge"]["artifacts"]
        assert artifacts["paths"] == [f"{variables['REPORTS']}/"]
        assert artifacts["reports"]["junit"] == f"{variables['REPORTS']}/junit.xml"
        assert artifacts["when"] == "always"


def test_a_folder_without_a_submission_is_wrong_use(here):
    folder, environ = here
    (folder / "submission").mkdir()
    for path in (GITHUB, GITLAB):
        script, variables = scripts(path, "judge")
        assert run(without_installing(script), folder, {**variables, **environ}).returncode == 4


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_the_nightly_job_plans_the_quick_benchmark(path, here):
    folder, environ = here
    (folder / "home").mkdir()
    (folder / "home/venv").symlink_to(Path(sys.executable).parents[1])
    script, variables = scripts(path, "nightly")
    told = {**variables, **environ, "BENCHMARK_HOME": str(folder / "home"), "BENCHMARK_DATA": str(folder / "data")}
    done = run(without_installing(script).rstrip() + " --mlps-dry-run -p no:cacheprovider", folder, told)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 15 launch(es) of 5 case(s) together" in done.stdout
    assert "set nothing" not in done.stderr + done.stdout  # a variable that looks like a setting and is none
    assert sorted(entry.name for entry in (folder / "home").iterdir()) == ["venv"]


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_a_night_that_cannot_be_installed_does_not_keep_the_reports_of_the_last(path, here):
    """A machine of one's own has them still: a runner of GitHub empties no folder that nobody checks out into."""
    folder, environ = here
    (folder / "reports").mkdir()
    (folder / "reports/junit.xml").touch()
    python = folder / "a home/venv/bin/python"  # a path with a blank in it
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho asked: "$@"\nexit 1\n')
    python.chmod(0o755)
    script, variables = scripts(path, "nightly")
    done = run(script, folder, {**variables, **environ, "BENCHMARK_HOME": str(folder / "a home")})
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.startswith("asked: -m pip ")
    assert not (folder / "reports").exists()


def wheel(folder, says):
    """A wheel of the name and version of this package, whose bootstrap says something."""
    folder.mkdir()
    path, info = folder / "pytest_mlpstorage-0.1.0-py3-none-any.whl", "pytest_mlpstorage-0.1.0.dist-info"
    with zipfile.ZipFile(path, "w") as held:
        held.writestr("pytest_mlpstorage/__init__.py", "")
        held.writestr("pytest_mlpstorage/bootstrap.py", f"print('this is {says}')")
        held.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: pytest-mlpstorage\nVersion: 0.1.0\n")
        held.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        held.writestr(f"{info}/RECORD", "\n".join(f"{name},," for name in [*held.namelist(), f"{info}/RECORD"]))
    return path


@pytest.mark.full
@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_a_night_measures_with_what_is_named_now_though_its_version_is_that_of_the_last(path, tmp_path):
    script, variables = scripts(path, "nightly")
    script = script[: script.index("--pyargs")] + "--version"  # the environment has no pytest, and the script ends there
    for says in ("the first", "another"):
        package = wheel(tmp_path / says, says)
        done = run(script, tmp_path, {**variables, "BENCHMARK_HOME": str(tmp_path / "home"), "PACKAGE": str(package)})
        assert f"this is {says}\n" in done.stdout, done.stdout + done.stderr


def test_both_files_do_the_same():
    for job in ("judge", "nightly"):
        one, two = (" ".join(scripts(path, job)[0].replace("\\\n", " ").replace('"', "").split()) for path in (GITHUB, GITLAB))
        assert one == two


def test_the_page_shows_the_command_of_the_files_and_names_the_properties_that_items_have():
    page = (DOCS / "ci.md").read_text()
    shown = re.search(r"```bash\n(pytest --pyargs pytest_mlpstorage\.suites\.rules .*?)```", page, re.DOTALL)[1]
    script, variables = scripts(GITHUB, "judge")
    asked = script.replace('"', "").replace("\\\n", " ")
    for name, value in variables.items():
        asked = asked.replace(f"${name}", value)
    assert " ".join(shown.replace("\\\n", " ").split()) in " ".join(asked.split())
    known = {value for name, value in vars(records).items() if name.isupper() and isinstance(value, str)} | {
        "mlps_verdict <path>", "mlps_change <metric>", "mlps_findings_in_all", "mlps_left_out",
    }  # fmt: skip
    assert set(re.findall(r"`(mlps_[^`]+)`", page)) <= known
    kept = {name for name in known if re.fullmatch(r"mlps_\w+", name)} - junit_cases._TRAVELLING
    assert [name for name in sorted(kept) if f"`{name}`" not in page] == []
    assert all((DOCS / path).is_file() for path in re.findall(r"\]\(((?:ci|errors)/[^)]+)\)", page))


@pytest.mark.full
@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=["github", "gitlab"])
def test_the_judging_job_runs_as_it_stands_in_a_fresh_environment(path, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    clone = tmp_path / "clone"
    kept = ("pytest_mlpstorage", "benchmarks", "rules", "configs", "pyproject.toml", "README.md", "LICENSE", "docs", "conftest.py")
    clone.mkdir()
    for name in kept:
        source = REPO / name
        shutil.copytree(source, clone / name) if source.is_dir() else shutil.copy(source, clone / name)
    submission(tmp_path, broken=True)
    script, variables = scripts(path, "judge")
    told = {**variables, "PATH": f"{tmp_path / 'venv/bin'}:{os.environ['PATH']}", "PACKAGE": str(clone)}
    done = run(script, tmp_path, told, instead={})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "INVALID" in done.stdout
    assert (tmp_path / "reports/report.html").is_file()
