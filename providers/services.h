/* The services that are known, as data: where each is, which key it takes and how, what it speaks,
 * how it lists its models, and what it is known not to take. Pure: no environment, no network.
 *
 * A new service is one row in services.c. A setting of the user's always wins over its row. */
#ifndef PROVIDERS_SERVICES_H
#define PROVIDERS_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include "agent/base/str.h"
#include "providers/chat.h"

/* What the answer of the listing endpoint looks like. */
enum service_list {
    LIST_DATA, /* {"data":[{"id"}]}, or a bare array: OpenAI's and its kin; Anthropic's pages too */
    LIST_MODELS,  /* {"models":[{"name":"models/..."}],"nextPageToken"}: Gemini */
    LIST_TAGS,    /* {"models":[{"name"}]}: Ollama */
    LIST_CATALOG, /* [{"id"}]: GitHub */
};

struct service {
    const char *name; /* "openrouter": the word before the slash in -m, and the provider setting */
    const char *aliases;  /* further words, separated by a space; NULL = none */
    const char *title;    /* "OpenRouter" */
    const char *base_url; /* NULL = the user must give it */
    const char *base_env; /* the variable that moves it; NULL = none */
    const char *key_env;  /* variables with the key, the first that is set counts; NULL = none */
    const char *wire;     /* codec_find() name */
    enum chat_auth auth;
    bool keyless;           /* a server of one's own: no key is needed, and nobody is billed */
    enum service_list list; /* the shape of the list */
    const char *list_path;  /* after the base URL, or a whole URL */
    const char *key_path;   /* a GET that a wrong key is refused at, where the list is open to all;
                               "" = there is none that is known; NULL = the list itself */
    const char *headers;    /* sent always, "Name: value\n" lines; NULL = none */
    unsigned quirks;        /* enum chat_quirk, known beforehand */
    const char *models;     /* names that mean this service without its word, globs separated by a
                               space; NULL = none */
    const char *example;    /* a model for the user to copy */
};

extern const struct service services[];
extern const size_t services_n;

/* By name or alias; NULL if there is none. */
const struct service *service_find(struct str name);
/* The service whose base URL has the host of `url`; NULL if none. Local servers never match. */
const struct service *service_at(const char *url);
/* The service that a bare model name means ("claude-...", "gemini-..."); NULL if none. */
const struct service *service_of_model(struct str model);
/* The nearest service name to a mistyped word; NULL if none is near. */
const char *service_near(struct str word);

/* What a model of a service is known to want beyond its service's row. */
struct model_trait {
    const char *wire; /* NULL = the service's */
    unsigned quirks;
};
/* Only for models at the service's own address. */
struct model_trait service_model_trait(const struct service *s, struct str model);

/* '*' stands for any run of characters, without case. */
bool service_glob(const char *pattern, struct str text);

#endif
