"""The rank program's own options are taken out before Hydra sees the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlpstorage.dlio.arguments import parse
from pytest_mlpstorage.errors import ConfigurationError


def test_own_options_are_removed_and_the_overrides_keep_their_order():
    found = parse(["--mlps-ranks=2", "workload=x", "--mlps-reader", "raw", "++workload.a=1", "--mlps-evidence=/e"])
    assert found.hydra == ("workload=x", "++workload.a=1")
    assert (found.ranks, found.reader, found.generator, found.evidence) == (2, "raw", "auto", Path("/e"))


def test_an_option_of_hydra_between_two_overrides_is_moved_to_the_end():
    found = parse(["workload=x", "--config-dir", "/c", "++workload.a=1", "--cfg=job"])
    assert found.hydra == ("workload=x", "++workload.a=1", "--config-dir", "/c", "--cfg=job")


@pytest.mark.parametrize("word", ["--mlps-ranks=two", "--mlps-reader=fast", "--mlps-generator=odirect", "--mlps-rank=2"])
def test_a_wrong_option_is_refused_by_name(word):
    with pytest.raises(ConfigurationError, match=word.partition("=")[0]):
        parse([word, "workload=x"])
