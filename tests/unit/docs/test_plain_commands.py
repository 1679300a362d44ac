"""The page on installing says what the bootstrap does, command by command."""

from written import REPO, commands_of

from pytest_mlpstorage.bootstrap.command import pytest_command
from pytest_mlpstorage.bootstrap.environment import steps
from pytest_mlpstorage.bootstrap.locks import CLONE, Choice

PAGE = (REPO / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")
PLAIN = [one.command for one in commands_of(PAGE[PAGE.index("## The plain commands") :])][:6]


def shown(words):
    """A command with the paths of this clone as a reader in it writes them."""
    return " ".join("." if word == str(CLONE) else word.removeprefix(f"{CLONE}/") for word in words)


def test_the_plain_commands_are_those_of_the_bootstrap_in_its_order():
    made = [shown(("pip", *step.arguments)) for step in steps((3, 11), Choice(dlio=True, tests=False), torch=(), clone=CLONE)]
    assert made == [command for command in PLAIN if command.startswith("pip ")]


def test_the_tests_need_the_lock_that_the_page_names():
    *_, last = steps((3, 11), Choice(dlio=True, tests=True), torch=(), clone=CLONE)
    (fourth,) = [command for command in PLAIN if "dlio-py311" in command]
    added = "-r pytest_mlpstorage/dlio/locks/test-py311.txt"
    assert shown(("pip", *last.arguments)) == fourth.replace(" -e .", f" {added} -e .")
    assert f"`{added}` is added to the fourth line" in PAGE


def test_the_quick_run_is_the_pytest_that_the_page_shows():
    made = pytest_command("python", "quick", [], directory=CLONE)
    assert sorted(made[2:]) == sorted(PLAIN[-1].split())
