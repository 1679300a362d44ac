"""The rows of pytest-html's table, packed: each text stands once on the page, and a row is the numbers of its texts.

pytest-html writes each cell twice, each node id four times and every quotation mark as five bytes, some 1,400 bytes a test; packed it is
about 50, and nothing is lost. A script of the page unpacks them before that of pytest-html reads them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

__all__ = ["UNPACK", "extras_of", "packed"]

_SEAMS: Final = re.compile(r"(?<=\[)|(?=\])|(?<=-)(?=(?:closed|open|whatif)/)")
"""Where the id of an item is cut: what test, what rule, of what result, so that each of them stands once."""

_CELL: Final = re.compile(r"<td[^\n\r\u2028\u2029]*?>([^\n\r\u2028\u2029]*?)</td>")
_COLUMN: Final = re.compile(r"col-(\w+)", re.ASCII)
"""As the script below has them, in whose language a dot and a letter are fewer."""

_OWN: Final = frozenset({"extras", "log", "resultsTableRow", "tableHtml"})
"""What pytest-html makes of a row besides its columns; a column of the same name has its cell, and must not stand in for it."""


def extras_of(test: Mapping[str, Any]) -> list[Any]:
    """Pictures and the like of a row; pytest-html has a text there where a column is named so."""
    return test["extras"] if isinstance(test["extras"], list) else []


def packed(tests: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, Any]:
    """The texts and the rows of pytest-html's ``tests``; a row is its log, what else there is of it or 0, and its cells.

    A text is a number, or a list of the numbers of its parts. Numbers are small for what is there often.
    """
    rows = [_row(test) for of_item in tests.values() for test in of_item]
    counts = Counter(part for texts, _ in rows for parts in texts for part in parts)
    texts = sorted(counts, key=lambda text: (-counts[text], text))
    numbers = {text: number for number, text in enumerate(texts)}

    def numbered(parts: tuple[str, ...]) -> int | list[int]:
        return numbers[parts[0]] if len(parts) == 1 else [numbers[part] for part in parts]

    return {"texts": texts, "rows": [[numbered(log), more or 0, *map(numbered, cells)] for (log, *cells), more in rows]}


def _row(test: Mapping[str, Any]) -> tuple[list[tuple[str, ...]], dict[str, Any]]:
    """The log and the cells of a row as parts, and what cannot be found in them again."""
    cells = test["resultsTableRow"]
    found = dict(_found(cells))
    more = {key: value for key, value in test.items() if key not in _OWN and found.get(key) != value}
    if extras := extras_of(test):
        more["extras"] = extras
    return [(test["log"],), *map(_parts, cells)], more


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, _SEAMS.split(cell))) if "col-testId" in cell else (cell,)


def _found(cells: Iterable[str]) -> Iterator[tuple[str, str]]:
    """What pytest-html takes of cells to sort by, and the script below again."""
    for cell in cells:
        name, inside = _COLUMN.search(cell), _CELL.search(cell)
        if name is not None and inside is not None and name[1] not in _OWN:
            yield name[1], inside[1]


UNPACK: Final = """<script>
(function () {
'use strict'
// The blob stands further down, right before the script that reads it: what observes it is called in between.
const unpack = () => {
  const box = document.getElementById('data-container')
  if (!box) return
  observer.disconnect()
  const data = JSON.parse(box.dataset.jsonblob)
  if (!data.mlps) return
  const { texts, rows } = data.mlps
  const text = (at) => typeof at === 'number' ? texts[at] : at.map((one) => texts[one]).join('')
  const own = ['extras', 'log', 'resultsTableRow', 'tableHtml']
  const taken = texts.map((cell) => [/col-(\\w+)/.exec(cell), /<td.*?>(.*?)<\\/td>/.exec(cell)])
  data.tests = rows.map(([log, more, ...cells]) => {
    const test = { extras: [], log: text(log), resultsTableRow: cells.map(text) }
    cells.forEach((at, place) => {
      const cell = test.resultsTableRow[place]
      const [name, inside] = typeof at === 'number' ? taken[at] : [/col-(\\w+)/.exec(cell), /<td.*?>(.*?)<\\/td>/.exec(cell)]
      if (name && inside && !own.includes(name[1])) test[name[1]] = inside[1]
    })
    return Object.assign(test, more)
  })
  delete data.mlps
  box.dataset.jsonblob = JSON.stringify(data)
  if (!rows.some(([, more]) => more && more.extras)) {
    // No row shows a picture of its own: without the parts for them a page of thousands opens in half the time.
    document.getElementById('template_results-table__tbody')?.content?.querySelector('.media')?.replaceChildren()
  }
}
const observer = new MutationObserver(unpack)
observer.observe(document.documentElement, { childList: true, subtree: true })
})()
</script>"""
