/* SHA-256 (FIPS 180-4), for fingerprints of files in the record; not for keeping secrets. Pure. */
#ifndef AGENT_BASE_SHA256_H
#define AGENT_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t h[8];
    uint64_t bytes;
    unsigned char block[64];
    size_t n; /* bytes waiting in `block` */
};

void sha256_init(struct sha256 *s);
void sha256_put(struct sha256 *s, const void *p, size_t n);
/* 64 lower-case hex digits and a NUL; the state is used up. */
void sha256_hex(struct sha256 *s, char ret[65]);

#endif
