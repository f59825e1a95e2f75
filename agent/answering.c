#include "agent/answering.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include "agent/base/limits.h"
#include "agent/base/mem.h"
#include "agent/base/utf8.h"
#include "agent/grounding.h"
#include "agent/reporting.h"
#include "agent/schema.h"
#include "agent/transcript.h"
#include "prompts/prompts.h"
#include "agent/base/banned.h"

#define EMPTY_REPLIES_END 2
#define FORM_TRIES 2 /* how often an answer goes back that does not fit the schema */

/* What is wrong with the claims of the answer, for the model; "" = nothing. Caller frees. */
static char *unproved_text(struct run *run, struct err *e)
{
    cleanup_buf struct buf lines = BUF_MAX(MAX_PROMPT_BYTES);

    if (run->grounding.n_unmatched == 0)
        return xstrdup("");
    cleanup_free char *form = prompt_text(run->conf->prompts_dir, "ground_repair.md", e);
    if (form == NULL)
        return NULL;
    grounding_lines(run, 20, &lines);
    const char *const pairs[] = { "misses", buf_cstr(&lines), NULL };
    return prompt_fill(form, pairs, e);
}

/* An answer with claims that are found nowhere, or with references to values that nobody
 * published, goes back once. 1 = the model is asked again, 0 = it stands (run->grounding says how;
 * `shown` is what the user sees of it), -1 = *e is set. */
static int ask_to_mend(struct answering *a, struct chat_turn *t, const char *shown, bool last,
                       struct err *e)
{
    struct run *run = a->run;

    if (grounding_applies(run))
        grounding_check(run, shown);
    if (last || a->unproved || run->turns + 2 > run->conf->max_turns)
        return 0;
    cleanup_free char *references = reporting_repair(run, t->text, e);
    cleanup_free char *claims = references ? unproved_text(run, e) : NULL;
    if (claims == NULL)
        return -1;
    if (claims[0] == '\0' && references[0] == '\0')
        return 0;
    a->unproved = xstrdup(t->text);
    if (claims[0])
        record_event(run->record, "grounding", grounding_json(run));
    convo_assistant(&run->convo, t);
    if (references[0])
        ui_note(run->ui, "the report refers to values that were not published: the model is asked "
                         "to mend it");
    if (claims[0])
        ui_note(run->ui,
                "%zu of %zu numbers and files in the answer are not in what the code printed: "
                "the model is asked to mend it",
                run->grounding.n_unmatched, run->grounding.checked);
    cleanup_free char *text =
        xasprintf("%s%s%s", references, references[0] && claims[0] ? "\n\n" : "", claims);
    transcript_say(run, text);
    return 1;
}

static char *first_line(const struct buf *b)
{
    struct str rest = buf_str(b), line;

    (void)str_cut(&rest, '\n', &line);
    return str_dup(utf8_head(line, 300));
}

/* With --schema the answer must be JSON that fits; what does not goes back, with the reasons. 1 =
 * the model is asked again, 0 = t->text is the answer (a->misformed: and does not fit), -1 = *e is
 * set. */
static int ask_for_form(struct answering *a, struct chat_turn *t, bool last, struct err *e)
{
    struct run *run = a->run;
    cleanup_buf struct buf why = BUF_MAX(MAX_PROMPT_BYTES);
    struct str json = schema_payload(str_of(t->text));

    a->form_only = a->misformed = false;
    if (schema_allows(run->schema, json, &why)) {
        char *bare = str_dup(json);
        free(t->text);
        t->text = bare;
        return 0;
    }
    free(a->misfit);
    a->misfit = first_line(&why);
    if (a->unproved) { /* mending took the form away: the answer before it has it */
        free(t->text);
        t->text = xstrdup(a->unproved);
        return 0;
    }
    a->misformed = true;
    if (last || a->form_tries >= FORM_TRIES)
        return 0;
    a->form_tries++;
    a->form_only = true;
    cleanup_free char *form = prompt_text(run->conf->prompts_dir, "schema_repair.md", e);
    const char *const pairs[] = { "reasons", buf_cstr(&why), NULL };
    cleanup_free char *text = form ? prompt_fill(form, pairs, e) : NULL;
    if (text == NULL)
        return -1;
    ui_note(run->ui, "the answer does not fit the schema (%s): the model is asked again",
            a->misfit);
    convo_assistant(&run->convo, t);
    transcript_say(run, text);
    return 1;
}

/* --strict: every claim of the answer was found. */
static int check_claims(const struct run *run, struct err *e)
{
    const struct ground_result *g = &run->grounding;

    if (!run->conf->strict || g->n_unmatched == 0)
        return 0;
    return err_set(e, ERR_CHECK, 0,
                   "%zu of %zu numbers and files in the answer are not in what the code printed or "
                   "made (--strict); the first: %s",
                   g->n_unmatched, g->checked, g->unmatched[0].text);
}

