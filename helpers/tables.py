"""A small table that a notebook shows as a table and a terminal as aligned text."""

from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True)
class Table:
    columns: list  # their headings
    rows: list  # each a list of texts or numbers, as long as `columns`
    title: str = ""
    notes: list = field(default_factory=list)  # sentences below the table
    empty: str = "(empty)"  # what stands there when there are no rows

    def __str__(self):
        cells = [[str(cell) for cell in row] for row in [self.columns, *self.rows]]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        right = [self._is_number(at) for at in range(len(self.columns))]
        lines = ["  ".join(map(self._placed, row, widths, right)).rstrip() for row in cells]
        lines.insert(1, "  ".join("-" * width for width in widths))
        body = lines if self.rows else [self.empty]
        return "\n".join([*([self.title] if self.title else []), *body, *self.notes])

    __repr__ = __str__

    def _repr_html_(self):
        # In words, too: JupyterLab would put every cell to the right
        sides = ["right" if self._is_number(at) else "left" for at in range(len(self.columns))]

        def line(tag, cells):
            written = [
                f'<{tag} style="text-align: {side}">{escape(str(cell))}</{tag}>'
                for side, cell in zip(sides, cells, strict=True)
            ]
            return f"<tr>{''.join(written)}</tr>"

        head = f"<p><strong>{escape(self.title)}</strong></p>" if self.title else ""
        body = "".join(line("td", row) for row in self.rows)
        table = f"<table><thead>{line('th', self.columns)}</thead><tbody>{body}</tbody></table>"
        table = table if self.rows else f"<p>{escape(self.empty)}</p>"
        return head + table + "".join(f"<p>{escape(note)}</p>" for note in self.notes)

    def _is_number(self, at):
        return bool(self.rows) and all(isinstance(row[at], int | float) for row in self.rows)

    @staticmethod
    def _placed(cell, width, right):
        return cell.rjust(width) if right else cell.ljust(width)
