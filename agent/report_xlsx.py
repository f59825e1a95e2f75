# A report's values as a spreadsheet. Runs in a sandbox, over hostile values: a text is written as
# text whatever it begins with, so that nothing in the data ever becomes a formula.
import base64
import io
import json
import re

import openpyxl
from openpyxl.chart import BarChart, LineChart, PieChart, Reference, ScatterChart, Series
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
HEAD, SHADE = Font(bold=True), PatternFill("solid", fgColor="E8ECF2")
MAX_TEXT = 32767                    # of a cell, by the format
DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?)?\Z")


def put(sheet, row, column, value, font=None, form=None):
    cell = sheet.cell(row=row, column=column)
    if value is None:
        return cell
    if isinstance(value, bool):
        cell.value = value
    elif isinstance(value, (int, float)):
        cell.value = value if abs(value) < 1e300 else None
    else:
        cell.value = ILLEGAL.sub("\ufffd", str(value))[:MAX_TEXT]
        cell.data_type = "s"        # "=1+1" stays these four characters
        if cell.value[:1] in "=+-@":
            cell.quotePrefix = True
    if font is not None:
        cell.font = font
    if form and isinstance(value, (int, float)):
        cell.number_format = form
    return cell


def number_form(spec, unit=""):
    """The spreadsheet's form for a format spec of Python's; None where there is none."""
    m = re.fullmatch(r"(\+)?(,)?(?:\.(\d{1,2}))?([fd%]?)", spec or "")
    if m is None or not spec:
        return None
    places = int(m[3]) if m[3] else 6 if m[4] in ("f", "%") else 0
    form = ("#,##0" if m[2] else "0") + ("." + "0" * places if places else "")
    if m[4] == "%":
        return form + "%"
    if unit and len(unit) == 1 and unit in "$\u20ac\u00a3\u00a5\u20b9":
        return '"%s"%s' % (unit, form)
    if unit and '"' not in unit:
        return '%s"%s"' % (form, unit if unit == "%" else " " + unit)
    return form


def flat(v):
    return " / ".join(str(x) for x in v) if isinstance(v, list) else v


