"""A table's values as data: what `data` of a result holds. Loaded when the first table is shown.

    {"columns": [...], "dtypes": [...], "index_names": [...], "index": [...], "rows": [[...]],
     "n_rows": N, "n_columns": N, "cut": {"rows": N, "columns": N, "cells": N}}

The first rows and columns are kept, long texts are cut; `cut` counts exactly what is not there.
Dates are ISO 8601, missing values null, infinities "inf" and "-inf", what JSON has no word for is
its text.
"""
import sys

MAX_ROWS, MAX_COLUMNS = 1000, 100
MAX_CELLS = 10000           # of rows x columns: each costs a conversion on every display
MAX_TEXT = 1000             # characters of one cell
MAX_BYTES = 256 << 10       # of the whole, as JSON


class Cells:
    """Values as JSON has them; counts the texts that it cut."""

    def __init__(self):
        self.cut = 0
        pandas = sys.modules.get("pandas")
        self.missing = (None, getattr(pandas, "NaT", None), getattr(pandas, "NA", None))

    def value(self, v):
        kind = type(v)
        if kind is int or kind is bool:
            return v
        if kind is float:
            return v if v - v == 0 else None if v != v else "inf" if v > 0 else "-inf"
        if kind is str:
            return self.text(v)
        if any(v is m for m in self.missing):
            return None
        if kind is tuple:
            return [self.value(x) for x in v]
        try:
            iso = getattr(v, "isoformat", None)
            if iso is not None:
                return self.text(iso())
            item = getattr(v, "item", None)     # a numpy scalar
            if item is not None and type(v).__module__ == "numpy":
                v = item()
                return self.value(v) if type(v) in (int, float, bool, str) else self.text(str(v))
            return self.text(str(v))
        except KeyboardInterrupt:
            raise
        except BaseException:
            return "<a %s that cannot be shown>" % kind.__name__

    def text(self, s):
        if len(s) <= MAX_TEXT:
            return s
        self.cut += 1
        return s[:MAX_TEXT] + "..."


def is_table(obj):
    pandas = sys.modules.get("pandas")
    try:
        return pandas is not None and isinstance(obj, (pandas.DataFrame, pandas.Series))
    except Exception:
        return False


def table(obj):
    """The JSON text of a DataFrame's or Series' data."""
    import json
    if len(obj.shape) == 1:
        obj = obj.to_frame("" if obj.name is None else obj.name)
    n_rows, n_columns = obj.shape
    columns = min(n_columns, MAX_COLUMNS)
    rows = min(n_rows, MAX_ROWS, MAX_CELLS // max(columns, 1))
    while True:
        text = json.dumps(part(obj, rows, columns), ensure_ascii=False)
        if len(text) <= MAX_BYTES // 4 or len(text.encode("utf-8", "replace")) <= MAX_BYTES:
            return text
        if rows > 1:
            rows //= 2
        elif columns > 1:
            columns //= 2
        else:
            return None


def part(obj, rows, columns):
    cells = Cells()
    some = obj.iloc[:rows, :columns]
    values = [[cells.value(v) for v in some.iloc[:, i].tolist()] for i in range(columns)]
    return {
        "columns": [cells.value(c) for c in some.columns],
        "dtypes": [str(t) for t in some.dtypes],
        "index_names": [cells.value(n) for n in some.index.names],
        "index": [cells.value(i) for i in some.index.tolist()],
        "rows": [list(row) for row in zip(*values)] if columns else [[] for _ in range(rows)],
        "n_rows": obj.shape[0],
        "n_columns": obj.shape[1],
        "cut": {"rows": obj.shape[0] - rows, "columns": obj.shape[1] - columns,
                "cells": cells.cut},
    }
