// Lines as NCCL 2.28.9 writes them: the formats are the texts in its library (src/init.cc,
// src/transport/{p2p,shm,net}.cc, src/enqueue.cc); values as in public logs of NVIDIA/nccl issues
// 1189 and 1538.
#include "model/io/nccl_log.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/support.h"

namespace forerun {
namespace {

constexpr char kLog[] =
    "gpu1:4015539:4015539 [0] NCCL INFO NCCL version 2.28.9+cuda13.0\n"
    "gpu1:4015539:4015652 [0] NCCL INFO Pattern 4, crossNic 0, nChannels 12, bw 20.0/20.0, type "
    "NVL/PIX, sameChannels 1\n"
    "gpu1:4015539:4015652 [0] NCCL INFO 24 coll channels, 24 collnet channels, 16 nvls channels, "
    "32 p2p channels, 2 p2p channels per peer\n"
    "gpu1:4015539:4015652 [0] NCCL INFO Channel 07/0 : 0[0] -> 2[0] [receive] via NET/IB/3/GDRDMA\n"
    "gpu1:4015540:4015653 [1] NCCL INFO Channel 02/0 : 1[1] -> 3[1] [send] via "
    "NET/IB/2(1)/GDRDMA/Shared\n"
    "gpu1:4015540:4015653 [1] NCCL INFO Channel 03/0 : 1[1] -> 3[1] [send] via NET/Socket/0\n"
    "gpu1:4015540:4015653 [1] NCCL INFO Channel 00/0 : 3[1] -> 2[0] via P2P/CUMEM\n"
    "gpu1:4015540:4015653 [1] NCCL INFO Channel 01 : 1[1] -> 0[0] via SHM/direct/direct\n"
    "gpu1:4015539:4015539 [0] NCCL INFO AllReduce: 94371840 Bytes -> Algo RING proto SIMPLE "
    "channel{Lo..Hi}={0..23}\n"
    "gpu1:4015539:4015539 [0] NCCL INFO AllReduce: 4 Bytes -> Algo TREE proto LL "
    "channel{Lo..Hi}={0..0}\n"
    "gpu1:4015539:4015539 [0] NCCL INFO AllReduce: 26214400 Bytes -> Algo RING proto SIMPLE "
    "channel{Lo..Hi}={4..11}\n"
    "gpu1:4015539:4015652 [0] NCCL INFO Connected all rings, use ring PXN 0 GDR 1\n"
    "gpu1:4015539:4015539 [0] NCCL INFO AllReduce: 1024 Byt";  // cut off: the rank died

NcclReport of(const std::string& text) {
  std::istringstream log(text);
  return read_nccl_log(log);
}

TEST(NcclLog, SaysVersionPathsAndChoices) {
  const NcclReport report = of(kLog);
  EXPECT_EQ(report.version, "2.28.9+cuda13.0");
  EXPECT_EQ(report.channels, 24);
  EXPECT_EQ(report.transports,
            (std::set<std::string>{"NET/IB/GDRDMA", "NET/IB/GDRDMA/Shared", "NET/Socket",
                                   "P2P/CUMEM", "SHM/direct/direct"}));
  EXPECT_EQ(report.choices,
            (std::vector<NcclChoice>{{"AllReduce", "TREE", "LL", 1, 4, 4},
                                     {"AllReduce", "RING", "SIMPLE", 24, 26214400, 94371840}}));
}

TEST(NcclLog, OfAllRanksIsOne) {
  NcclReport all = of(kLog);
  merge(
      all,
      of("h:1:1 [1] NCCL INFO Channel 00/0 : 1[1] -> 0[0] via P2P/IPC\n"
         "h:1:1 [1] NCCL INFO AllReduce: 8 Bytes -> Algo TREE proto LL channel{Lo..Hi}={0..1}\n"));
  EXPECT_TRUE(all.transports.contains("P2P/IPC"));
  EXPECT_EQ(all.choices.front(), (NcclChoice{"AllReduce", "TREE", "LL", 2, 4, 8}));
  EXPECT_EQ(all.version, "2.28.9+cuda13.0");
}

TEST(NcclLog, ComesBackFromJson) {
  const NcclReport report = of(kLog);
  const Json json = to_json(report);
  EXPECT_EQ(nccl_report(JsonReader(json, "here")), report);
  EXPECT_TRUE(of("nothing of NCCL\nit goes via Rome\n").empty());
}

}  // namespace
}  // namespace forerun
