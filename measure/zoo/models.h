// The zoo's networks, one file per family. Each throws UsageError for an input that it cannot take.
#pragma once

#include <memory>

#include "measure/data/input_shape.h"
#include "measure/zoo/network.h"

namespace forerun {

std::shared_ptr<NeuralNetwork> make_mnist_cnn(const InputShape& input, int classes);
std::shared_ptr<NeuralNetwork> make_cifar_cnn(const InputShape& input, int classes);
std::shared_ptr<NeuralNetwork> make_resnet18(const InputShape& input, int classes);
std::shared_ptr<NeuralNetwork> make_resnet50(const InputShape& input, int classes);
std::shared_ptr<NeuralNetwork> make_densenet121(const InputShape& input, int classes);
std::shared_ptr<NeuralNetwork> make_vgg16(const InputShape& input, int classes);
std::shared_ptr<NeuralNetwork> make_mobilenet_v2(const InputShape& input, int classes);
std::shared_ptr<NeuralNetwork> make_vit_b_16(const InputShape& input, int classes);
/// `classes` logits from the pooled first token; see bert.cc.
std::shared_ptr<NeuralNetwork> make_bert_base(const InputShape& input, int classes);
/// `classes` is the vocabulary.
std::shared_ptr<NeuralNetwork> make_gpt2(const InputShape& input, int classes);

/// Throws UsageError unless `input` is an image of at least `least` x `least` pixels.
void require_image(const InputShape& input, int least);
/// Throws UsageError unless `input` is a text of at most `most` tokens.
void require_text(const InputShape& input, int most);

}  // namespace forerun
