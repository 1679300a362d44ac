"""A figure of a foreign tree that no arithmetic takes costs a picture and a line: no item of a rule, and no other picture."""

import pytest
from checkpointing_tree import CheckpointingTree
from kv_cache_tree import KVCacheTree
from training_tree import TrainingTree
from vector_database_tree import VectorDatabaseTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.report.pictures import picture_html
from pytest_mlpstorage.rules import pictures
from pytest_mlpstorage.rules.pictures import pictures_of

BOOK = edition("3.0")
FAMILIES = (TrainingTree, CheckpointingTree, VectorDatabaseTree, KVCacheTree)
ARITHMETIC = (OverflowError("math range error"), ZeroDivisionError("division by zero"), ValueError("no values"))


def raising(error):
    def make(*_given):
        raise error

    return make


def titles(made):
    return [picture.title for picture in made]


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_of_a_sound_result_need_no_such_line(family, tmp_path):
    made = pictures_of(family.write(tmp_path).read(), BOOK)
    assert made
    assert not [sentence for picture in made for sentence in picture.says if sentence.startswith("Not drawn")]


@pytest.mark.parametrize("error", ARITHMETIC, ids=lambda error: type(error).__name__)
def test_what_cannot_be_made_of_the_figures_of_a_tree_is_a_line_and_all_else_is_there(monkeypatch, tmp_path, error):
    result = TrainingTree.write(tmp_path).read()
    whole = pictures_of(result, BOOK)
    first, *others = pictures._FAMILIES
    monkeypatch.setattr(pictures, "_FAMILIES", ((raising(error), first[1]), *others))
    lone, *rest = pictures_of(result, BOOK)
    assert lone.title == "What was measured"
    assert lone.says == (f"Not drawn: a figure in the files of this result allows no picture ({type(error).__name__}: {error}).",)
    assert (lone.folded, lone.opened) == (True, True)
    assert "Not drawn" in picture_html(lone)
    assert titles(rest) == titles(whole)[1:]


def test_each_way_to_make_pictures_is_guarded_alone(monkeypatch, tmp_path):
    result = TrainingTree.write(tmp_path).read()
    whole = titles(pictures_of(result, BOOK))
    error = OverflowError("too large")
    first, *others = pictures._FAMILIES
    monkeypatch.setattr(pictures, "_FAMILIES", ((first[0], raising(error)), *others))
    assert titles(pictures_of(result, BOOK))[-1] == "What was done over time"
    monkeypatch.setattr(pictures, "official_pictures", raising(error))
    monkeypatch.setattr(pictures, "launch_pictures", raising(error))
    assert titles(pictures_of(result, BOOK)) == [whole[0], "What was measured", "What was done over time", "The hosts over time"]


@pytest.mark.parametrize("page", [True, False])
def test_of_the_pictures_that_the_terminal_shows_it_shows_the_line_too(monkeypatch, tmp_path, page):
    made = raising(OverflowError("too large"))
    families = tuple((made if measured is pictures.kv_cache_pictures else measured, done) for measured, done in pictures._FAMILIES)
    monkeypatch.setattr(pictures, "_FAMILIES", families)
    monkeypatch.setattr(pictures, "kv_cache_pictures", made)
    (lone,) = [picture for picture in pictures_of(KVCacheTree.write(tmp_path).read(), BOOK, page=page) if not picture.folded]
    assert lone.says[0].startswith("Not drawn: ")


@pytest.mark.parametrize("error", [TypeError("x"), AttributeError("x"), KeyError("x"), AssertionError("x"), RuntimeError("x")])
def test_an_error_of_the_program_is_not_hidden(monkeypatch, tmp_path, error):
    monkeypatch.setattr(pictures, "official_pictures", raising(error))
    with pytest.raises(type(error)):
        pictures_of(KVCacheTree.write(tmp_path).read(), BOOK)
