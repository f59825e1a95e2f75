"""Labels in any script: the fonts that have it stand behind the one that the code chose, and one line
says what no font here has. Families are looked up in the list of fonts that matplotlib has already."""
import sys

load = globals()["load"]    # set by the loader in driver.py
show = load("show")

MAX_SHOWN = 12      # characters in the line
# (script, first and last of its characters, families by preference, Debian's package)
CJK = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans CJK TC", "Source Han Sans SC",
       "Noto Serif CJK SC", "Noto Serif CJK JP", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback",
       "AR PL UMing CN", "IPAGothic", "IPAPGothic", "VL Gothic", "TakaoGothic")
KOREAN = ("Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans CJK SC", "NanumGothic", "Baekmuk Dotum", "UnDotum")
CORE = "fonts-noto-core"
SCRIPTS = (
    ("Chinese or Japanese", ((0x2E80, 0x312F), (0x31A0, 0x9FFF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F),
                             (0xFF00, 0xFFEF), (0x20000, 0x3FFFF)), CJK, "fonts-noto-cjk"),
    ("Korean", ((0x1100, 0x11FF), (0x3130, 0x318F), (0xA960, 0xA97F), (0xAC00, 0xD7FF)), KOREAN, "fonts-noto-cjk"),
    ("Cyrillic", ((0x400, 0x52F),), ("DejaVu Sans", "Noto Sans"), "fonts-dejavu-core"),
    ("Armenian", ((0x530, 0x58F),), ("Noto Sans Armenian",), CORE),
    ("Hebrew", ((0x590, 0x5FF), (0xFB1D, 0xFB4F)), ("Noto Sans Hebrew",), CORE),
    ("Arabic", ((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFE)),
     ("Noto Sans Arabic", "Noto Naskh Arabic", "Amiri", "KacstOne"), CORE),
    ("Devanagari", ((0x900, 0x97F),), ("Noto Sans Devanagari", "Lohit Devanagari"), CORE),
    ("Bengali", ((0x980, 0x9FF),), ("Noto Sans Bengali", "Lohit Bengali"), CORE),
    ("Gurmukhi", ((0xA00, 0xA7F),), ("Noto Sans Gurmukhi", "Lohit Gurmukhi"), CORE),
    ("Gujarati", ((0xA80, 0xAFF),), ("Noto Sans Gujarati", "Lohit Gujarati"), CORE),
    ("Tamil", ((0xB80, 0xBFF),), ("Noto Sans Tamil", "Lohit Tamil"), CORE),
    ("Telugu", ((0xC00, 0xC7F),), ("Noto Sans Telugu", "Lohit Telugu"), CORE),
    ("Kannada", ((0xC80, 0xCFF),), ("Noto Sans Kannada", "Lohit Kannada"), CORE),
    ("Malayalam", ((0xD00, 0xD7F),), ("Noto Sans Malayalam", "Lohit Malayalam"), CORE),
    ("Sinhala", ((0xD80, 0xDFF),), ("Noto Sans Sinhala",), CORE),
    ("Thai", ((0xE00, 0xE7F),), ("Noto Sans Thai", "Loma", "Garuda", "Waree"), CORE),
    ("Lao", ((0xE80, 0xEFF),), ("Noto Sans Lao",), CORE),
    ("Burmese", ((0x1000, 0x109F),), ("Noto Sans Myanmar", "Padauk"), CORE),
    ("Georgian", ((0x10A0, 0x10FF),), ("Noto Sans Georgian",), CORE),
    ("Ethiopic", ((0x1200, 0x139F),), ("Noto Sans Ethiopic",), CORE),
    ("Khmer", ((0x1780, 0x17FF),), ("Noto Sans Khmer",), CORE),
    ("emoji and symbols", ((0x2000, 0x2BFF), (0x1F000, 0x1FAFF)), ("Noto Emoji", "Symbola"), "fonts-symbola"),
)
# What has to be joined or turned round before it can be read, which matplotlib before 3.11 does not do.
TURNED = (0x591, 0x6FF)
JOINED = ((0x900, 0xDFF), (0x1000, 0x109F), (0x1780, 0x17FF))

missing = set()     # code points that were drawn as boxes in this cell
unshaped = set()    # scripts whose letters were drawn one by one


