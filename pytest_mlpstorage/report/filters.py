"""The filters of the page: by verdict, family, section of the rule book, outcome and words; over the cards and over the table of tests.

Plain script in the page itself, because a report that is sent to somebody is opened from a file, without a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pytest_mlpstorage.report.text import escaped

__all__ = ["SCRIPT", "filter_bar"]

_WORDS: Final = {"verdict": "Verdict", "family": "Family", "section": "Rule section", "outcome": "Rule outcome"}


def filter_bar(choices: Mapping[str, Mapping[str, str]]) -> str:
    """The form; ``choices`` are for each of verdict, family, section and outcome the values that the page has, with words for people.

    It is hidden until the script has found it, so that a page without scripts shows no filter that does nothing.
    """
    selects = "".join(
        f'<label>{word}<select name="{name}"><option value="">all</option>{_options(choices.get(name, {}))}</select></label>'
        for name, word in _WORDS.items()
    )
    return (
        '<form class="mlps-filter" id="mlps-filter" role="search" aria-label="Filter results and tests" hidden>'
        f'{selects}<label>Words<input type="search" name="words" autocomplete="off"></label>'
        '<button type="button" name="clear">Show all</button><output name="count" role="status" aria-live="polite"></output></form>'
    )


def _options(choices: Mapping[str, str]) -> str:
    return "".join(f'<option value="{escaped(value)}">{escaped(words)}</option>' for value, words in choices.items())


SCRIPT: Final = """<script>
(function () {
'use strict'
const form = document.getElementById('mlps-filter')
document.documentElement.lang = 'en'
const names = ['verdict', 'family', 'section', 'outcome', 'words']
const cards = [...document.querySelectorAll('.mlps-card[data-path]')].map((node) => ({
  node, path: node.dataset.path, kase: node.dataset.case || '', verdict: node.dataset.verdict, family: node.dataset.family,
  rules: (node.dataset.rules || '').split(' '),
  lines: [
    ...document.querySelectorAll(`[data-for="${node.id}"]`),
    ...[...document.querySelectorAll('[data-of]')].filter((one) => one.dataset.of === node.dataset.path),
  ],
}))
const asked = () => Object.fromEntries(names.map((name) => [name, form.elements[name].value.trim()]))
const split = (want) => ({ ...want, words: want.words && want.words.toLowerCase().split(/\\s+/) })
const holds = (text, words) => words.every((word) => text.includes(word))
const hasRule = (rules, section, outcome) => rules.some((rule) => {
  const at = rule.indexOf(':')
  return (!section || rule.slice(0, at) === section) && (!outcome || rule.slice(at + 1) === outcome)
})
// On a page of very many cards each has the ids of most rules alone: their names stand once, below all.
const namesOf = new Map([...document.querySelectorAll('#mlps-names tbody tr')].map((row) => [row.querySelector('b').textContent, row]))
const explained = (card) => [...card.querySelectorAll('.mlps-ids')]
  .flatMap((line) => line.textContent.slice(line.textContent.indexOf(': ') + 2).split(', '))
  .map((id) => namesOf.has(id) ? namesOf.get(id).textContent : '').join(' ')
const takesCard = (card, want) => {
  if (want.verdict && card.verdict !== want.verdict) return false
  if (want.family && card.family !== want.family) return false
  if ((want.section || want.outcome) && !hasRule(card.rules, want.section, want.outcome)) return false
  if (!want.words) return true
  card.text = card.text || `${card.node.textContent} ${explained(card.node)}`.toLowerCase()
  return holds(card.text, want.words)
}
const cardOf = (row) => {
  const test = row.replace(/::(setup|teardown)$/, '')
  const inside = test.slice(test.indexOf('[') + 1)
  return cards.find((card) => test.endsWith(`-${card.path}]`) ||
    (card.kase && (inside === `${card.kase}]` || inside.startsWith(`${card.kase}-`)))) ||
    cards.find((card) => card.family === 'submission' && inside.includes(`-${card.path}/`))
}
const FAMILIES = { training: 'training', checkpointing: 'checkpointing', kv_cache: 'kv_cache', vector_database: 'vector_database' }
const rules = JSON.parse(document.getElementById('mlps-rules')?.textContent || '[]')
const said = (cell) => [...cell.childNodes].filter((node) => !node.hidden).map((node) => node.textContent).join('')
// The words of each test of a row, as they would stand if it had its own; how long it took is no word of it.
const testsOf = (row) => {
  const cell = row.querySelector('.col-verdict')
  if (!cell || !cell.dataset.m) {
    return [[...row.querySelectorAll('.collapsible > td:not(.col-duration)')].map(said).join(' ').toLowerCase()]
  }
  const [result, test] = ['.col-result', '.col-testId'].map((name) => row.querySelector(name).textContent)
  const [module, subject] = [test.slice(0, test.indexOf(': ')), test.slice(test.indexOf('[') + 1).replace(/^\\d+-/, '')]
  return cell.dataset.m.split('|').map((one) => {
    const [, number, alone] = /^(\\d+)(.*)$/.exec(one)
    const [id, name] = rules[number]
    return `${result} ${module}::test_rule[${id}-${name}-${subject} ${cell.textContent} ${id} ${name} ${alone}`.toLowerCase()
  })
}
const texts = new WeakMap()
// How many of the tests of a row are wanted.
const takenOf = (row, want) => {
  if (!takesRow(row, want)) return 0
  if (want.words) {
    if (!texts.has(row)) texts.set(row, testsOf(row))
    return texts.get(row).filter((text) => holds(text, want.words)).length
  }
  const cell = row.querySelector('.col-verdict')
  return Number(cell && cell.dataset.n || 1)
}
const takesRow = (row, want) => {
  const cell = row.querySelector('.col-verdict')
  if (!cell) return true
  const test = row.querySelector('.col-testId').textContent
  if (want.section && cell.dataset.s !== want.section) return false
  if (want.outcome && cell.dataset.o !== want.outcome) return false
  if (want.family) {
    const module = /test_([a-z_]+)\\.py/.exec(test)
    if ((module && FAMILIES[module[1]] || 'submission') !== want.family) return false
  }
  if (want.verdict) {
    const card = cardOf(test)
    if (!card || card.verdict !== want.verdict) return false
  }
  return true
}
const filterRows = (want) => {
  const rows = [...document.querySelectorAll('#results-table > tbody')].filter((row) => row.querySelector('.col-testId'))
  const any = names.some((name) => want[name])
  document.documentElement.classList.toggle('mlps-filtered', any)
  let shown = 0
  let all = 0
  for (const row of rows) {
    const taken = takenOf(row, want)
    row.classList.toggle('mlps-out', !taken)
    all += takenOf(row, {})
    shown += taken
  }
  return [shown, all]
}
const filterAll = () => {
  const want = split(asked())
  let shown = 0
  for (const card of cards) {
    const takes = takesCard(card, want)
    card.node.classList.toggle('mlps-out', !takes)
    card.lines.forEach((line) => line.classList.toggle('mlps-out', !takes))
    shown += takes
  }
  const others = Boolean(want.verdict || (want.family && want.family !== 'submission'))
  document.querySelectorAll('[data-package]').forEach((card) => card.classList.toggle('mlps-out', others))
  const [tests, allTests] = filterRows(want)
  form.elements.count.textContent = `Shown: ${shown} of ${cards.length} verdicts, ${tests} of ${allTests} tests`
}
const remember = () => {
  const want = asked()
  const kept = new URLSearchParams(names.filter((name) => want[name]).map((name) => [name, want[name]]))
  window.history.replaceState(null, '', window.location.href.split('#')[0] + (kept.size ? `#${kept}` : ''))
}
const recall = () => {
  const kept = new URLSearchParams(window.location.hash.slice(1))
  if (!names.some((name) => kept.has(name))) return
  names.forEach((name) => { form.elements[name].value = kept.get(name) || '' })
}
const changed = () => { filterAll(); remember() }
const reachable = () => {
  // The table sorts and opens by clicks alone: let the keyboard do what the mouse does.
  document.querySelectorAll('#results-table .sortable').forEach((head) => {
    head.tabIndex = 0
    head.setAttribute('aria-sort', head.classList.contains('asc') ? 'ascending' : head.classList.contains('desc') ? 'descending' : 'none')
  })
  document.querySelectorAll('#results-table td.col-result').forEach((cell) => { cell.tabIndex = 0 })
}
document.addEventListener('keydown', (event) => {
  if ((event.key === 'Enter' || event.key === ' ') && event.target.matches('#results-table .sortable, #results-table td.col-result')) {
    event.preventDefault()
    event.target.click()
  }
})
const begin = () => {
  // What the page is about comes first for who hears it too, and not by its style alone.
  const last = document.querySelector('footer')
  for (const id of ['environment-header', 'environment']) last.before(document.getElementById(id))
  form.hidden = false
  form.addEventListener('submit', (event) => event.preventDefault())
  form.addEventListener('input', changed)
  form.elements.clear.addEventListener('click', () => { names.forEach((name) => { form.elements[name].value = '' }); changed() })
  window.addEventListener('hashchange', () => { recall(); filterAll() })
  recall()
  filterAll()
  reachable()
  // Each time that the table is sorted or opened it is made anew.
  new MutationObserver((changes) => {
    if (changes.some((change) => [...change.addedNodes].some((node) => node.id === 'results-table'))) { filterAll(); reachable() }
  }).observe(document.body, { childList: true })
}
let opened = []
window.addEventListener('beforeprint', () => {
  // On paper what cards tell: every finding and figure besides, and what figures mean, are told by the page (or where they are open).
  opened = [...document.querySelectorAll('.mlps details:not([open], .mlps-more)')]
  opened.forEach((part) => { part.open = true })
})
window.addEventListener('afterprint', () => { opened.forEach((part) => { part.open = false }) })
if (form) document.addEventListener('DOMContentLoaded', begin)
})()
</script>"""
