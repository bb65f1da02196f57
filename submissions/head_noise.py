"""Noise on the head: a baseline that unlearns nothing, which stands as a line on every board.

Every run gets the original model with Gaussian noise on the weights of its last layer. Its
confidences then spread about as widely as those of retrained models do, wherever their centres
are. A method that does no better has shown nothing beyond spread.

The noise is as large as the validation accuracy allows: of a ladder of sizes it takes the largest
at which the accuracy, averaged over a few draws, keeps 98 % of the original's.

Hyperparameters
---------------
KEPT : fraction of the validation accuracy that must be left.
SIZES : standard deviations to try, as multiples of that of the head's weights.
DRAWS : noisy heads that the accuracy is averaged over.
"""

import torch

KEPT = 0.98
SIZES = [0.1 * 1.25**step for step in range(16)]
DRAWS = 8


@torch.no_grad()
def unlearning(net, retain, forget, val):
    net.eval()
    head = [layer for layer in net.modules() if isinstance(layer, torch.nn.Linear)][-1]
    features, labels = seen_by(head, net, val)
    unit = head.weight.std()

    def accuracy(size):
        right = 0.0
        for _ in range(DRAWS):
            weight = head.weight + size * unit * torch.randn_like(head.weight)
            logits = torch.nn.functional.linear(features, weight, head.bias)
            right += (logits.argmax(1) == labels).double().mean().item()
        return right / DRAWS

    least = KEPT * accuracy(0.0)
    size = max((size for size in SIZES if accuracy(size) >= least), default=SIZES[0])
    head.weight += size * unit * torch.randn_like(head.weight)


def seen_by(head, net, loader):
    """What the head is given for each of a loader's images, and the labels."""
    features, labels = [], []
    hook = head.register_forward_pre_hook(lambda layer, given: features.append(given[0]))
    for inputs, targets in loader:
        net(inputs.to(head.weight.device))
        labels.append(targets.to(head.weight.device))
    hook.remove()
    return torch.cat(features), torch.cat(labels)
