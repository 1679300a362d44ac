"""The official tool's config.yaml as input of ours: every key, its limits, unknown keys, and the keys that officially do nothing."""

from __future__ import annotations

import json

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.models import MODELS
from pytest_mlpstorage.kvcache.policy import EvictionLimits
from pytest_mlpstorage.kvcache.population import TEMPLATES, QoSShares, Template
from pytest_mlpstorage.kvcache.schedule import FloodOptions
from pytest_mlpstorage.kvcache.workload_config import read_workload_config
from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig


@pytest.fixture
def read(tmp_path):
    def reading(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return read_workload_config(path)

    return reading


def refused(read, text):
    with pytest.raises(ConfigurationError) as error:
        read(text)
    return str(error.value)


OFFICIAL = """\
user_templates:
  chatbot: {context_range: [512, 4096], generation_range: [50, 200], think_time_range: [0.1, 0.5]}
  coding: {context_range: [4096, 25000], generation_range: [100, 500], think_time_range: [0.2, 1.0]}
  document: {context_range: [4096, 16384], generation_range: [200, 800], think_time_range: [0.3, 1.5]}
generation_timing: {none: 0.0, fast: 0.002, realistic: 0.030}
qos_profiles: {interactive: {target_latency_p95_ms: 50, priority: 3}}
qos_distribution: {interactive_probability: 0.15, responsive_threshold: 0.50}
eviction:
  max_recursion_depth: 10
  target_usage_ratio: 0.8
  large_entry_limit_ratio: 0.95
  max_evictions_hard_cap: 5000
  max_evictions_min: 1000
gpu_backend: {memory_fraction: 0.8}
prefix_cache: {min_prefix_length: 50, max_prefix_entries: 1000, system_prompt_hit_probability: 0.2}
rag:
  chunk_size_tokens: 512
  top_k_chunks: 5
  max_chunk_bytes: 268435456
  request_probability: 0.1
  retrieval_distribution: zipfian
  max_documents: 0
  large_model_doc_tokens_min: 1024
  large_model_doc_tokens_max: 4096
  small_model_doc_tokens_min: 4000
  small_model_doc_tokens_max: 12000
conversation: {max_conversations: 1000, max_turns_per_conv: 50, end_conversation_probability: 0.2}
decode: {batch_size: 32}
sharegpt: {max_context_tokens: 8192}
"""


def test_the_official_values_are_our_defaults(read):
    config = read(OFFICIAL)
    plain = WorkloadConfig()
    for field in (
        "templates",
        "shares",
        "eviction",
        "decode_batch",
        "prefix_probability",
        "rag",
        "max_conversations",
        "max_turns",
        "generation_seconds",
        "models",
    ):
        assert getattr(config, field) == getattr(plain, field), field
    assert plain.templates == TEMPLATES
    assert plain.shares == QoSShares()
    assert plain.eviction == EvictionLimits()
    assert plain.flood() == FloodOptions()
    assert dict(plain.models) == dict(MODELS)


def test_keys_that_officially_do_nothing_are_named_by_whether_they_do_something_here(read):
    config = read(OFFICIAL)
    assert config.honoured == (
        "conversation.end_conversation_probability",
        "generation_timing.fast",
        "generation_timing.none",
        "generation_timing.realistic",
    )
    assert config.without_effect == (
        "gpu_backend.memory_fraction",
        "prefix_cache.max_prefix_entries",
        "prefix_cache.min_prefix_length",
        "qos_profiles.interactive.priority",
        "qos_profiles.interactive.target_latency_p95_ms",
        "sharegpt.max_context_tokens",
    )
    assert WorkloadConfig().honoured == WorkloadConfig().without_effect == ()


def test_values_of_the_file_count(read):
    config = read("""\
user_templates: {coding: {context_range: [256, 512], think_time_range: [1, 2]}}
qos_distribution: {interactive_probability: 0.3, responsive_threshold: 0.3}
eviction: {target_usage_ratio: 0.5, max_evictions_min: 3}
prefix_cache: {system_prompt_hit_probability: 0}
conversation: {max_conversations: 7, max_turns_per_conv: 3, end_conversation_probability: 0.5}
decode: {batch_size: 16}
generation_timing: {fast: 1}
rag: {request_probability: 1, retrieval_distribution: uniform, top_k_chunks: 2}
""")
    assert config.templates[1] == Template("coding", (256, 512), (100, 500), (1.0, 2.0))
    assert (config.templates[0], config.templates[2]) == (TEMPLATES[0], TEMPLATES[2])
    assert config.shares == QoSShares(0.3, 0.3)
    assert config.eviction == EvictionLimits(target_usage_ratio=0.5, max_evictions_min=3)
    assert (config.max_conversations, config.max_turns, config.decode_batch) == (7, 3, 16)
    assert config.generation_seconds == {"none": 0.0, "fast": 1.0, "realistic": 0.03}
    assert (config.rag.request_probability, config.rag.retrieval_distribution, config.rag.top_k_chunks) == (1.0, "uniform", 2)
    flood = config.flood(rag=True)
    assert flood == FloodOptions(prefix_probability=0.0, max_turns=3, continue_probability=0.5, rag=True, rag_probability=1.0)


def test_a_model_of_the_file_can_change_one_of_ours_or_be_new(read):
    config = read("""\
model_configs:
  tiny-1b: {dtype: float32}
  mine: {name: Mine, num_layers: 2, hidden_dim: 64, num_heads: 4, kv_heads: 2}
  compressed: {num_layers: 3, hidden_dim: 64, num_heads: 4, attention_type: mla, kv_lora_rank: 16, qk_rope_head_dim: 8}
""")
    assert config.models["tiny-1b"].bytes_per_token == 49_152
    assert config.models["mine"].bytes_per_token == 2 * 2 * 16 * 2 * 2
    assert config.models["compressed"].bytes_per_token == 3 * 24 * 2
    assert config.models["llama3.1-8b"] == MODELS["llama3.1-8b"]


def test_a_model_without_its_columns_is_refused(read):
    assert "config.yaml:1:17: model_configs.mine: a new model needs num_layers, hidden_dim, num_heads" in refused(
        read, "model_configs: {mine: {kv_heads: 2}}"
    )
    assert "needs kv_lora_rank" in refused(read, "model_configs: {mine: {num_layers: 2, hidden_dim: 8, num_heads: 2, attention_type: mla}}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("evictions: {max_recursion_depth: 1}", "evictions: no key of this file; did you mean 'eviction'?"),
        (
            "eviction: {target_usage: 0.8}",
            "config.yaml:1:12: eviction.target_usage: no key of this file; did you mean 'eviction.target_usage_ratio'?",
        ),
        ("user_templates: {lawyer: {context_range: [1, 2]}}", "user_templates.lawyer: no key of this file"),
        ("user_templates: {coding: {contextrange: [1, 2]}}", "did you mean 'user_templates.coding.context_range'?"),
        ("model_configs: {tiny-1b: {layer: 2}}", "model_configs.tiny-1b.layer: no key of this file"),
        ("decode: 3", "decode: given 3; allowed a mapping"),
        ("decode: {batch_size: {a: 1}}", "decode.batch_size: given a mapping; allowed a whole number of at least 1"),
    ],
)
def test_unknown_keys_are_errors_with_the_nearest(read, text, words):
    assert words in refused(read, text)


