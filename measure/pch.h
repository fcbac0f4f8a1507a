// LibTorch's headers, compiled once for all of measure.
#pragma once

#include <torch/torch.h>
