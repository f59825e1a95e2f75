#include "tests/unit/decode.h"

int main(void)
{
    decode_samples("openai-responses");
    decode_samples("anthropic-messages");
    decode_samples("gemini-generate-content");
    decode_samples("ollama-chat");
    return tap_done();
}
