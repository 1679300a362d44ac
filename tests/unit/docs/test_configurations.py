"""Each piece of a configuration on a page is one that is taken as it stands."""

import re

import pytest
from written import REPO, pages

_FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FAMILIES = ("training", "checkpointing", "kvcache", "vectordb")
_WHOSE = "division: whatif\nsubmitter: acme\nsystem: fastfs\n"
_SOMETHING = "training:\n  workloads:\n    - {model: unet3d, accelerator: b200, accelerators: 8}\n"

WRITTEN = [
    pytest.param(text, id=f"{page.relative_to(REPO)}-{number}")
    for page in pages()
    for number, text in enumerate(_FENCE.findall(page.read_text(encoding="utf-8")), start=1)
]


def test_there_are_some():
    assert len(WRITTEN) >= 5


@pytest.mark.parametrize("text", WRITTEN)
def test_a_piece_of_yaml_is_a_configuration(text, pytester):
    alone = any(text.startswith(f"{family}:") for family in _FAMILIES)
    pytester.path.joinpath("mine.yaml").write_text(_WHOSE + text + ("" if alone else _SOMETHING), encoding="utf-8")
    result = pytester.runpytest_inprocess("--mlps-config=mine.yaml", "--mlps-show-config", "-p", "no:cacheprovider")
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    result.stdout.fnmatch_lines(["submitter *acme *mine.yaml:2:12"])
