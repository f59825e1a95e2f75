#include <string.h>
#include "agent/instead.h"
#include "tests/unit/tap.h"

#define LIBS "numpy 1.24.2, pandas 1.5.3, matplotlib 3.6.3, PIL 9.4.0, sqlite3"

static const struct {
    const char *message, *libraries;
    bool network;
    const char *want, *not, *package; /* want NULL: nothing is said */
} cases[] = {
    { "No module named 'polars'", LIBS, false,
      "For tables of data there is: pandas, numpy, sqlite3 (Python's own), csv (Python's own).\n",
      "duckdb", "polars" },
    { "No module named 'plotly.express'", LIBS, false,
      "`plotly' is not installed here, and nothing can be installed while the code runs. For "
      "charts there is: matplotlib.\n",
      "seaborn", "plotly" },
    { "No module named 'cv2'", LIBS, false, "For images there is: PIL, matplotlib.image, numpy.\n",
      "scipy", "opencv-python-headless" },
    { "No module named 'pandas'", "only the standard library", false,
      "there is: sqlite3 (Python's own), csv (Python's own)", "pandas,", "pandas" },
    { "No module named 'cvxpy'", "only the standard library", false,
      "there is: nothing; do it in plain Python", "sklearn", "cvxpy" },
    { "No module named 'requests'", LIBS, false, "There is no network either", "urllib", "" },
    { "No module named 'requests'", LIBS, true, "urllib.request (Python's own)", "no network", "" },
    { "No module named 'some_invention'", LIBS, false, "Installed are: numpy 1.24.2, pandas",
      "For ", "" },
    { "No module named 'pandas.nope'", LIBS, false, NULL, NULL, "" },
    { "No module named 'numpy'",
      "numpy 1.24.2. The user's environment of packages brings: alpha 1.0", false, NULL, NULL, "" },
    { "No module named 'alpha'", "alpha. The user's environment of packages brings: alpha 1.0",
      false, NULL, NULL, "" },
    { "No module named ''", LIBS, false, NULL, NULL, "" },
    { "No module named 'a b'", LIBS, false, NULL, NULL, "" },
    { "No module named 'x\x1b[2J'", LIBS, false, NULL, NULL, "" },
    { "No module named 'unended", LIBS, false, NULL, NULL, "" },
    { "something else", LIBS, false, NULL, NULL, "" },
    { "", LIBS, false, NULL, NULL, "" },
};

int main(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cleanup_buf struct buf out = BUF_MAX(65536);
        struct instead in = { { NULL, 0 }, { NULL, 0 } };
        bool said =
            instead_of(&out, str_of(cases[i].message), cases[i].libraries, cases[i].network, &in);
        if (cases[i].want == NULL) {
            CHECK(!said && out.n == 0, "nothing is said of: %s",
                  i == 13 ? "an escape" : cases[i].message);
            continue;
        }
        CHECK(said && strstr(buf_cstr(&out), cases[i].want) &&
                  !strstr(buf_cstr(&out), cases[i].not ),
              "%s: %s", cases[i].message, buf_cstr(&out));
        CHECK(str_is(in.package, cases[i].package), "its package is `%.*s'", (int)in.package.n,
              in.package.p ? in.package.p : "");
    }
    return tap_done();
}
