"""Documents of retrieval: sizes by model, chunks with numbers of their own, the most likely first, and the same on every machine."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.documents import RAGOptions, make_documents
from pytest_mlpstorage.kvcache.models import model

SMALL, LARGE = model("llama3.1-8b"), model("llama3.1-70b-instruct")


def documents(chosen=SMALL, count=10, first=1000, seed=42, **options):
    return make_documents(chosen, effective_seed=seed, count=count, first_entry=first, options=RAGOptions(**options))


@pytest.mark.parametrize(("chosen", "least", "most"), [(SMALL, 4000, 12_000), (LARGE, 1024, 4096)])
def test_a_document_has_as_many_tokens_as_the_model_allows(chosen, least, most):
    sizes = [document.tokens for document in documents(chosen, 300)]
    assert least <= min(sizes) < least + 300
    assert most - 300 < max(sizes) <= most


@pytest.mark.parametrize(("changes", "large"), [({"hidden": 8191, "layers": 63}, False), ({"hidden": 8192}, True), ({"layers": 64}, True)])
def test_a_model_is_large_from_8192_wide_or_64_deep(changes, large):
    chosen = dataclasses.replace(SMALL, **changes)
    assert (max(document.tokens for document in documents(chosen, 50)) <= 4096) is large


def test_chunks_have_512_tokens_and_the_last_the_rest_with_numbers_in_a_row():
    entry = 1000
    for document in documents():
        assert document.chunks[0].entry == entry
        assert [chunk.entry for chunk in document.chunks] == list(range(entry, entry + len(document.chunks)))
        assert {chunk.tokens for chunk in document.chunks[:-1]} == {512}
        assert 1 <= document.chunks[-1].tokens <= 512
        assert sum(chunk.tokens for chunk in document.chunks) == document.tokens
        entry += len(document.chunks)


def test_a_chunk_is_no_larger_than_allowed():
    bytes_per_token = SMALL.bytes_per_token
    assert documents(max_chunk_bytes=100 * bytes_per_token + 1)[0].chunks[0].tokens == 100
    with pytest.raises(ConfigurationError, match="max_chunk_bytes"):
        documents(max_chunk_bytes=bytes_per_token - 1)


def test_at_most_so_many_documents_are_kept():
    assert len(documents(max_documents=3)) == 3
    assert len(documents(max_documents=0)) == len(documents(max_documents=20)) == 10


def test_a_seed_gives_the_same_documents_however_many_there_are():
    assert documents(count=5) == documents(count=10)[:5]
    assert documents(seed=43) != documents()


def test_a_retrieval_takes_k_different_chunks_and_the_same_for_the_same_draw():
    document = documents()[0]
    for draw in range(50):
        chosen = document.retrieved(draw, 5, "zipfian")
        assert len({chunk.entry for chunk in chosen}) == 5
        assert chosen == document.retrieved(draw, 5, "zipfian")
    assert document.retrieved(1, 5, "zipfian") != document.retrieved(2, 5, "zipfian")


def test_a_short_document_is_retrieved_whole():
    short = documents(small_model_doc_tokens_min=600, small_model_doc_tokens_max=600)[0]
    assert sorted(chunk.entry for chunk in short.retrieved(3, 5, "uniform")) == [1000, 1001]


def test_chunks_are_asked_for_by_one_over_their_rank_or_evenly():
    document = documents(small_model_doc_tokens_min=2048, small_model_doc_tokens_max=2048)[0]
    for kind, weights in (("zipfian", (1, 1 / 2, 1 / 3, 1 / 4)), ("uniform", (1,) * 4), ("random", (1,) * 4)):
        seen = Counter(document.retrieved(draw, 1, kind)[0].entry - 1000 for draw in range(4000))
        assert [seen[rank] / 4000 for rank in range(4)] == pytest.approx([weight / sum(weights) for weight in weights], abs=0.03)
