"""One rule asked of a subject: what it found, what it weighs, and what it lacked."""

from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.verdict import Category, Severity

ERROR = (Severity.ERROR, Category.INVALID)
WARNING = (Severity.WARNING, Category.CLOSED)
INFO = (Severity.INFO, Category.CLOSED)
OPEN = (Severity.INFO, Category.OPEN)


def ask(subject, rule_id):
    book = edition_of(subject)
    return next(rule for rule in rules_for(subject) if rule.id == rule_id).evaluate(subject, book)


def said(subject, rule_id):
    """Severity, category and count of everything that a rule found."""
    return [(f.severity, f.category, f.count) for f in ask(subject, rule_id).findings]


def lacks(subject, rule_id):
    evaluation = ask(subject, rule_id)
    assert evaluation.findings == ()
    return list(evaluation.lacking)
