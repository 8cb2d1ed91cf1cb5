"""The few elements that several parts of the page are built from. Content is HTML already; titles and names are plain text."""

from collections.abc import Iterable, Sequence

from crmkit.report.format import escaped


def section(name: str, title: str, *content: str) -> str:
    """Return a landmark with its heading."""
    head = f'<section id="{name}" aria-labelledby="{name}-heading">\n<h2 id="{name}-heading">{escaped(title)}</h2>'
    return "\n".join([head, *content, "</section>"])


def paragraph(text: str, kind: str = "") -> str:
    """Return plain text as a paragraph."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escaped(text)}</p>"


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a table in a box that scrolls on its own. The first `words` columns hold words, the others numbers."""
    kinds = ["" if place < words else ' class="number"' for place in range(len(heads))]
    head = "".join(f'<th scope="col"{kind}>{escaped(title)}</th>' for title, kind in zip(heads, kinds, strict=True))
    lines = [
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(caption)}">',
        f'<table><caption class="hidden">{escaped(caption)}</caption>',
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
    ]
    for first, *others in rows:
        cells = "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(others, kinds[1:], strict=True))
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody>", "</table>", "</div>"])


def facts(pairs: Iterable[tuple[str, str]], kind: str) -> str:
    """Return names with what they are: a description list of plain texts."""
    items = "".join(f"<div><dt>{escaped(name)}</dt><dd>{escaped(text)}</dd></div>" for name, text in pairs)
    return f'<dl class="{kind}">{items}</dl>'
