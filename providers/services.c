#include "providers/services.h"
#include <string.h>
#include <strings.h>
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define CHAT "openai-chat"

/* Order: as `agent models` shows them. */
const struct service services[] = {
    { .name = "openai",
      .title = "OpenAI",
      .base_url = "https://api.openai.com/v1",
      .base_env = "OPENAI_BASE_URL",
      .key_env = "OPENAI_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .quirks = CHAT_COMPLETION_TOKENS,
      .models = "gpt-* o1* o3* o4* chatgpt-* codex-* ft:gpt-*",
      .example = "gpt-4.1-mini" },
    { .name = "anthropic",
      .aliases = "claude",
      .title = "Anthropic",
      .base_url = "https://api.anthropic.com",
      .base_env = "ANTHROPIC_BASE_URL",
      .key_env = "ANTHROPIC_API_KEY",
      .wire = "anthropic-messages",
      .list_path = "/v1/models?limit=1000",
      .models = "claude-*",
      .example = "claude-sonnet-4-5" },
    { .name = "gemini",
      .aliases = "google",
      .title = "Google Gemini",
      .base_url = "https://generativelanguage.googleapis.com",
      .base_env = "GOOGLE_GEMINI_BASE_URL",
      .key_env =
          "GOOGLE_API_KEY GEMINI_API_KEY", /* with both, Google's own clients take this one */
      .wire = "gemini-generate-content",
      .list = LIST_MODELS,
      .list_path = "/v1beta/models?pageSize=1000",
      .models = "gemini-*",
      .example = "gemini-2.5-flash" },
    { .name = "azure",
      .title = "Azure OpenAI",
      .base_env = "AZURE_OPENAI_ENDPOINT",
      .key_env = "AZURE_OPENAI_API_KEY",
      .wire = CHAT,
      .auth = CHAT_AUTH_API_KEY,
      .list_path = "/models",
      .quirks = CHAT_COMPLETION_TOKENS,
      .example = "my-deployment" },
    { .name = "openrouter",
      .title = "OpenRouter",
      .base_url = "https://openrouter.ai/api/v1",
      .key_env = "OPENROUTER_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .key_path = "/key",
      .headers = "X-Title: agent\n",
      .example = "deepseek/deepseek-chat" },
    { .name = "groq",
      .title = "Groq",
      .base_url = "https://api.groq.com/openai/v1",
      .key_env = "GROQ_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .quirks = CHAT_COMPLETION_TOKENS | CHAT_NO_REASONING_BACK,
      .example = "openai/gpt-oss-120b" },
    { .name = "mistral",
      .title = "Mistral",
      .base_url = "https://api.mistral.ai/v1",
      .key_env = "MISTRAL_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .quirks = CHAT_NO_REASONING_BACK | CHAT_SHORT_IDS | CHAT_NO_STREAM_OPTIONS,
      .models = "mistral-* magistral-* codestral-* devstral-* ministral-* pixtral-*",
      .example = "mistral-medium-latest" },
    { .name = "deepseek",
      .title = "DeepSeek",
      .base_url = "https://api.deepseek.com",
      .key_env = "DEEPSEEK_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .quirks = CHAT_REASONING_BACK,
      .models = "deepseek-*",
      .example = "deepseek-chat" },
    { .name = "xai",
      .aliases = "grok",
      .title = "xAI",
      .base_url = "https://api.x.ai/v1",
      .key_env = "XAI_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .models = "grok-*",
      .example = "grok-4-fast" },
    { .name = "together",
      .aliases = "togetherai",
      .title = "Together",
      .base_url = "https://api.together.xyz/v1",
      .key_env = "TOGETHER_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .example = "moonshotai/Kimi-K2-Instruct" },
    { .name = "fireworks",
      .aliases = "fireworks-ai",
      .title = "Fireworks",
      .base_url = "https://api.fireworks.ai/inference/v1",
      .key_env = "FIREWORKS_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .example = "accounts/fireworks/models/deepseek-v3p1" },
    { .name = "cerebras",
      .title = "Cerebras",
      .base_url = "https://api.cerebras.ai/v1",
      .key_env = "CEREBRAS_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .quirks = CHAT_COMPLETION_TOKENS,
      .example = "gpt-oss-120b" },
    { .name = "moonshot",
      .aliases = "moonshotai kimi",
      .title = "Moonshot",
      .base_url = "https://api.moonshot.ai/v1",
      .key_env = "MOONSHOT_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .models = "kimi-* moonshot-*",
      .example = "kimi-k2.5" },
    { .name = "zai",
      .aliases = "z-ai zhipu",
      .title = "Z.ai",
      .base_url = "https://api.z.ai/api/paas/v4",
      .key_env = "ZHIPU_API_KEY ZAI_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .models = "glm-*",
      .example = "glm-4.7" },
    { .name = "huggingface",
      .aliases = "hf",
      .title = "Hugging Face router",
      .base_url = "https://router.huggingface.co/v1",
      .key_env = "HF_TOKEN",
      .wire = CHAT,
      .list_path = "/models",
      .key_path = "",
      .example = "openai/gpt-oss-120b" },
    { .name = "github",
      .aliases = "github-models",
      .title = "GitHub Models",
      .base_url = "https://models.github.ai/inference",
      .key_env = "GITHUB_TOKEN",
      .wire = CHAT,
      .list = LIST_CATALOG,
      .list_path = "https://models.github.ai/catalog/models",
      .key_path = "",
      .example = "openai/gpt-4.1-mini" },
    { .name = "ollama",
      .title = "Ollama",
      .base_url = "http://localhost:11434",
      .base_env = "OLLAMA_HOST",
      .key_env = "OLLAMA_API_KEY",
      .wire = "ollama-chat",
      .keyless = true,
      .list = LIST_TAGS,
      .list_path = "/api/tags",
      .example = "qwen3" },
    { .name = "llamacpp",
      .aliases = "llama.cpp llama-cpp",
      .title = "llama.cpp server",
      .base_url = "http://localhost:8080/v1",
      .base_env = "LLAMACPP_BASE_URL",
      .key_env = "LLAMACPP_API_KEY",
      .wire = CHAT,
      .keyless = true,
      .list_path = "/models",
      .example = "default" },
    { .name = "vllm",
      .title = "vLLM",
      .base_url = "http://localhost:8000/v1",
      .base_env = "VLLM_BASE_URL",
      .key_env = "VLLM_API_KEY",
      .wire = CHAT,
      .keyless = true,
      .list_path = "/models",
      .example = "Qwen/Qwen3-8B" },
    { .name = "lmstudio",
      .aliases = "lm-studio",
      .title = "LM Studio",
      .base_url = "http://localhost:1234/v1",
      .base_env = "LMSTUDIO_BASE_URL",
      .key_env = "LMSTUDIO_API_KEY",
      .wire = CHAT,
      .keyless = true,
      .list_path = "/models",
      .example = "qwen/qwen3-8b" },
    { .name = "custom",
      .title = "any other server",
      .key_env = "CUSTOM_API_KEY",
      .wire = CHAT,
      .list_path = "/models",
      .example = "my-model" },
};
const size_t services_n = ARRAY_LEN(services);

/* OpenAI's models that reason take tools only by the Responses API. The list is a hint: the client
 * changes over as well when a refusal names it. */
static const struct {
    const char *service, *models;
    struct model_trait trait;
} traits[] = {
    { "openai", "gpt-5* o1* o3* o4* codex-*", { "openai-responses", 0 } },
};

static bool word_in(const char *words, struct str word)
{
    struct str rest = str_of(words), w;

    for (bool more = words != NULL; more;) {
        more = str_cut(&rest, ' ', &w);
        if (w.n == word.n && strncasecmp(w.p, word.p, w.n) == 0)
            return true;
    }
    return false;
}

static bool glob_in(const char *globs, struct str text)
{
    struct str rest = str_of(globs), g;

    for (bool more = globs != NULL; more;) {
        more = str_cut(&rest, ' ', &g);
        cleanup_free char *pattern = str_dup(g);
        if (service_glob(pattern, text))
            return true;
    }
    return false;
}

bool service_glob(const char *pattern, struct str text)
{
    const char *star = NULL;
    size_t i = 0, mark = 0;

    /* One star to go back to is enough: a later one forgives all that an earlier could. */
    while (i < text.n) {
        if (*pattern == '*') {
            star = ++pattern;
            mark = i;
        } else if (*pattern && strncasecmp(pattern, text.p + i, 1) == 0) {
            pattern++;
            i++;
        } else if (star) {
            pattern = star;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

const struct service *service_find(struct str name)
{
    for (size_t i = 0; i < services_n; i++)
        if (word_in(services[i].name, name) || word_in(services[i].aliases, name))
            return &services[i];
    return NULL;
}

/* "https://host:port/..." -> "host". */
static struct str host_of(const char *url)
{
    const char *p = url ? strstr(url, "://") : NULL;
    struct str h = p ? str_of(p + 3) : STR("");
    size_t n = 0;

    while (n < h.n && !strchr("/:?#", h.p[n]))
        n++;
    return (struct str){ h.p, n };
}

const struct service *service_at(const char *url)
{
    struct str host = host_of(url);

    for (size_t i = 0; host.n && i < services_n; i++) {
        struct str own = host_of(services[i].base_url);
        if (!services[i].keyless && own.n == host.n && strncasecmp(own.p, host.p, own.n) == 0)
            return &services[i];
    }
    if (host.n > 17 && strncasecmp(host.p + host.n - 17, ".openai.azure.com", 17) == 0)
        return service_find(STR("azure"));
    return NULL;
}

const struct service *service_of_model(struct str model)
{
    for (size_t i = 0; i < services_n; i++)
        if (glob_in(services[i].models, model))
            return &services[i];
    return NULL;
}

struct model_trait service_model_trait(const struct service *s, struct str model)
{
    for (size_t i = 0; i < ARRAY_LEN(traits); i++)
        if (!strcmp(traits[i].service, s->name) && glob_in(traits[i].models, model))
            return traits[i].trait;
    return (struct model_trait){ NULL, 0 };
}

/* Edit distance, for words as short as these. */
static size_t distance(struct str a, struct str b)
{
    size_t d[24][24];

    if (a.n > 23 || b.n > 23)
        return 99;
    for (size_t i = 0; i <= a.n; i++)
        for (size_t j = 0; j <= b.n; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            size_t best = d[i - 1][j - 1] + ((a.p[i - 1] | 32) != (b.p[j - 1] | 32));
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            d[i][j] = best;
        }
    return d[a.n][b.n];
}

const char *service_near(struct str word)
{
    const char *best = NULL;
    size_t best_d = 4;

    for (size_t i = 0; i < services_n; i++) {
        struct str rest = str_of(services[i].aliases), w = str_of(services[i].name);
        for (bool more = true; more;) {
            size_t d = distance(word, w);
            if (d < best_d && d < w.n / 2 + 1 && d < word.n) {
                best_d = d;
                best = services[i].name;
            }
            more = rest.n > 0;
            if (more)
                (void)str_cut(&rest, ' ', &w);
        }
    }
    return best;
}
