/* What the encoders of all wire formats share: a conversation written so that no service refuses
 * it. Services check histories hard (a result for each call, at once and in order; arguments that
 * are an object; names and ids of their own alphabet), and a history can hold what breaks those
 * rules: a run that was interrupted, a model that wrote nonsense, turns that another service made.
 * Pure. */
#ifndef PROVIDERS_HISTORY_H
#define PROVIDERS_HISTORY_H

#include "agent/base/err.h"
#include "agent/base/str.h"
#include "providers/chat.h"

/* Is the message's raw form this codec's, and does it belong to the service and model that are
 * asked? Then it goes back as it is; otherwise it is told again in neutral words. */
bool history_raw(const struct chat_request *rq, const struct chat_message *m, const char *codec);

/* What answers call `c` of message `i`, among the tool messages right behind it; NULL = nothing. */
const struct chat_message *history_result(const struct chat_request *rq, size_t i, size_t c);
/* Its text, never blank; for NULL a note that the run was interrupted. */
const char *history_result_text(const struct chat_message *result);

bool history_blank(const char *text); /* NULL, empty or white space */
/* The arguments if they are a JSON object, else "{}". */
const char *history_args(const char *args);
/* Appends, as a JSON string, the name as a service will take it back: letters, digits, _ and -, at
 * most 64, at least one. Equal names stay equal. */
void history_put_name(struct buf *out, const char *name);
/* Appends, as a JSON string, the id of call `c` of message `i`. A foreign id (not of this codec, or
 * with letters or a length that services refuse, or used before in the conversation) is replaced
 * by a made one, the same for the call and for its result. */
void history_put_id(struct buf *out, const struct chat_request *rq, const char *codec, size_t i,
                    size_t c);

/* Where a result cannot hold pictures: the user message that brings them begins so. */
#define HISTORY_IMAGES_FOLLOW "The pictures that the code made, as they look:"
/* How many pictures of `m` (NULL: none) are sent. */
size_t history_images(const struct chat_request *rq, const struct chat_message *m);
/* Appends the quoted "data:image/png;base64,..." or just the quoted base64 text. */
void history_put_data_url(struct buf *out, const struct chat_image *im);
void history_put_base64(struct buf *out, const struct chat_image *im);

/* Appends ,"tools":[...] as OpenAI's chat format and those after it declare functions. */
void history_put_functions(struct buf *out, const struct chat_request *rq);

/* The model is named, and the body has not outgrown its cap: the ends of every encode(). */
int history_need_model(const struct chat_request *rq, struct err *e);
int history_body_fits(const struct buf *body, struct err *e);

#endif
