#define CODEC "anthropic-messages"
#include "tests/fuzz/codec.h"
