"""What workers answered, read again for the recall."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.vectordb import run_recall


@pytest.mark.parametrize("kept", [0, 100, 2000, -1])
def test_a_file_of_answers_that_is_cut_short_is_told_by_its_name(tmp_path, kept):
    file = tmp_path / "answers-r0-w0.npz"
    np.savez(file, steady_numbers=np.arange(50), steady_ids=np.zeros((50, 10), np.int64))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ValidationError) as caught:
        run_recall._answered(tmp_path, "steady", 10)
    assert caught.value.details == {"file": file}
