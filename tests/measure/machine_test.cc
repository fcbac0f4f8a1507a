#include "measure/machine.h"

#include <gtest/gtest.h>

#include "model/error.h"
#include "tests/support.h"

namespace forerun {
namespace {

Host host(const std::string& name, const std::string& processor, int cores) {
  return {name, processor, cores, 1, 1e9, 1e6};
}

TEST(Fingerprint, KnowsKindsNotNamesNorOrder) {
  const Host a = host("a", "Xeon", 8), b = host("b", "EPYC", 64), c = host("c", "Xeon", 8);
  EXPECT_EQ(fingerprint({a, b, c}, 1, ""), fingerprint({c, a, b}, 1, ""));
  EXPECT_EQ(fingerprint({a}, 1, ""), fingerprint({c}, 1, ""));
  EXPECT_EQ(fingerprint({a, c}, 2, ""), "cpu; 2 x Xeon with 8 cores; 2 threads per rank");
}

TEST(Fingerprint, TellsMachinesApart) {
  const Host a = host("a", "Xeon", 8);
  EXPECT_NE(fingerprint({a}, 1, ""), fingerprint({a, a}, 1, ""));
  EXPECT_NE(fingerprint({a}, 1, ""), fingerprint({a}, 2, ""));
  EXPECT_NE(fingerprint({a}, 1, ""), fingerprint({a}, 1, "oversubscribed"));
  EXPECT_NE(fingerprint({a}, 1, ""), fingerprint({host("a", "Xeon", 4)}, 1, ""));
}

TEST(RequireSameMachine, HowManyHostsIsWhatAMeasurementVaries) {
  Machine few, many, other;
  few.fingerprint = fingerprint({host("a", "Xeon", 8)}, 1, "");
  many.fingerprint = fingerprint({host("b", "Xeon", 8), host("c", "Xeon", 8)}, 1, "");
  other.fingerprint = fingerprint({host("b", "Xeon", 8), host("c", "EPYC", 8)}, 1, "");
  require_same_machine("p.json", few, many);
  require_same_machine("p.json", many, few);
  EXPECT_THROW(require_same_machine("p.json", few, other), Error);
}

TEST(Grown, KeepsTheHostsAndRanksOfBefore) {
  Machine before, now;
  before.max_ranks = 16;
  before.hosts = {host("a", "Xeon", 8), host("b", "Xeon", 8)};
  now.max_ranks = 8;
  now.hosts = {host("b", "Xeon", 8)};
  now.launch_line = "mpirun -np 8 measure";
  const Machine both = grown(before, now);
  EXPECT_EQ(both.max_ranks, 16);
  ASSERT_EQ(both.hosts.size(), 2u);
  EXPECT_EQ(both.hosts[1].hostname, "a");
  EXPECT_EQ(both.launch_line, "mpirun -np 8 measure");
}

TEST(RequireSameMachine, NamesBothAndTheRemedy) {
  Machine theirs, ours;
  theirs.fingerprint = "cpu; 1 x A";
  ours.fingerprint = "cpu; 1 x B";
  EXPECT_EQ(error_of([&] { require_same_machine("p.json", theirs, ours); }),
            "p.json: was measured on another machine (cpu; 1 x A; this one is cpu; 1 x B); nothing "
            "was changed. Name another store with --store DIR");
}

TEST(RankMap, PlacementCountsHosts) {
  RankMap map;
  map.hosts = {"a", "b", "b", "b"};
  EXPECT_EQ(map.placement(1).text(), "1");
  EXPECT_EQ(map.placement(2).text(), "1+1");
  EXPECT_EQ(map.placement(4).text(), "3+1");
}

TEST(FindBlas, NamesWhatIsMapped) {
  const LoadedBlas open = find_blas(
      "7f00-7f01 r-xp 00000000 08:01 42   "
      "/usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3\n");
  EXPECT_EQ(open.name, "OpenBLAS");
  EXPECT_EQ(open.path, "/usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3");
  EXPECT_EQ(open.warning, "");
  EXPECT_EQ(find_blas("0-1 r-xp 0 08:01 1 /opt/mkl/libmkl_core.so.2\n").name, "MKL");
}

TEST(FindBlas, WarnsOfSlowOnesWithTheRemedy) {
  const LoadedBlas atlas =
      find_blas("0-1 r-xp 0 08:01 1 /usr/lib/x86_64-linux-gnu/atlas/libblas.so.3\n");
  EXPECT_EQ(atlas.name, "ATLAS");
  EXPECT_NE(atlas.warning.find("libopenblas0-pthread"), std::string::npos);
  const LoadedBlas reference =
      find_blas("0-1 r-xp 0 08:01 1 /usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11\n");
  EXPECT_EQ(reference.name, "reference BLAS");
  EXPECT_FALSE(reference.warning.empty());
  EXPECT_EQ(find_blas("").name, "unknown");
}

}  // namespace
}  // namespace forerun
