"""Which file ``--mlps-config=NAME`` means."""

import pytest

from pytest_mlpstorage.config import find_config
from pytest_mlpstorage.errors import ConfigurationError


@pytest.fixture
def places(tmp_path):
    """A directory where pytest was started, and one of shipped configurations."""
    here, shipped = tmp_path / "here", tmp_path / "shipped"
    for place, names in ((here, ["mine.yaml"]), (shipped, ["closed.yaml", "open.yaml", "quick.yaml"])):
        place.mkdir()
        for name in names:
            (place / name).write_text("division: whatif\n")
    return here, shipped


def _find(places, name):
    here, shipped = places
    return find_config(name, invocation_dir=here, config_dirs=[shipped, here / "no-such-directory"])


def test_a_file_that_exists_is_meant(places):
    here, shipped = places
    assert _find(places, "mine.yaml") == here / "mine.yaml"
    assert _find(places, str(shipped / "open.yaml")) == shipped / "open.yaml"
    assert _find(places, "../shipped/open.yaml").samefile(shipped / "open.yaml")


def test_a_shipped_one_is_found_by_its_name_with_or_without_yaml(places):
    _, shipped = places
    assert _find(places, "closed.yaml") == shipped / "closed.yaml"
    assert _find(places, "closed") == shipped / "closed.yaml"


def test_a_file_here_goes_before_the_shipped_one_of_its_name(places):
    here, _ = places
    (here / "closed.yaml").write_text("division: closed\n")
    assert _find(places, "closed.yaml") == here / "closed.yaml"


def test_home_is_expanded(places, monkeypatch):
    here, _ = places
    monkeypatch.setenv("HOME", str(here))
    assert _find(places, "~/mine.yaml") == here / "mine.yaml"


def test_a_dangling_link_is_meant_and_left_to_the_reader_to_refuse(places):
    here, _ = places
    (here / "link.yaml").symlink_to("nothing")
    assert _find(places, "link.yaml") == here / "link.yaml"


OFFERED = "allowed a YAML file, or one of mine.yaml, closed.yaml, open.yaml, quick.yaml"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clsoed.yaml", f"--mlps-config: given 'clsoed.yaml', which is no file; {OFFERED}; did you mean 'closed.yaml'?"),
        ("Quick", f"--mlps-config: given 'Quick', which is no file; {OFFERED}; did you mean 'quick.yaml'?"),
        ("configs/open.yaml", f"--mlps-config: given 'configs/open.yaml', which is no file; {OFFERED}; did you mean 'open.yaml'?"),
        ("zzz", f"--mlps-config: given 'zzz', which is no file; {OFFERED}"),
        ("", f"--mlps-config: given nothing; {OFFERED}"),
        ("a\0b", f"--mlps-config: given 'a\\x00b', which is no file; {OFFERED}"),
        ("x" * 5000, f"--mlps-config: given '{'x' * 200}', which is no file; {OFFERED}"),
        ("~nobody-here-x/c.yaml", "--mlps-config: given '~nobody-here-x/c.yaml'; Could not determine home directory."),
    ],
)
def test_a_name_that_means_nothing_gets_the_nearest(name, message, places):
    with pytest.raises(ConfigurationError) as caught:
        _find(places, name)
    assert caught.value.message == message


def test_where_nothing_is_offered_the_message_does_not_pretend(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        find_config("x.yaml", invocation_dir=tmp_path, config_dirs=[])
    assert caught.value.message == "--mlps-config: given 'x.yaml', which is no file; allowed a YAML file"
