"""Networks of the zoo in PyTorch, for comparisons; torchvision is not needed."""

# Name to input and classes.
MODELS = {"mnist-cnn": ("1x28x28", 10), "resnet18": ("3x32x32", 10)}
# Those for GPUs, in the zoo's own shapes; a text is so many tokens.
LARGE_MODELS = {"resnet50": ("3x224x224", 1000), "densenet121": ("3x224x224", 1000), "vit_b_16": ("3x224x224", 1000),
                "bert-base": ("128", 2)}
VOCABULARY = 30522


def networks(torch):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, cin, cout, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(cout)
            self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(cout)
            self.relu = nn.ReLU(inplace=True)
            self.short = None
            if stride != 1 or cin != cout:
                self.short = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            y += x if self.short is None else self.short(x)
            return self.relu(y)

    def resnet18(classes):
        layers = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
        cin = 64
        for i, width in enumerate((64, 128, 256, 512)):
            layers += [Block(cin, width, 1 if i == 0 else 2), Block(width, width, 1)]
            cin = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))

    def mnist_cnn(classes):
        return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(inplace=True), nn.Conv2d(32, 64, 3), nn.ReLU(inplace=True),
                             nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(inplace=True), nn.Linear(128, classes))

    class Bottleneck(nn.Module):
        def __init__(self, cin, width, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(cin, width, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
            self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
            self.relu = nn.ReLU(inplace=True)
            self.short = None
            if stride != 1 or cin != 4 * width:
                self.short = nn.Sequential(nn.Conv2d(cin, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

        def forward(self, x):
            y = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
            y = self.bn3(self.conv3(y))
            y += x if self.short is None else self.short(x)
            return self.relu(y)

    def resnet50(classes):
        layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        cin = 64
        for i, (width, depth) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3))):
            for j in range(depth):
                layers.append(Bottleneck(cin, width, 2 if i > 0 and j == 0 else 1))
                cin = 4 * width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(cin, classes))

    class DenseLayer(nn.Module):
        def __init__(self, cin):
            super().__init__()
            self.norm1, self.conv1 = nn.BatchNorm2d(cin), nn.Conv2d(cin, 128, 1, bias=False)
            self.norm2, self.conv2 = nn.BatchNorm2d(128), nn.Conv2d(128, 32, 3, 1, 1, bias=False)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            y = self.conv1(self.relu(self.norm1(x)))
            return torch.cat([x, self.conv2(self.relu(self.norm2(y)))], 1)

    def densenet121(classes):
        layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
        channels = 64
        for i, depth in enumerate((6, 12, 24, 16)):
            for _ in range(depth):
                layers.append(DenseLayer(channels))
                channels += 32
            if i < 3:
                layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, channels // 2, 1, bias=False),
                           nn.AvgPool2d(2)]
                channels //= 2
        return nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                             nn.Linear(channels, classes))

    class Transformer(nn.Module):
        """One block of width 768 with 12 heads."""

        def __init__(self, norm_first, epsilon, dropout):
            super().__init__()
            self.norm_first, self.dropout = norm_first, dropout
            self.norm1, self.norm2 = nn.LayerNorm(768, eps=epsilon), nn.LayerNorm(768, eps=epsilon)
            self.qkv, self.out = nn.Linear(768, 3 * 768), nn.Linear(768, 768)
            self.up, self.down = nn.Linear(768, 4 * 768), nn.Linear(4 * 768, 768)

        def attend(self, x):
            n, tokens, _ = x.shape
            q, k, v = self.qkv(x).view(n, tokens, 3, 12, 64).permute(2, 0, 3, 1, 4).unbind()
            y = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0)
            return self.drop(self.out(y.transpose(1, 2).reshape(n, tokens, 768)))

        def perceive(self, x):
            return self.drop(self.down(nn.functional.gelu(self.up(x))))

        def drop(self, x):
            return nn.functional.dropout(x, self.dropout, self.training) if self.dropout else x

        def forward(self, x):
            if self.norm_first:
                y = x + self.attend(self.norm1(x))
                return y + self.perceive(self.norm2(y))
            y = self.norm1(x + self.attend(x))
            return self.norm2(y + self.perceive(y))

    class VisionTransformer(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.patches = nn.Conv2d(3, 768, 16, 16)
            self.token, self.positions = nn.Parameter(torch.zeros(1, 1, 768)), nn.Parameter(torch.zeros(1, 197, 768))
            self.blocks = nn.Sequential(*(Transformer(True, 1e-6, 0) for _ in range(12)))
            self.norm, self.head = nn.LayerNorm(768, eps=1e-6), nn.Linear(768, classes)

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
            return self.head(self.norm(self.blocks(x))[:, 0])

    class Bert(nn.Module):
        """The logits are products with the embeddings of the first tokens, as in our zoo."""

        def __init__(self, classes):
            super().__init__()
            self.classes = classes
            self.words, self.positions, self.types = nn.Embedding(VOCABULARY, 768), nn.Embedding(512, 768), nn.Embedding(2, 768)
            self.norm = nn.LayerNorm(768, eps=1e-12)
            self.blocks = nn.Sequential(*(Transformer(False, 1e-12, 0.1) for _ in range(12)))
            self.pooler = nn.Linear(768, 768)

        def forward(self, x):
            y = self.words(x) + self.positions(torch.arange(x.shape[1], device=x.device)) + self.types(torch.zeros_like(x))
            y = nn.functional.dropout(self.norm(y), 0.1, self.training)
            return nn.functional.linear(torch.tanh(self.pooler(self.blocks(y)[:, 0])), self.words.weight[:self.classes])

    return {"resnet18": resnet18, "mnist-cnn": mnist_cnn, "resnet50": resnet50, "densenet121": densenet121,
            "vit_b_16": VisionTransformer, "bert-base": Bert}