def column_form(values):
    """How the numbers of a column are shown that has no form of its own: alike, and a year is no amount."""
    numbers = [abs(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if not numbers or any(v >= 1e15 for v in numbers):
        return None
    if all(v == int(v) for v in numbers):
        return "#,##0" if max(numbers) >= 10000 else None
    return "#,##0.00" if max(numbers) >= 1 else "0.0000"


class Book:
    def __init__(self):
        self.book = openpyxl.Workbook()
        self.book.remove(self.book.active)
        self.names = set()

    def sheet(self, name):
        """A sheet of that name: 31 characters, some not allowed, each name once."""
        name = re.sub(r"[\[\]:*?/\\']", " ", name).strip()[:31] or "Sheet"
        base, n = name, 1
        while name.lower() in self.names:
            n += 1
            name = "%s %d" % (base[:27], n)
        self.names.add(name.lower())
        sheet = self.book.create_sheet(name)
        sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", 9
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
        sheet.sheet_properties.pageSetUpPr = openpyxl.worksheet.properties.PageSetupProperties(fitToPage=True)
        return sheet

    def fit(self, sheet, least=8, most=48):
        for column in sheet.iter_cols(max_row=min(sheet.max_row, 300)):
            longest = max((len(text_of(c)) for c in column), default=0)
            sheet.column_dimensions[get_column_letter(column[0].column)].width = \
                min(max(longest + 3, least), most)


def text_of(cell):
    v = cell.value
    if isinstance(v, float):
        return format(v, ",.2f")
    if cell.is_date and cell.number_format == "yyyy-mm-dd":
        return format(v, "%Y-%m-%d")
    return "" if v is None else str(v)


def text_sheet(book, spec):
    sheet = book.sheet("Report")
    sheet.sheet_view.showGridLines = False
    sheet.column_dimensions["A"].width = 110
    fonts = {"title": Font(bold=True, size=18), "h": Font(bold=True, size=13), "soft": Font(color="666666")}
    text = spec["text"]
    if len(text) > 1 and text[1][0] == "h" and text[1][1].strip() == text[0][1].strip():
        del text[1]                     # the title is said once
    for row, (kind, text) in enumerate(text, 1):
        cell = put(sheet, row, 1, text, fonts.get(kind))
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        if kind == "title":
            sheet.row_dimensions[row].height = 32
        else:
            size = max(1, sum(1 + len(line) // 110 for line in text.split("\n")))
            sheet.row_dimensions[row].height = min(15.5 * size + (6 if kind == "h" else 0), 400)


def number_sheet(book, spec):
    if not spec["numbers"]:
        return
    sheet = book.sheet("Numbers")
    for column, head in enumerate(("Name", "Value", "As written", "Meaning"), 1):
        put(sheet, 1, column, head, HEAD).fill = SHADE
    for row, n in enumerate(spec["numbers"], 2):
        put(sheet, row, 1, n["name"])
        put(sheet, row, 2, n.get("value"), form=number_form(n.get("format"), n.get("unit", ""))
            or ("#,##0" if isinstance(n.get("value"), int) else None))
        put(sheet, row, 3, n["text"]).alignment = Alignment(horizontal="right")
        put(sheet, row, 4, n.get("caption"))
    sheet.freeze_panes = "A2"
    book.fit(sheet)
    columns = sheet.column_dimensions   # a value is shown with its unit, as the text beside it is
    columns["B"].width = max(columns["B"].width, columns["C"].width)


def is_of_days(data, k):
    types = data.get("dtypes")      # said by the cell, so it may be anything
    return isinstance(types, list) and k < len(types) and str(types[k]).startswith("datetime")


def table_sheet(book, table):
    sheet, data, row = book.sheet(table["name"]), table["data"], 1
    put(sheet, row, 1, table["label"], Font(bold=True, size=13))
    if not data["rows"]:
        put(sheet, 2, 1, "It has no rows")
    cut = data.get("n_rows", 0) - len(data["rows"])
    if cut > 0:
        put(sheet, 2, 1, "The first {:,} of {:,} rows".format(len(data["rows"]), data["n_rows"]),
            Font(color="B3261E"))
    row, first = 4, 1
    index = data.get("index") or []
    if table["index"]:
        put(sheet, row, 1, flat([n for n in data.get("index_names", []) if isinstance(n, str)]), HEAD).fill = SHADE
        first = 2
    forms = table.get("formats") or {}
    names = [str(flat(c)) for c in data["columns"]]
    for column, name in enumerate(names, first):
        cell = put(sheet, row, column, name, HEAD)
        cell.fill = SHADE
        numbers = is_of_days(data, column - first) or \
            any(isinstance(values[column - first], (int, float)) for values in data["rows"][:50])
        cell.alignment = Alignment(wrap_text=True, vertical="top", horizontal="right" if numbers else None)
    plain = []
    for k in range(len(names)):
        own = number_form(forms.get(names[k]))
        plain.append(own or column_form([row[k] for row in data["rows"]]))
    for r, values in enumerate(data["rows"]):
        row += 1
        if table["index"] and r < len(index):
            put(sheet, row, 1, flat(index[r]), HEAD)
        for column, value in enumerate(values, first):
            date = isinstance(value, str) and is_of_days(data, column - first) and DATE.match(value)
            if date:
                sheet.cell(row=row, column=column).value = openpyxl.utils.datetime.from_ISO8601(value[:19])
                sheet.cell(row=row, column=column).number_format = \
                    "yyyy-mm-dd" if value.endswith("T00:00:00") or "T" not in value else "yyyy-mm-dd hh:mm:ss"
            else:
                cell = put(sheet, row, column, flat(value) if isinstance(value, list) else value,
                           form=plain[column - first])
                if isinstance(value, str):      # apart from a number that ends at its left
                    cell.alignment = Alignment(indent=1)
    sheet.freeze_panes = sheet.cell(row=5, column=first)
    if data["rows"] and names:
        sheet.auto_filter.ref = "A4:%s%d" % (get_column_letter(first + len(names) - 1), row)
    book.fit(sheet)
    sheet.column_dimensions["A"].width = min(sheet.column_dimensions["A"].width, 36)


# ---- charts ----

def parts_of(chart):
    if chart.get("type") == "superchart":
        return chart.get("elements") or chart.get("charts") or []
    return [chart]


def grid(elements):
    """({group: {label: value}}, labels in order)"""
    groups, labels = {}, []
    for e in elements:
        label = e.get("label")
        groups.setdefault(e.get("group") or "", {})[label] = e.get("value", e.get("fraction"))
        if label not in labels:
            labels.append(label)
    return groups, labels


def put_grid(sheet, row, elements, heading):
    groups, labels = grid(elements)
    put(sheet, row, 1, heading or "", HEAD)
    for column, group in enumerate(groups, 2):
        put(sheet, row, column, group or "Value", HEAD)
    for r, label in enumerate(labels, row + 1):
        put(sheet, r, 1, label)
        for column, values in enumerate(groups.values(), 2):
            put(sheet, r, column, values.get(label))
    return len(groups), len(labels)


def dress(native, chart, caption):
    native.title = caption or chart.get("title") or None
    for axis, letter in (("x_axis", "x"), ("y_axis", "y")):
        if hasattr(native, axis):
            if chart.get("orientation") == "horizontal":
                letter = "y" if letter == "x" else "x"
            getattr(native, axis).title = chart.get(letter + "_label") or None
            getattr(native, axis).delete = False
    native.width, native.height = 24, 12.5


def native_chart(sheet, row, chart, caption):
    """(chart of the spreadsheet's own over cells written at `row`, rows used), or None"""
    kind, elements = chart.get("type"), chart.get("elements") or []
    if kind in ("bar", "pie") and elements:
        across = chart.get("orientation") == "horizontal"
        n_groups, n = put_grid(sheet, row, elements, chart.get("y_label" if across else "x_label"))
        native = BarChart() if kind == "bar" else PieChart()
        if kind == "bar":
            native.type = "bar" if chart.get("orientation") == "horizontal" else "col"
            if native.type == "bar":
                native.x_axis.scaling.orientation = "maxMin"
            native.gapWidth = 60
        native.add_data(Reference(sheet, min_col=2, max_col=1 + n_groups, min_row=row, max_row=row + n),
                        titles_from_data=True)
        native.set_categories(Reference(sheet, min_col=1, min_row=row + 1, max_row=row + n))
        if kind == "bar":
            values = [e.get("value") for e in elements if isinstance(e.get("value"), (int, float))]
            if values and min(values) >= 0:
                native.y_axis.scaling.min = 0   # bars that begin elsewhere tell another story
            if native.type == "bar":
                native.y_axis.crosses = "max"
        if n_groups == 1 and kind == "bar":
            native.legend = None
        used = n + 1
        lines = [o for o in chart.get("overlays") or [] if o.get("type") == "line"]
        if kind == "bar" and lines and native.type == "col":
            add_lines(native, sheet, row, 3 + n_groups, lines[0].get("elements") or [], n, chart)
    elif kind in ("line", "scatter") and elements:
        numeric = all(isinstance(p[0], (int, float)) for e in elements for p in e.get("points", []))
        if numeric and (kind == "scatter" or chart.get("x_scale") != "categorical"):
            native, used = xy_chart(sheet, row, elements, kind)
        else:
            rows = [{"label": p[0], "group": e.get("label"), "value": p[1]}
                    for e in elements for p in e.get("points", [])]
            n_groups, n = put_grid(sheet, row, rows, chart.get("x_label"))
            native, used = LineChart(), n + 1
            native.add_data(Reference(sheet, min_col=2, max_col=1 + n_groups, min_row=row, max_row=row + n),
                            titles_from_data=True)
            native.set_categories(Reference(sheet, min_col=1, min_row=row + 1, max_row=row + n))
            if n_groups == 1:
                native.legend = None
    else:
        return None
    dress(native, chart, caption)
    return native, used


def add_lines(native, sheet, row, column, elements, n, chart):
    """A line over bars, such as the cumulated share of a Pareto chart, on an axis of its own."""
    line = LineChart()
    for e in elements[:4]:
        points = e.get("points", [])
        if len(points) != n:
            continue
        put(sheet, row, column, e.get("label") or "Line", HEAD)
        for r, point in enumerate(points, row + 1):
            put(sheet, r, column, point[1])
        line.add_data(Reference(sheet, min_col=column, min_row=row, max_row=row + n), titles_from_data=True)
        column += 1
    if line.series:
        line.y_axis.axId = 200
        line.y_axis.crosses = "max"
        line.y_axis.delete = False
        line.y_axis.majorGridlines = None
        native += line


def xy_chart(sheet, row, elements, kind):
    native, column, longest = ScatterChart(), 1, 0
    native.style = 13
    for e in elements[:20]:
        points = e.get("points", [])
        put(sheet, row, column, "x", HEAD)
        put(sheet, row, column + 1, e.get("label") or "y", HEAD)
        for r, (x, y) in enumerate(points, row + 1):
            put(sheet, r, column, x)
            put(sheet, r, column + 1, y)
        end = row + len(points)
        series = Series(Reference(sheet, min_col=column + 1, min_row=row, max_row=end),
                        Reference(sheet, min_col=column, min_row=row + 1, max_row=end), title_from_data=True)
        if kind == "scatter":
            series.marker.symbol = "circle"
            series.graphicalProperties.line.noFill = True
        native.series.append(series)
        column, longest = column + 2, max(longest, len(points))
    return native, longest + 1


def paired(parts):
    """A twin axis is told as a chart of its own: bars and the line over the same categories."""
    if len(parts) == 2 and parts[0].get("type") == "bar" and parts[1].get("type") == "line":
        labels = grid(parts[0].get("elements") or [])[1]
        lines = parts[1].get("elements") or []
        if lines and all(len(e.get("points", [])) == len(labels) for e in lines):
            return [dict(parts[0], overlays=[parts[1]])]
    return parts


def figure_sheet(book, figure):
    sheet = book.sheet(figure["name"])
    sheet.sheet_view.showGridLines = True
    put(sheet, 1, 1, figure["label"], Font(bold=True, size=13))
    row, any_native = 3, False
    for part in paired(parts_of(figure.get("chart") or {}))[:6]:
        found = native_chart(sheet, row, part, figure["caption"] or None)
        if found is None:
            continue
        native, used = found
        sheet.add_chart(native, "H%d" % row)
        any_native = True
        row += max(used, 27) + 2
    if not any_native:
        try:
            image = openpyxl.drawing.image.Image(io.BytesIO(base64.b64decode(figure["png"])))
            scale = min(1, 900 / image.width)
            image.width, image.height = image.width * scale, image.height * scale
            sheet.add_image(image, "A3")
        except ImportError:             # Pillow draws pictures into sheets
            put(sheet, 3, 1, "This figure is of a kind that has no chart here, and Pillow, which would place its "
                             "picture, is not installed.")
    book.fit(sheet, most=30)
    sheet.column_dimensions["A"].width = 24


def facts_sheet(book, spec):
    sheet = book.sheet("How it was made")
    row = 0
    for row, (name, value) in enumerate(spec["facts"], 1):
        put(sheet, row, 1, name, HEAD)
        put(sheet, row, 2, value)
    row += 2
    for column, head in enumerate(("Input", "Bytes", "SHA-256"), 1):
        put(sheet, row, column, head, HEAD).fill = SHADE
    for row, one in enumerate(spec["inputs"], row + 1):
        put(sheet, row, 1, one.get("name"))
        put(sheet, row, 2, one.get("bytes"), form="#,##0")
        put(sheet, row, 3, one.get("sha256"))
    book.fit(sheet, most=70)


with open("report.json", encoding="utf-8") as f:
    spec = json.load(f)
book = Book()
text_sheet(book, spec)
number_sheet(book, spec)
for table in spec["tables"]:
    table_sheet(book, table)
for figure in spec["figures"]:
    figure_sheet(book, figure)
facts_sheet(book, spec)
book.book.save("report.xlsx")
