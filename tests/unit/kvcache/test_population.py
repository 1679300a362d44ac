"""The population of a seed: the official draw, number for number, and its ranges."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.population import (
    QOS,
    QOS_PRIORITY,
    TEMPLATES,
    QoSShares,
    Template,
    offered_requests_per_second,
    population,
    scaled_contexts,
)


def test_seed_42_with_200_users_is_the_official_population():
    users = population(42, 200)
    assert Counter(user.template for user in users) == {"coding": 74, "chatbot": 65, "document": 61}
    assert Counter(user.qos for user in users) == {"interactive": 25, "responsive": 78, "batch": 97}
    assert round(offered_requests_per_second(users)) == 483
    first = users[0]
    assert (first.index, first.template, first.context_tokens, first.generate_tokens) == (0, "document", 16245, 481)


def test_more_users_only_add_to_the_population():
    assert population(42, 200)[:70] == population(42, 70)
    assert population(43, 5) != population(42, 5)
    assert population(42, 0) == ()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**40))
def test_each_user_lies_within_its_template(seed):
    templates = {template.name: template for template in TEMPLATES}
    for place, user in enumerate(population(seed, 20)):
        template = templates[user.template]
        assert user.index == place
        assert template.context_tokens[0] <= user.context_tokens <= template.context_tokens[1]
        assert template.generate_tokens[0] <= user.generate_tokens <= template.generate_tokens[1]
        assert template.think_seconds[0] <= user.think_seconds <= template.think_seconds[1]
        assert QOS[user.qos_number] == user.qos


@pytest.mark.parametrize(
    ("draw", "qos"),
    [(0.0, "interactive"), (0.1499, "interactive"), (0.15, "responsive"), (0.4999, "responsive"), (0.5, "batch"), (0.99, "batch")],
)
def test_the_limits_of_the_classes_belong_to_the_class_above(draw, qos):
    assert QoSShares().qos(draw) == qos


def test_templates_and_shares_can_be_others():
    small = Template("small", (7, 7), (3, 3), (0.5, 0.5))
    (user,) = population(1, 1, (small,), QoSShares(0.0, 0.0))
    assert (user.template, user.qos, user.context_tokens, user.generate_tokens, user.think_seconds) == ("small", "batch", 7, 3, 0.5)
    assert offered_requests_per_second((user, user)) == pytest.approx(4.0)
    with pytest.raises(ConfigurationError, match="at least one kind of user"):
        population(1, 1, ())


def test_the_priorities_stand_in_the_order_of_the_classes():
    assert dict(zip(QOS, QOS_PRIORITY, strict=True)) == {"interactive": 3, "responsive": 2, "batch": 1}


def test_contexts_can_be_shortened_without_anything_else():
    chatbot, coding, document = scaled_contexts(TEMPLATES, 16)
    assert (chatbot.context_tokens, coding.context_tokens, document.context_tokens) == ((32, 256), (256, 1562), (256, 1024))
    assert [(t.name, t.generate_tokens, t.think_seconds) for t in (chatbot, coding, document)] == [
        (t.name, t.generate_tokens, t.think_seconds) for t in TEMPLATES
    ]
    assert scaled_contexts(TEMPLATES, 1) == TEMPLATES
    assert scaled_contexts(TEMPLATES, 10**6)[0].context_tokens == (1, 1)
    with pytest.raises(ConfigurationError, match="divided by 0"):
        scaled_contexts(TEMPLATES, 0)
