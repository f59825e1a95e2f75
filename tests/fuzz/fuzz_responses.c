#define CODEC "openai-responses"
#include "tests/fuzz/codec.h"
