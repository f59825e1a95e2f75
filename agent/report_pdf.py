# A page as PDF. Runs in a sandbox: the page holds all it needs, and nothing else may be fetched.
import logging
import weasyprint

logging.getLogger("weasyprint").setLevel(logging.ERROR)
logging.getLogger("fontTools").setLevel(logging.ERROR)


def only_within(url, *args, **kw):
    if url.startswith("data:"):
        return weasyprint.default_url_fetcher(url, *args, **kw)
    raise ValueError("a report fetches nothing")


PAGE = """
@page { size: A4; margin: 18mm 16mm 18mm;
        @bottom-right { content: counter(page) " / " counter(pages); font: 8pt "DejaVu Sans", sans-serif; color: #555; } }
html { color-scheme: light; }
"""
html = weasyprint.HTML(filename="report.html", url_fetcher=only_within, base_url=None)
html.write_pdf("report.pdf", stylesheets=[weasyprint.CSS(string=PAGE)])
