#ifndef MERPATI_CCHECKSUM_H
#define MERPATI_CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// zlib's CRC-32, by carry-less multiplication where the processor has it: some ten times as fast.
uint32_t merpati_crc32(uint32_t seed, const void *bytes, size_t count);

#endif
