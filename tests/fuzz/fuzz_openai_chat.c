#define CODEC "openai-chat"
#include "tests/fuzz/codec.h"
