# Which cells of a recorded session are run again: run in the sandbox by agent rerun, on the code as
# data. Reads /output/rerun-cells.json, prints one JSON list with a decision for each cell:
#   ["run"]      as it is
#   ["part", N]  the statements before line N: it failed there, and what it did before is used later
#   ["failed"]   left out: it failed, and nothing that it did before is used
#   ["look"]     left out: it only showed things, and the report does not rest on what it printed
# In doubt a cell is run.
import ast
import json

LOOK_CALLS = set("""print display len sorted list dict set tuple sum min max round str repr int float bool type abs
    enumerate zip range any all""".split())
LOOK_METHODS = set("""head tail describe info sum mean median std var min max count nunique unique value_counts isna
    isnull notna notnull duplicated any all sort_values sort_index groupby agg size to_string items keys values
    round astype corr quantile nlargest nsmallest memory_usage format join strip lower upper startswith
    endswith isin between dropna reset_index set_index copy""".split())
WRITES = ("to_", "save", "write", "dump", "put", "mkdir", "rename", "copyfile", "unlink", "remove")


def parse(code):
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # notebook lines (!ls, %time): not ours to judge


def root(node):
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def reads(node):
    """All names that are read, also at a later time (in functions)."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} | \
        {n.target.id for n in ast.walk(node) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}


def deferred(node):
    """Names that functions made here read whenever they are called."""
    found = set()
    for n in ast.walk(node):
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp)):
            found |= reads(n)
    return found


def binds(node):
    found = set()
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and isinstance(n.ctx, (ast.Store, ast.Del)):
            found.add(n.id)
        elif isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(n.name)
        elif isinstance(n, (ast.Import, ast.ImportFrom)):
            found |= {(a.asname or a.name).split(".")[0] for a in n.names}
        elif isinstance(n, ast.ExceptHandler) and n.name:
            found.add(n.name)
    return found


def touches(node):
    """What may be different after it: names bound, and names whose objects could have been changed."""
    found = binds(node)
    for n in ast.walk(node):
        if isinstance(n, (ast.Attribute, ast.Subscript)) and isinstance(n.ctx, (ast.Store, ast.Del)):
            found.add(root(n))
        elif isinstance(n, ast.Call):
            found |= {root(n.func)} | {root(a) for a in n.args} | {root(k.value) for k in n.keywords}
    return found - {None} - LOOK_CALLS


def lasting(node):
    """Does it write files or publish values?"""
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and n.id in ("open", "report", "exec", "eval"):
            return True
        if isinstance(n, ast.Attribute) and n.attr.startswith(WRITES):
            return True
        if isinstance(n, (ast.Import, ast.ImportFrom)) and \
                any(a.name.split(".")[0] in ("report", "os", "shutil", "subprocess") for a in n.names):
            return True
    return False


def only_looks(node):
    """An expression that changes nothing, as far as its calls are ones that are known."""
    for n in ast.walk(node):
        if isinstance(n, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.Lambda)):
            return False
        if isinstance(n, ast.keyword) and n.arg in ("inplace", "file", None):
            return False
        if isinstance(n, ast.Call):
            f = n.func
            if isinstance(f, ast.Name) and f.id not in LOOK_CALLS:
                return False
            if isinstance(f, ast.Attribute) and f.attr not in LOOK_METHODS:
                return False
            if not isinstance(f, (ast.Name, ast.Attribute)):
                return False
    return True


def is_look(tree):
    for s in tree.body:
        if isinstance(s, ast.Expr):
            if not only_looks(s.value):
                return False
        elif isinstance(s, ast.Assign):
            if not all(isinstance(t, ast.Name) for t in s.targets) or not only_looks(s.value):
                return False
        elif not isinstance(s, ast.Pass):
            return False
    return True


def plan(cells, references):
    body, result = [], []
    for c in cells:
        tree = parse(c["code"]) if c["python"] else None
        statements = tree.body if tree else None
        if statements is not None and not c["ok"]:
            if c["error"] in ("SyntaxError", "IndentationError"):
                statements = []
            elif c["line"] > 0:  # what stands before the statement that failed had come to its end
                statements = [s for s in statements if s.end_lineno < c["line"]]
        body.append(statements)
        result.append(["run"] if c["ok"] else ["failed"])

    def failed_needed(kept):
        """The failed cells whose traces a kept one reads."""
        needed, touched, later = set(), {}, {}
        for i, c in enumerate(cells):
            here = touched.setdefault(c["context"], {})
            late = later.setdefault(c["context"], set())
            for s in body[i] or []:
                if i in kept:
                    for name in reads(s) | late:
                        needed |= here.get(name, set())
                    late |= deferred(s)
                if c["ok"]:
                    if isinstance(s, (ast.Assign, ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
                        for name in binds(s):
                            here.pop(name, None)
                else:
                    for name in touches(s):
                        here.setdefault(name, set()).add(i)
            if body[i] is None and c["ok"]:  # not to be read: it may use anything
                for names in here.values():
                    needed |= names
        return needed

    kept = {i for i, c in enumerate(cells) if c["ok"]}
    kept |= {i for i, c in enumerate(cells) if not c["ok"] and body[i] and any(map(lasting, body[i]))}
    while True:
        more = failed_needed(kept) - kept
        if not more:
            break
        kept |= more
    for i in kept:
        if not cells[i]["ok"]:
            line = cells[i]["line"]
            result[i] = ["part", line if line > 0 else 1 << 30]

    if references:  # from the end: what only serves a look that is left out is itself one
        needed = {}
        for i in reversed(range(len(cells))):
            c = cells[i]
            names = needed.setdefault(c["context"], set())
            if i not in kept:
                continue
            if body[i] is None:
                needed[c["context"]] = None
                continue
            tree = ast.Module(body[i], [])
            if c["ok"] and names is not None and c["python"] and is_look(tree) and not lasting(tree) and \
                    not binds(tree) & names:
                result[i] = ["look"]
                kept.discard(i)
            elif names is not None:
                names |= reads(tree)
    return result


with open("/output/rerun-cells.json") as f:
    given = json.load(f)
print(json.dumps(plan(given["cells"], given["references"])))
