"""One result of a benchmark: a row of the table and a line of results.jsonl."""

import json
import pathlib

RESULTS = pathlib.Path("target/bench/results.jsonl")
COLUMNS = ("name", "value", "unit", "peer", "peer_value", "ratio", "note")


class Results:
    """Collects results, writes each at once, prints the table at the end."""

    def __init__(self) -> None:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict] = []

    def add(self, name, value, unit, peer=None, peer_value=None, note="") -> None:
        ratio = round(value / peer_value, 3) if peer_value else None
        row = dict(zip(COLUMNS, (name, round(value, 3), unit, peer, peer_value, ratio, note)))
        self.rows.append(row)
        with RESULTS.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
        print(f"  {name}: {row['value']} {unit} {note}", flush=True)

    def table(self) -> None:
        cells = [[("" if row[c] is None else str(row[c])) for c in COLUMNS] for row in self.rows]
        widths = [max(len(c), *(len(r[i]) for r in cells)) if cells else len(c) for i, c in enumerate(COLUMNS)]
        for line in [list(COLUMNS), ["-" * w for w in widths], *cells]:
            print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
