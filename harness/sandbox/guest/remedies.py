"""Inside a run: the commonest mistakes, and one sentence each on how to mend them."""

from __future__ import annotations

import errno
import re

_NO_GPU = (
    "There is no GPU here: write `.to(next(net.parameters()).device)` instead of `.cuda()` or "
    "`.to('cuda')`, and it runs with one and without."
)
_NO_NETWORK = (
    "There is no network where submissions are run. Put what you need into the file, and use the "
    "weights of `net`."
)
_ELSEWHERE = (
    "A submission is one file: no other file or program of your machine is there when it runs. Put "
    "what it needs into it, and write to the working directory only."
)
_SCRATCH = "Only the working directory and /tmp can be written to."
_FULL = "The scratch directory is full; its size is limited."

OF_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EFBIG: _FULL,
    errno.EAGAIN: "The number of processes and threads is limited: use fewer workers.",
    errno.ENOENT: _ELSEWHERE,
    errno.EROFS: _SCRATCH,
    errno.EACCES: _SCRATCH,
    errno.EPERM: _SCRATCH,
    errno.ENETUNREACH: _NO_NETWORK,
    errno.ECONNREFUSED: _NO_NETWORK,
}
# In what Python shows of an error and its causes; the first that is found counts.
OF_TEXT = {
    (
        "Found no NVIDIA driver",
        "not compiled with CUDA enabled",
        "No CUDA GPUs are available",
        r"CUDA device but torch\.cuda\.is_available\(\) is False",
    ): _NO_GPU,
    ("invalid device ordinal",): "There is one GPU here, cuda:0; "
    "`next(net.parameters()).device` is the device to use.",
    (
        "all tensors to be on the same device",
        "is not on the expected device",
        r"Tensor\) and weight type",
    ): "Move each batch to the model's device first: `inputs.to(next(net.parameters()).device)`.",
    (r"socket\.gaierror", "Network is unreachable"): _NO_NETWORK,
    ("name 'get_ipython' is not defined",): "There is no notebook where submissions are run.",
    (r"NameError: name '\w+' is not defined",): "Nothing in the submission defines that name "
    "before it is used; what only a driver of yours defines is left out. Define it in "
    "`unlearning`, or use what `unlearning` is given.",
    ("EOFError: EOF when reading a line",): "Nobody can answer where submissions are run: write "
    "the value into the file instead of calling input().",
    ("does not require grad and does not have a grad_fn",): "No gradients were recorded: take the "
    "forward pass out of `torch.no_grad()` or `inference_mode()`, and let the parameters that you "
    "train have requires_grad=True.",
    ("a leaf Variable that requires grad is being used in an in-place operation",): "Change "
    "parameters by hand within `with torch.no_grad():`.",
    ("backward through the graph a second time",): "Compute the loss again in each step, or "
    "detach what earlier steps computed.",
    (r"Can't call numpy\(\) on Tensor that requires grad",): "Call `.detach().cpu().numpy()` "
    "instead.",
    ("Expected more than 1 value per channel",): "Batch normalisation cannot be trained on a "
    "batch of one image: use a DataLoader with drop_last=True, or net.eval().",
    (
        "Expected input batch_size",
        "multi-target not supported",
        "0D or 1D target tensor expected",
        "expected (scalar type|target dtype to be) Long",
        "not implemented for 'Int'",
        "Expected floating point type for target",
    ): "Labels are class numbers, int64 of shape [n], beside logits of shape [n, classes]: pass "
    "`targets` as the loader gives them.",
    (r"Target -?\d+ is out of bounds",): "A label is not among this competition's classes: "
    "`net.fc.out_features` is how many there are.",
    (r"expected input\[[^]]*\] to have \d+ channels?, but got",): "Images here have other "
    "channels than your layer takes: `next(iter(retain))[0].shape` is the shape of a batch.",
    ("this competition's data has",): "The competition faces_small has the columns of the "
    "challenge.",
    (r"KeyError: '(layer|conv|bn|fc|downsample)",): "The network here has no layer of that name: "
    "`dict(net.named_modules())` lists those that there are.",
    (
        "shapes cannot be multiplied",
        "is invalid for input of size",
        "must match the (existing )?size",
    ): "Take sizes from the tensors, as in `len(inputs)`: an epoch's last batch is smaller than "
    "the others, and images differ between competitions.",
    ("values to unpack",): "A batch is a pair, `inputs, targets`; further columns are in "
    '`batch["image_id"]` and the like.',
    ("StopIteration",): "The loader is exhausted: `itertools.cycle(loader)` or `for batch in "
    "loader` starts it over.",
    ("loading state_dict for",): "These are weights of another network than this competition's: "
    "start from `net`, or from `copy.deepcopy(net)`.",
    (
        r"DataLoader worker .* (exited|killed)",
        "unable to (open|allocate|mmap) shared memory",
    ): "A worker of a DataLoader died, mostly for want of memory: use num_workers=0; the images "
    "are in memory already.",
}


def of_text(shown: str) -> str:
    """The remedy for the first sign that is found in it; empty if there is none."""
    for signs, remedy in OF_TEXT.items():
        if any(re.search(sign, shown) for sign in signs):
            return remedy
    return ""
