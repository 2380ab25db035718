/*
 * A fuzz target is a file fuzz_NAME.c with one function. It is called on a task, so that what the
 * decoders put on the stack is held against the stacks they will run on.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Feeds one input to the decoder and asserts what must hold. Returns 0. */
int fuzz_one(const uint8_t *data, size_t size);
