#define CODEC "gemini-generate-content"
#include "tests/fuzz/codec.h"
