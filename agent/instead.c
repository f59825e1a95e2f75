#include "agent/instead.h"
#include <string.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/base/banned.h"

#define MAX_MODULE 64
#define MAX_LISTED 600 /* of the list of what is there, for a module of no row */

/* Import names. What serves: "+" = of Python's own library, always there; else it must be installed
 * to be named. The one that is missing is never recommended in its own place. */
static const struct row {
    const char *purpose, *missing, *serves;
} rows[] = {
    { "tables of data", "pandas polars dask modin vaex cudf pyspark datatable duckdb ibis",
      "pandas polars duckdb numpy +sqlite3 +csv" },
    { "arrays", "numpy cupy jax numba", "numpy +array +math +statistics" },
    { "charts",
      "matplotlib seaborn plotly bokeh altair plotnine pygal holoviews hvplot pyecharts "
      "vega_datasets",
      "matplotlib seaborn plotly altair" },
    { "Excel files", "openpyxl xlsxwriter xlwt xlrd pyxlsb xlwings calamine python_calamine",
      "openpyxl xlsxwriter xlrd +zipfile +csv" },
    { "writing PDF files", "reportlab weasyprint fpdf pdfkit borb docraptor",
      "reportlab weasyprint matplotlib.backends.backend_pdf" },
    { "reading PDF files", "pypdf PyPDF2 fitz pymupdf pdfplumber pdfminer camelot tabula",
      "pypdf pdfplumber fitz" },
    { "Word and PowerPoint files", "docx pptx docx2txt mammoth",
      "docx pptx +zipfile +xml.etree.ElementTree" },
    { "Parquet files", "pyarrow fastparquet", "pyarrow fastparquet duckdb polars" },
    { "machine learning", "sklearn tensorflow torch keras xgboost lightgbm catboost fastai h2o",
      "sklearn scipy numpy" },
    { "statistics and time series",
      "statsmodels pingouin prophet pmdarima lifelines arch linearmodels",
      "statsmodels scipy sklearn numpy +statistics" },
    { "optimisation", "cvxpy pulp ortools pyomo cvxopt", "scipy.optimize sklearn" },
    { "numerics", "scipy", "numpy +statistics +math" },
    { "algebra and exact numbers", "sympy mpmath gmpy2", "sympy mpmath +fractions +decimal" },
    { "images", "PIL cv2 skimage imageio wand", "PIL scipy.ndimage matplotlib.image numpy" },
    { "graphs and networks", "networkx igraph graph_tool",
      "networkx scipy.sparse.csgraph +graphlib" },
    { "maps", "geopandas shapely folium cartopy contextily", "geopandas shapely matplotlib" },
    { "text and language", "nltk spacy gensim transformers textblob wordcloud",
      "sklearn.feature_extraction.text +re +collections +difflib" },
    { "HTML and XML", "bs4 lxml html5lib parsel selectolax",
      "bs4 lxml +html.parser +xml.etree.ElementTree" },
    { "YAML and TOML", "yaml ruamel toml tomli", "yaml +tomllib +json +configparser" },
    { "dates and time zones", "dateutil pytz arrow pendulum", "dateutil +datetime +zoneinfo" },
    { "plain text tables", "tabulate prettytable rich texttable", "tabulate pandas +textwrap" },
    { "progress", "tqdm progressbar alive_progress", "tqdm +time" },
    { "templates", "jinja2 mako", "jinja2 +string" },
    { "databases", "sqlalchemy psycopg2 psycopg pymysql MySQLdb pymongo",
      "sqlalchemy duckdb +sqlite3" },
    { "validation", "pydantic marshmallow attr attrs", "pydantic +dataclasses" },
    { "character sets", "chardet charset_normalizer cchardet",
      "chardet charset_normalizer +codecs" },
};
static const char network_modules[] = "requests httpx aiohttp urllib3 yfinance pandas_datareader "
                                      "selenium playwright scrapy websocket boto3";

