// On two_nodes.xml, a synthetic machine, and a stand-in for the driver's library.
#include "measure/gpu/links.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support.h"

namespace forerun {
namespace {

constexpr char kXml[] = FORERUN_SOURCE_DIR "/tests/measure/gpu/two_nodes.xml";

TEST(PciTree, LinksAreWhatLiesBetween) {
  const PciTree tree(kXml);
  const auto link = [&](const char* one, const char* other) {
    const std::string there = tree.link(one, other);
    EXPECT_EQ(there, tree.link(other, one));
    return there;
  };
  EXPECT_EQ(link("0000:1b:00.0", "0000:1b:00.0"), "X");
  EXPECT_EQ(link("0000:1b:00.0", "0000:1c:00.0"), "PIX");
  EXPECT_EQ(link("0000:1b:00.0", "0000:1e:00.0"), "PXB");
  EXPECT_EQ(link("0000:1b:00.0", "0000:20:00.0"), "PHB");
  EXPECT_EQ(link("0000:1b:00.0", "0000:30:00.0"), "NODE");
  EXPECT_EQ(link("0000:1b:00.0", "0000:9a:00.0"), "SYS");
  EXPECT_EQ(link("0000:1b:00.0", "0000:ff:00.0"), "");
}

TEST(PciTree, KnowsNumaNodes) {
  const PciTree tree(kXml);
  EXPECT_EQ(tree.numa_node("0000:1e:00.0"), 0);
  EXPECT_EQ(tree.numa_node("0000:9a:00.0"), 1);
  EXPECT_EQ(tree.numa_node("0000:ff:00.0"), -1);
}

TEST(PciTree, NicsHaveOneNameEachAndTheirRate) {
  const TemporaryFolder sys;
  std::filesystem::create_directories(sys.path() / "class/infiniband/mlx5_0/ports/1");
  std::filesystem::create_directories(sys.path() / "class/net/eth0");
  std::filesystem::create_directories(sys.path() / "class/net/eth1");
  sys.write("class/infiniband/mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)\n");
  sys.write("class/net/eth0/speed", "25000\n");
  sys.write("class/net/eth1/speed", "-1\n");  // no link
  const std::vector<Nic> nics = PciTree(kXml).nics(sys.path());
  ASSERT_EQ(nics.size(), 4);
  EXPECT_EQ(nics[0].name, "mlx5_0");
  EXPECT_EQ(nics[0].pci, "0000:1c:00.0");
  EXPECT_EQ(nics[0].rate_Bps, 50e9);
  EXPECT_EQ(nics[1].name, "eth0");
  EXPECT_EQ(nics[1].rate_Bps, 3.125e9);
  EXPECT_EQ(nics[2].rate_Bps, std::nullopt);
  EXPECT_EQ(nics[3].numa_node, 1);
}

TEST(PlaceGpus, MatrixAndNearestNic) {
  const auto nvml = Nvml::open(NVML_STAND_IN).nvml;
  ASSERT_NE(nvml, nullptr);
  std::vector<Gpu> gpus;
  for (int i = 0; i < 4; ++i) gpus.push_back(nvml->describe(i));
  const PciTree tree(kXml);
  place_gpus(gpus, nvml.get(), tree, tree.nics("/nonexistent"));
  EXPECT_EQ(gpus[0].links, (std::vector<std::string>{"X", "NV2", "SYS", "SYS"}));
  EXPECT_EQ(gpus[3].links, (std::vector<std::string>{"SYS", "SYS", "NV3", "X"}));
  EXPECT_EQ(gpus[0].nic, "mlx5_0");
  EXPECT_EQ(gpus[0].nic_link, "PIX");
  EXPECT_EQ(gpus[2].nic, "eth2");
  EXPECT_EQ(gpus[2].nic_link, "PHB");
  EXPECT_EQ(gpus[2].numa_node, 1);
  EXPECT_EQ(gpus[1].nic, "");  // the tree does not know this one
}

TEST(LinkDistance, NearestFirst) {
  const std::vector<std::string> nearest_first = {"X",   "NV18", "PIX", "PXB",
                                                  "PHB", "NODE", "SYS", ""};
  EXPECT_TRUE(std::ranges::is_sorted(nearest_first, {}, link_distance));
  EXPECT_NE(link_distance("NODE"), link_distance("SYS"));
}

TEST(PciTree, SaysWhatItCannotRead) {
  EXPECT_EQ(error_of([] { PciTree("/nonexistent.xml"); }),
            "/nonexistent.xml: hwloc cannot read it");
}

}  // namespace
}  // namespace forerun