@pytest.mark.parametrize(
    "text",
    [
        "decode: {batch_size: 0}",
        "decode: {batch_size: 1.5}",
        "decode: {batch_size: true}",
        "decode: {batch_size: '32'}",
        "user_templates: {coding: {context_range: [5, 4]}}",
        "user_templates: {coding: {context_range: [0, 4]}}",
        "user_templates: {coding: {context_range: [4]}}",
        "user_templates: {coding: {context_range: [4, 5, 6]}}",
        "user_templates: {coding: {context_range: [4, true]}}",
        "user_templates: {coding: {context_range: [4, 4.5]}}",
        "user_templates: {coding: {context_range: 4}}",
        "user_templates: {coding: {think_time_range: [0, 1]}}",
        "user_templates: {coding: {think_time_range: [2, 1]}}",
        "user_templates: {coding: {think_time_range: [1, .inf]}}",
        "qos_distribution: {interactive_probability: 1.01}",
        "qos_distribution: {interactive_probability: -0.1}",
        "qos_distribution: {interactive_probability: .nan}",
        "qos_distribution: {interactive_probability: 0.6}",
        "eviction: {target_usage_ratio: 0}",
        "eviction: {large_entry_limit_ratio: 1.1}",
        "eviction: {max_recursion_depth: -1}",
        "rag: {retrieval_distribution: zipf}",
        "rag: {small_model_doc_tokens_min: 20000}",
        "model_configs: {tiny-1b: {attention_type: linear}}",
        "model_configs: {tiny-1b: {num_layers: 0}}",
        "model_configs: {tiny-1b: {dtype: 7}}",
        "conversation: {end_conversation_probability: null}",
        "generation_timing: {fast: -1}",
    ],
)
def test_a_value_out_of_its_limits_is_refused_by_place_and_key(read, text):
    message = refused(read, text)
    assert "config.yaml:1:" in message
    assert "allowed" in message


@pytest.mark.parametrize(
    "text",
    [
        "user_templates: {coding: {context_range: [1, 1]}}",
        "qos_distribution: {interactive_probability: 0, responsive_threshold: 1}",
        "qos_distribution: {interactive_probability: 0.5}",
        "eviction: {target_usage_ratio: 1, large_entry_limit_ratio: 1.0, max_recursion_depth: 0, max_evictions_min: 0, max_evictions_hard_cap: 1}",
        "rag: {retrieval_distribution: random, max_documents: 0}",
        "autoscaler: {anything: {at: [all]}}",
        "saturation_detection: 3",
    ],
)
def test_values_at_their_limits_are_taken(read, text):
    read(text)


def test_all_errors_are_told_together(read):
    message = refused(read, "decode: {batch_size: 0}\nconversation: {max_turns: 3}\n")
    assert "2 errors" in message
    assert "config.yaml:1:" in message
    assert "config.yaml:2:" in message


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        read_workload_config(tmp_path / "nowhere.yaml")


def test_it_goes_to_a_rank_as_json_and_comes_back(read):
    config = read(
        "eviction: {target_usage_ratio: 0.5}\nmodel_configs: {tiny-1b: {dtype: int8}}\nuser_templates: {chatbot: {context_range: [3, 4]}}\nsharegpt: {a: 1}\n"
    )
    assert WorkloadConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
