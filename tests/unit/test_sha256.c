/* SHA-256 against the vectors of FIPS 180-4 and sha256sum(1), in one piece and in many. */
#include <stdlib.h>
#include <string.h>
#include "agent/base/mem.h"
#include "agent/base/sha256.h"
#include "tests/unit/tap.h"
#include "agent/base/banned.h"

static void hash(const char *p, size_t n, size_t step, char hex[65])
{
    struct sha256 s;

    sha256_init(&s);
    for (size_t i = 0; i < n; i += step)
        sha256_put(&s, p + i, n - i < step ? n - i : step);
    sha256_hex(&s, hex);
}

int main(void)
{
    static const struct {
        const char *text;
        size_t times;
        const char *want;
    } cases[] = {
        { "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { "a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
        { "a", 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318" },
        { "a", 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a" },
        { "a", 63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34" },
        { "a", 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb" },
        { "a", 65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0" },
    };
    static const size_t steps[] = { 1, 3, 63, 64, 65, 4096, 2000000 };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = strlen(cases[i].text), n = len * cases[i].times;
        cleanup_free char *text = xmalloc(n + 1);
        for (size_t k = 0; k < cases[i].times; k++)
            memcpy(text + k * len, cases[i].text, len);
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            char hex[65];
            hash(text, n, steps[k], hex);
            CHECK(!strcmp(hex, cases[i].want), "%zu bytes in steps of %zu", n, steps[k]);
        }
    }
    return tap_done();
}