/* Where the index's name is another than the module's. */
static const struct {
    const char *module, *package;
} packages[] = {
    { "sklearn", "scikit-learn" },
    { "cv2", "opencv-python-headless" },
    { "PIL", "pillow" },
    { "bs4", "beautifulsoup4" },
    { "yaml", "pyyaml" },
    { "docx", "python-docx" },
    { "pptx", "python-pptx" },
    { "skimage", "scikit-image" },
    { "fitz", "pymupdf" },
    { "dateutil", "python-dateutil" },
    { "psycopg2", "psycopg2-binary" },
    { "igraph", "python-igraph" },
    { "fpdf", "fpdf2" },
    { "pdfminer", "pdfminer.six" },
    { "attr", "attrs" },
    { "ruamel", "ruamel.yaml" },
    { "graph_tool", NULL },
    { "vega_datasets", "vega-datasets" },
};

static bool has_word(const char *words, struct str word)
{
    struct str rest = str_of(words), one;

    for (bool more = true; more;) {
        more = str_cut(&rest, ' ', &one);
        if (one.n && str_eq(one, word))
            return true;
    }
    return false;
}

static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (c >= '0' && c <= '9')))
            return false;
    }
    return s.n > 0 && s.n <= MAX_MODULE;
}

/* "No module named 'polars.functions'" → "polars". */
static bool take_module(struct str message, struct str *ret)
{
    static const char head[] = "No module named '";
    struct str name, root;

    if (!str_starts(message, head))
        return false;
    message = str_from(message, sizeof head - 1);
    if (!str_cut(&message, '\'', &name))
        return false;
    str_cut(&name, '.', &root);
    *ret = root;
    return is_word(root);
}

/* `libraries` is "numpy 1.24.2, pandas 1.5.3, ...". */
static bool is_there(const char *libraries, struct str dotted)
{
    struct str root, rest = str_of(libraries), item, name;

    str_cut(&dotted, '.', &root);
    for (bool more = true; more;) {
        more = str_cut(&rest, ',', &item);
        item = str_trim(item);
        str_cut(&item, ' ', &name);
        if (str_ends(name, "."))
            name.n--; /* the last one before a sentence */
        if (str_eq(name, root))
            return true;
    }
    return false;
}

static void put_serving(struct buf *out, const struct row *row, struct str missing,
                        const char *libraries)
{
    struct str rest = str_of(row->serves), word;
    size_t n = 0;

    for (bool more = true; more;) {
        more = str_cut(&rest, ' ', &word);
        bool own = str_starts(word, "+");
        word = str_from(word, own);
        if (str_eq(word, missing) || (!own && !is_there(libraries, word)))
            continue;
        buf_puts(out, n++ ? ", " : "");
        buf_putstr(out, word);
        buf_puts(out, own ? " (Python's own)" : "");
    }
    if (n == 0)
        buf_puts(out, "nothing; do it in plain Python, or say that it cannot be done here");
}

/* Most have the module's name. */
static struct str package_of(struct str module)
{
    for (size_t i = 0; i < ARRAY_LEN(packages); i++)
        if (str_is(module, packages[i].module))
            return str_of(packages[i].package);
    return module;
}

bool instead_of(struct buf *out, struct str message, const char *libraries, bool network,
                struct instead *ret)
{
    struct str m;

    if (!take_module(message, &m) || is_there(libraries, m))
        return false;
    *ret = (struct instead){ m, { NULL, 0 } };
    buf_puts(out, "`");
    buf_putstr(out, m);
    buf_puts(out, "' is not installed here, and nothing can be installed while the code runs. ");
    if (has_word(network_modules, m)) {
        buf_puts(out, network ? "For the permitted hosts use urllib.request (Python's own).\n"
                              : "There is no network either: work with the attached files.\n");
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!has_word(rows[i].missing, m))
            continue;
        buf_putf(out, "For %s there is: ", rows[i].purpose);
        put_serving(out, &rows[i], m, libraries);
        buf_puts(out, ".\n");
        ret->package = package_of(m);
        return true;
    }
    buf_puts(out, "Installed are: ");
    utf8_clean_line(out, utf8_head(str_of(libraries), MAX_LISTED));
    buf_puts(out, strlen(libraries) > MAX_LISTED ? "...\n" : ".\n");
    return true;
}
