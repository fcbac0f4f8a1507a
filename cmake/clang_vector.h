// For clang-tidy only, included before everything else: Clang instantiates the members of a
// constexpr std::vector early, also those of LibTorch's vectors of incomplete types, and then
// cannot read its headers as C++20 together with GCC's library. Here std::vector is not constexpr.
#ifdef __cplusplus
#include <string>
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR
#define __fill_a1 fill_bits_without_constexpr
#include <vector>
#undef __fill_a1
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR constexpr
#endif