def script_of(code):
    for script in SCRIPTS:
        if any(first <= code <= last for first, last in script[1]):
            return script
    return None


# ---- fonts behind the chosen one ----

def best_of(entries, prop, weights):
    """The face that is nearest to what was asked for."""
    def distance(entry):
        here, wanted = (weights.get(w, w) for w in (entry.weight, prop.get_weight()))
        return (entry.style != prop.get_style(), entry.stretch != "normal",
                abs(int(here) - int(wanted)) if str(here).isdigit() and str(wanted).isdigit() else 0)
    return min(entries, key=distance).fname


def on_font_manager(module):
    manager = module.fontManager
    plain = getattr(type(manager), "_find_fonts_by_props", None)
    once_each(module)
    if plain is None:       # before 3.6 a text has one font
        return
    known = {}

    def behind(prop):
        key = (prop.get_weight(), prop.get_style(), len(manager.ttflist))
        if key not in known:
            by_name = {}
            for entry in manager.ttflist:
                by_name.setdefault(entry.name, []).append(entry)
            families = [next((f for f in families if f in by_name), None) for _, _, families, _ in SCRIPTS]
            known[key] = [best_of(by_name[f], prop, module.weight_dict) for f in dict.fromkeys(families) if f]
        return known[key]

    def find(prop, *args, **kw):
        found = plain(manager, prop, *args, **kw)
        try:
            return found + [path for path in behind(prop) if path not in found]
        except Exception:
            return found
    manager._find_fonts_by_props = find


def once_each(module):
    """matplotlib says "findfont: Font family 'SimHei' not found" for every single label."""
    import logging
    seen = set()

    def is_new(record):
        text = record.getMessage()
        return not (text in seen or seen.add(text))
    logging.getLogger(module.__name__).addFilter(is_new)


# ---- what cannot be drawn ----

def on_text_helpers(module):
    """One line at the cell's end takes the place of a warning for each character."""
    def warn_on_missing_glyph(codepoint, *args):
        # A PDF gets the widths of all characters of its encoding, whether anything is written with them or not.
        if codepoint >= 32 and sys._getframe(1).f_code.co_name != "get_char_width":
            missing.add(codepoint)
    module.warn_on_missing_glyph = warn_on_missing_glyph


def look_at(figure):
    """Notes texts that were drawn and cannot be read."""
    matplotlib = sys.modules["matplotlib"]
    if getattr(matplotlib, "__version_info__", (3, 0)) >= (3, 11):
        return
    from matplotlib.text import Text
    for text in figure.findobj(Text):
        text = text.get_text() if text.get_visible() else ""
        if text.isascii():
            continue
        for code in set(map(ord, text)):
            turned = TURNED[0] <= code <= TURNED[1]
            if turned and "bidi" not in sys.modules or any(a <= code <= b for a, b in JOINED):
                script = script_of(code)
                unshaped.add(script[0] if script else "these")


def tell():
    """What was found in this cell, a line each; nothing is kept for the next."""
    if missing:
        parts, other = [], sorted(missing)
        for name, _, _, package in SCRIPTS:
            own = [c for c in other if (script_of(c) or ("",))[0] == name]
            other = [c for c in other if c not in own]
            if own:
                parts.append("%s (%s; Debian package %s)" % (name, shown(own), package))
        if other:
            parts.append("others (%s)" % shown(other))
        show.note("no installed font has these characters, so figures show boxes in their place: %s. Use other "
                  "labels, or tell the user which package to install" % "; ".join(parts))
        missing.clear()
    if unshaped:
        names = sorted(unshaped)
        rtl = {"Arabic", "Hebrew"} & unshaped
        show.note("%s text is drawn letter by letter%s: this matplotlib does not shape it%s" % (
            ", ".join(names), " from left to right" if rtl else "",
            "; use arabic_reshaper and bidi.algorithm.get_display where they are (Debian packages python3-arabic-reshaper, "
            "python3-bidi), else other labels" if rtl else "; use other labels"))
        unshaped.clear()


def shown(codes):
    text = "".join(map(chr, codes[:MAX_SHOWN]))
    return text + ("... %d in all" % len(codes) if len(codes) > MAX_SHOWN else "")
