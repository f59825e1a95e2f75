/* Addresses that are not the public network. The lists follow IANA's special-purpose registries;
 * what is not global unicast IPv6 is refused whole, so that a range unknown today is not open
 * tomorrow. */
#include <string.h>
#include "sandbox/egress.h"
#include "agent/base/mem.h"
#include "agent/base/banned.h"

#define V4(a, b, c, d)                                                                             \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
static const struct {
    uint32_t net;
    int bits;
    const char *what;
} v4[] = {
    { V4(0, 0, 0, 0), 8, "this very host" },
    { V4(10, 0, 0, 0), 8, "private" },
    { V4(100, 64, 0, 0), 10, "carrier-grade NAT" },
    { V4(127, 0, 0, 0), 8, "loopback" },
    { V4(168, 63, 129, 16), 32, "a cloud's service for its machines" },
    { V4(169, 254, 0, 0), 16, "link-local" },
    { V4(172, 16, 0, 0), 12, "private" },
    { V4(192, 0, 0, 0), 24, "reserved for protocols" },
    { V4(192, 0, 2, 0), 24, "for documentation" },
    { V4(192, 88, 99, 0), 24, "a 6to4 relay" },
    { V4(192, 168, 0, 0), 16, "private" },
    { V4(198, 18, 0, 0), 15, "for benchmarks" },
    { V4(198, 51, 100, 0), 24, "for documentation" },
    { V4(203, 0, 113, 0), 24, "for documentation" },
    { V4(224, 0, 0, 0), 4, "multicast" },
    { V4(240, 0, 0, 0), 4, "reserved" },
};
static const struct {
    unsigned char net[16];
    int bits;
    const char *what;
} v6[] = {
    { { 0 }, 128, "this very host" },
    { { [15] = 1 }, 128, "loopback" },
    { { [10] = 0xff, [11] = 0xff }, 96, "an IPv4 address in IPv6's clothes" },
    { { 0 }, 96, "an IPv4 address in IPv6's clothes" },
    { { 0, 0x64, 0xff, 0x9b }, 96, "an IPv4 address behind NAT64" },
    { { 0, 0x64, 0xff, 0x9b, 0, 1 }, 48, "an IPv4 address behind NAT64" },
    { { 0x20, 0x01 }, 23, "reserved for protocols (Teredo among them)" },
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32, "for documentation" },
    { { 0x20, 0x02 }, 16, "an IPv4 address behind 6to4" },
    { { 0x3f, 0xff }, 20, "for documentation" },
    { { 0xfc }, 7, "unique-local" },
    { { 0xfe, 0x80 }, 10, "link-local" },
    { { 0xfe, 0xc0 }, 10, "site-local" },
    { { 0xff }, 8, "multicast" },
};

static bool within(const unsigned char *addr, const unsigned char *net, int bits)
{
    int whole = bits / 8, rest = bits % 8;

    if (memcmp(addr, net, (size_t)whole) != 0)
        return false;
    return rest == 0 || ((addr[whole] ^ net[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

const char *egress_addr_refused(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        uint32_t a = ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr);
        for (size_t i = 0; i < ARRAY_LEN(v4); i++)
            if (((a ^ v4[i].net) & (uint32_t)(0xffffffffull << (32 - v4[i].bits))) == 0)
                return v4[i].what;
        return NULL;
    }
    if (sa->sa_family == AF_INET6) {
        const unsigned char *a = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr.s6_addr;
        for (size_t i = 0; i < ARRAY_LEN(v6); i++)
            if (within(a, v6[i].net, v6[i].bits))
                return v6[i].what;
        return (a[0] & 0xe0) == 0x20 ? NULL : "no global unicast address";
    }
    return "no IP address";
}
