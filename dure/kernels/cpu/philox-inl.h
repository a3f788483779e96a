// base/random.h's generator in vectors: the same words, bit for bit.
//
// Included once for each target (see Highway's foreach_target.h).
#if defined(DURE_KERNELS_CPU_PHILOX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef DURE_KERNELS_CPU_PHILOX_INL_H_
#undef DURE_KERNELS_CPU_PHILOX_INL_H_
#else
#define DURE_KERNELS_CPU_PHILOX_INL_H_  // NOLINT(readability-identifier-naming)
#endif

#include <cmath>
#include <cstdint>

#include "dure/base/random.h"
#include "dure/kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace dure::kernels::HWY_NAMESPACE {

// A counter's four words for as many blocks as there are 64-bit lanes, each in
// the lower half of its lane. The upper halves do not matter: a product uses
// the lower ones.
using WordLanes = hn::CappedTag<std::uint64_t, 8>;
using Words = hn::Vec<WordLanes>;
inline constexpr std::int64_t kWordsAtOnce = 4 * hn::MaxLanes(WordLanes());

struct CounterLanes {
  Words word0;
  Words word1;
  Words word2;
  Words word3;
};

HWY_INLINE Words multiply_low_halves(Words a, std::uint32_t b) {
#if HWY_TARGET == HWY_SCALAR
  const WordLanes d;
  return hn::Mul(hn::And(a, hn::Set(d, 0xFFFFFFFFULL)),
                 hn::Set(d, std::uint64_t{b}));
#else
  const hn::Repartition<std::uint32_t, WordLanes> halves;
  return hn::MulEven(hn::BitCast(halves, a), hn::Set(halves, b));
#endif
}

// The ten rounds of base/random.cpp.
HWY_INLINE CounterLanes philox_rounds(CounterLanes c, PhiloxKey key) {
  const WordLanes d;
  for (int round = 0; round < 10; ++round) {
    const Words p0 = multiply_low_halves(c.word0, 0xD2511F53U);
    const Words p1 = multiply_low_halves(c.word2, 0xCD9E8D57U);
    const Words key0 = hn::Set(d, std::uint64_t{key[0]});
    const Words key1 = hn::Set(d, std::uint64_t{key[1]});
    c = {hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), c.word1), key0),
         p1,
         hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c.word3), key1),
         p0};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return c;
}

// Two words as one lane, in their order in memory.
HWY_INLINE Words join(Words first, Words second) {
  const Words lower = hn::And(first, hn::Set(WordLanes(), 0xFFFFFFFFULL));
  return hn::Or(lower, hn::ShiftLeft<32>(second));
}

// How many words draw_words() may write for `count` numbers.
inline constexpr std::int64_t words_for(std::int64_t count) {
  return count + 3 + kWordsAtOnce;
}

// Draws stream.bits(first_index + i, major) for i in [0, count). Returns where
// in `words` the first of them lies.
HWY_INLINE const std::uint32_t* draw_words(const RandomStream& stream,
                                           std::uint64_t first_index,
                                           std::int64_t count,
                                           std::uint32_t* words,
                                           std::uint64_t major = 0) {
  const WordLanes d;
  const auto skip = static_cast<std::int64_t>(first_index % 4);
  const Words major_low = hn::Set(d, major);
  const Words major_high = hn::Set(d, major >> 32);
  Words block = hn::Iota(d, first_index / 4);
  for (std::int64_t i = 0; i < skip + count; i += kWordsAtOnce) {
    const CounterLanes c =
        philox_rounds({block, hn::ShiftRight<32>(block), major_low, major_high},
                      stream.key());
    hn::StoreInterleaved2(join(c.word0, c.word1),
                          join(c.word2, c.word3),
                          d,
                          reinterpret_cast<std::uint64_t*>(words + i));
    block = hn::Add(block, hn::Set(d, hn::Lanes(d)));
  }
  return words + skip;
}

// uniform() >= rate holds for a word if word >> 8 is at least the least integer
// that is not below 2^24 rate. This is exact, because the product is.
HWY_INLINE std::int32_t keep_threshold(float rate) {
  return static_cast<std::int32_t>(std::ceil(0x1p24 * rate));
}

// The next kLanes words whose elements stay.
HWY_INLINE hn::Mask<Floats> kept(const std::uint32_t* words,
                                 std::int32_t threshold) {
  const hn::RebindToUnsigned<Floats> d_words;
  const hn::RebindToSigned<Floats> d_signed;
  const auto drawn =
      hn::BitCast(d_signed, hn::ShiftRight<8>(hn::LoadU(d_words, words)));
  return hn::RebindMask(Floats(),
                        hn::Gt(drawn, hn::Set(d_signed, threshold - 1)));
}

}  // namespace dure::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
