#define CODEC "ollama-chat"
#include "tests/fuzz/codec.h"