/* The same of a report's references, which without --strict are a warning. */
static int check_references(struct run *run, struct err *e)
{
    cleanup_buf struct buf lines = BUF_MAX(MAX_PROMPT_BYTES);
    size_t unknown = run->reporting.markdown ? reporting_unknown(run, &lines) : 0;

    if (unknown == 0)
        return 0;
    cleanup_free char *first = first_line(&lines);
    if (run->conf->strict)
        return err_set(e, ERR_CHECK, 0,
                       "the report refers to %zu values that were not published (--strict); the "
                       "first: %s",
                       unknown, first);
    ui_warn(run->ui,
            "the report refers to %zu values that were not published, which are marked in it; the "
            "first: %s",
            unknown, first);
    return 0;
}

/* The answer is given in any case. -1: with a reservation, which is *e. */
static int reserve(const struct answering *a, const struct chat_turn *t, enum answering_last last,
                   struct err *e)
{
    struct run *run = a->run;

    if (a->misformed)
        return err_set(e, ERR_CHECK, 0,
                       "the answer does not fit the schema (--schema), asked %d times: %s",
                       1 + a->form_tries, a->misfit);
    if (t->stop == CHAT_STOP_LENGTH)
        ui_warn(run->ui, "the answer was cut at the model's output limit (--max-tokens)");
    if (last == LAST_BUDGET)
        return err_set(e, ERR_BUDGET, 0,
                       "stopped before the budget was used up: the answer is the best from what "
                       "was found until then");
    if (last == LAST_TURN)
        return err_set(e, ERR_TURNS, 0,
                       "stopped after %d turns (--max-turns): the answer is the best from what "
                       "was found until then",
                       run->turns);
    if (run->cells > 0 && run->cells_ok == 0)
        return err_set(e, ERR_NO_CELL, 0,
                       "none of the %d cells succeeded, so the answer rests on no computation",
                       run->cells);
    return check_claims(run, e) < 0 ? -1 : check_references(run, e);
}

static int settle_text(struct answering *a, struct chat_turn *t, enum answering_last last,
                       struct loop_result *ret)
{
    struct run *run = a->run;
    struct err *e = &ret->why;
    int again = run->schema ? ask_for_form(a, t, last != LAST_NOT, e) : 0;

    if (again) /* the text is the conversation's now */
        return again;
    cleanup_free char *shown = reporting_resolve(run, t->text);
    if (!a->misformed && t->stop != CHAT_STOP_LENGTH)
        again = ask_to_mend(a, t, shown, last != LAST_NOT, e);
    if (again)
        return again;
    ret->answer = steal_ptr(&shown);
    return reserve(a, t, last, e);
}

static int settle_nothing(struct answering *a, struct chat_turn *t, enum answering_last last,
                          struct err *e)
{
    struct run *run = a->run;

    if (t->refusal && t->refusal[0])
        return err_set(e, ERR_PROVIDER, 0, "the model declined to answer: %.600s", t->refusal);
    if (t->stop == CHAT_STOP_FILTER)
        return err_set(e, ERR_PROVIDER, 0, "the service's content filter stopped the reply");
    if (last == LAST_BUDGET)
        return err_set(e, ERR_BUDGET, 0,
                       "the budget is used up and there is no answer yet: raise it (--max-cost, "
                       "--max-tokens-total)");
    if (last == LAST_TURN)
        return err_set(e, ERR_TURNS, 0,
                       "stopped after %d turns (--max-turns) without an answer: raise --max-turns",
                       run->turns);
    if (t->stop == CHAT_STOP_PAUSE) {
        convo_assistant(&run->convo, t);
        return 1;
    }
    /* The empty reply is not sent back: some services refuse an assistant message without content.
     */
    if (++a->empty_replies >= EMPTY_REPLIES_END)
        return err_set(
            e, ERR_PROVIDER, 0,
            "the model gave an empty answer %d times (it stopped with \"%s\"). Ask again, or "
            "use another model (-m)%s",
            a->empty_replies, t->stop_word ? t->stop_word : "",
            t->stop == CHAT_STOP_LENGTH ? "; its output limit (--max-tokens) was reached "
                                          "before any text"
                                        : "");
    return transcript_say_prompt(run, "empty_reply.md", e) < 0 ? -1 : 1;
}

int answering_settle(struct answering *a, struct chat_turn *t, enum answering_last last,
                     struct loop_result *ret)
{
    if (t->text && str_trim(str_of(t->text)).n > 0)
        return settle_text(a, t, last, ret);
    return settle_nothing(a, t, last, &ret->why);
}

/* The answer was there, and asking to have it mended came to nothing: it is given, as it is. What
 * stopped the run from outside, or a rule of the user's, keeps its status. */
static void keep_unproved(struct answering *a, struct loop_result *ret)
{
    enum err_code c = ret->why.code;

    ret->answer = reporting_resolve(a->run, a->unproved);
    if (grounding_applies(a->run))
        grounding_check(a->run, ret->answer);
    if (c == ERR_NET || c == ERR_PROVIDER || c == ERR_LOOP || c == ERR_TURNS) {
        ui_warn(a->run->ui, "the answer could not be mended: %s", ret->why.msg);
        ret->why = (struct err)ERR_INIT;
        (void)check_claims(a->run, &ret->why);
    }
}

void answering_end(struct answering *a, struct loop_result *ret)
{
    if (a->unproved && ret->answer == NULL)
        keep_unproved(a, ret);
    free(a->unproved);
    free(a->misfit);
}
