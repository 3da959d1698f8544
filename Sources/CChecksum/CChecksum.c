// CRC-32 (IEEE 802.3, reflected) as polynomial arithmetic: 64 octets at a time are folded into a remainder of 64, those into
// one of 16, whose CRC is that of everything before. See Gopal et al., "Fast CRC Computation for Generic Polynomials Using
// PCLMULQDQ Instruction" (Intel, 2009), for the method and its constants.
#include "CChecksum.h"

#include <zlib.h>

static uint32_t by_table(uint32_t seed, const unsigned char *bytes, size_t count) {
  uLong value = seed;
  while (count) {
    uInt part = count > (1u << 30) ? 1u << 30 : (uInt)count;
    value = crc32(value, bytes, part);
    bytes += part;
    count -= part;
  }
  return (uint32_t)value;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define FOLDING __attribute__((target("pclmul,sse2")))

// The remainder x moved on by the distance that the two constants stand for, and the next octets added.
FOLDING static inline __m128i fold(__m128i x, __m128i constants, __m128i next) {
  __m128i low = _mm_clmulepi64_si128(x, constants, 0x00);
  __m128i high = _mm_clmulepi64_si128(x, constants, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

FOLDING static inline __m128i load(const unsigned char *bytes) { return _mm_loadu_si128((const __m128i *)bytes); }

FOLDING static uint32_t by_folding(uint32_t seed, const unsigned char *bytes, size_t count) {
  const __m128i by64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
  const __m128i by16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  __m128i a = _mm_xor_si128(load(bytes), _mm_cvtsi32_si128((int)~seed));
  __m128i b = load(bytes + 16), c = load(bytes + 32), d = load(bytes + 48);
  bytes += 64;
  count -= 64;
  for (; count >= 64; bytes += 64, count -= 64) {
    a = fold(a, by64, load(bytes));
    b = fold(b, by64, load(bytes + 16));
    c = fold(c, by64, load(bytes + 32));
    d = fold(d, by64, load(bytes + 48));
  }
  a = fold(fold(fold(a, by16, b), by16, c), by16, d);
  for (; count >= 16; bytes += 16, count -= 16) a = fold(a, by16, load(bytes));
  unsigned char rest[16];
  _mm_storeu_si128((__m128i *)rest, a);
  // From an empty register: the remainder holds all that was before it. zlib inverts on both sides.
  return by_table(by_table(0xFFFFFFFF, rest, sizeof rest), bytes, count);
}

uint32_t merpati_crc32(uint32_t seed, const void *bytes, size_t count) {
  if (count >= 64 && __builtin_cpu_supports("pclmul")) return by_folding(seed, bytes, count);
  return by_table(seed, bytes, count);
}
#else
uint32_t merpati_crc32(uint32_t seed, const void *bytes, size_t count) { return by_table(seed, bytes, count); }
#endif
