"""What submissions written for the challenge rely on: each kind runs as it is, a whole file."""

from pathlib import Path

import pytest
import torch

from harness.sandbox.host import RunResult, Server, Zygote
from harness.submission import Verdict
from tests.sandbox.small import LIMITS, submit

KAGGLE = "/kaggle/input/neurips-2023-machine-unlearning"

RUN = {
    "a notebook saved as a file, with its driver": f"""
        import json, os, subprocess, copy, random
        import numpy as np
        import pandas as pd
        import torch
        import torchvision
        from sklearn import linear_model, model_selection
        from torch import nn, optim
        from torch.utils.data import DataLoader, Dataset
        from torchvision.models import resnet18
        from tqdm.auto import tqdm

        DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
        if DEVICE != "cuda":
            raise RuntimeError("Make sure you have added an accelerator to your notebook")
        torch.manual_seed(42); np.random.seed(42); random.seed(42)
        torch.backends.cudnn.deterministic = True

        class HiddenDataset(Dataset):
            def __init__(self, split="train"):
                self.examples = []

        def unlearning(net, retain_loader, forget_loader, val_loader):
            weights = json.load(open("{KAGGLE}/age_class_weights.json"))
            criterion = nn.CrossEntropyLoss(weight=torch.tensor(weights).to(DEVICE))
            optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)
            scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1)
            net.train()
            for epoch in range(1):
                for sample in tqdm(retain_loader):
                    inputs, targets = sample["image"].to(DEVICE), sample["age_group"].to(DEVICE)
                    optimizer.zero_grad()
                    criterion(net(inputs), targets).backward()
                    optimizer.step()
                scheduler.step()

        if os.path.exists("{KAGGLE}/empty.txt"):
            subprocess.run("touch submission.zip", shell=True)
        else:
            os.makedirs("/kaggle/tmp", exist_ok=True)
            net = resnet18(weights=None, num_classes=10)
            net.load_state_dict(torch.load("{KAGGLE}/original_model.pth"))
            unlearning(net, *HiddenDataset())
        """,
    "its own loaders of another batch size, with workers": """
        from itertools import cycle
        from torch.utils.data import DataLoader
        import torch.nn.functional as F
        import torch

        def unlearning(net, retain, forget, validation):
            retain = DataLoader(retain.dataset, batch_size=40, shuffle=True, num_workers=2)
            forget = DataLoader(forget.dataset, batch_size=1024, shuffle=False)
            optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
            first = next(iter(forget))["image"]
            assert len(first) == len(forget.dataset) and len(retain) == 3
            for (x, y), sample in zip(retain, cycle(forget)):
                loss = F.cross_entropy(net(x), y) - 0.1 * net(sample["image"]).logsumexp(1).mean()
                optimizer.zero_grad(); loss.backward(); optimizer.step()
        """,
    "a subset of the data, and a batch size written in": """
        import torch
        from torch.utils.data import DataLoader, Subset, random_split

        def unlearning(net, retain, forget, val):
            part, _ = random_split(retain.dataset, [40, len(retain.dataset) - 40])
            for x, y in DataLoader(Subset(part, range(20)), 20):
                x = x.view(20, 1, 8, 8)
                net(x).sum().backward()
            indices = torch.randperm(len(val.dataset))[:5]
            x = torch.stack([val.dataset[i][0] for i in indices])
            assert x.shape == (5, 1, 8, 8)
        """,
    "a copy that is returned, the argument untouched": """
        import copy, torch
        def unlearning(net, retain, forget, val):
            other = copy.deepcopy(net)
            other.train()
            with torch.no_grad():
                for p in other.parameters(): p += 0.01 * torch.randn_like(p)
            return other
        """,
    "more parameters, with defaults": """
        def unlearning(model, train_loader, forget_loader, val_loader, epochs=1, *, log=None):
            model.eval()
        """,
    "the device, which many a driver passes": """
        import torch
        def unlearning(net, retain, forget, val, DEVICE, epochs=1):
            assert DEVICE == next(net.parameters()).device
            assert epochs == 1
        """,
    "a notebook's progress bars": """
        import tqdm.notebook
        from tqdm import tqdm_notebook
        from tqdm.notebook import tnrange, tqdm as bar, tqdm_notebook as bar_too, trange

        def unlearning(net, retain, forget, val):
            assert [i for i in trange(3, desc="epochs")] == [i for i in tnrange(3)] == [0, 1, 2]
            assert list(bar([1], display=False)) == [1]
            for bars in (bar, bar_too, tqdm_notebook, tqdm.notebook.tqdm):
                assert sum(len(y) for _, y in bars(retain)) == len(retain.dataset)
        """,
    "the device by its name alone": """
        import torch
        def unlearning(net, retain, forget, val, *, device):
            assert isinstance(device, torch.device)
        """,
    "layers by name, replaced and frozen": """
        import torch
        from torch import nn
        def unlearning(net, retain, forget, val):
            net.fc = nn.Linear(net.fc.in_features, net.fc.out_features)
            nn.init.kaiming_normal_(net.conv1.weight)
            for name, parameter in net.named_parameters():
                if "bn" in name: parameter.requires_grad = False
            for name, module in net.named_modules():
                if isinstance(module, nn.BatchNorm2d): module.reset_running_stats()
            net.layer1[0].conv1.weight = nn.Parameter(torch.randn_like(net.layer1[0].conv1.weight))
        """,
    "pruned, and made permanent": """
        import torch.nn.utils.prune as prune
        def unlearning(net, retain, forget, val):
            prune.l1_unstructured(net.fc, "weight", amount=0.5)
            prune.remove(net.fc, "weight")
        """,
    "half precision": "def unlearning(net, retain, forget, val): return net.half()",
    "bfloat16": """
        import torch
        def unlearning(net, retain, forget, val): return net.to(torch.bfloat16)
        """,
    "another network as a teacher": """
        import torch
        from torchvision.models import resnet18
        from torchvision import transforms
        def unlearning(net, retain, forget, val):
            teacher = resnet18(weights=None, num_classes=10).eval()
            images = transforms.Normalize([0.5], [0.5])(next(iter(forget))["image"])
            with torch.no_grad(): teacher(images.expand(-1, 3, -1, -1))
        """,
    "files": """
        import os, torch
        def unlearning(net, retain, forget, val):
            os.makedirs("./output", exist_ok=True)
            os.makedirs("/kaggle/tmp", exist_ok=True)
            for path in ("./output/net.pth", "/kaggle/tmp/net.pth", "/kaggle/working/net.pth"):
                torch.save(net.state_dict(), path)
                net.load_state_dict(torch.load(path))
        """,
    "a thousand prints and a progress bar": """
        from tqdm import tqdm
        def unlearning(net, retain, forget, val):
            for step in tqdm(range(1000)): print(f"step {step}: loss {step / 7:.4f}")
        """,
    "mixed precision and a compiled step are asked for": """
        import torch
        def unlearning(net, retain, forget, val):
            scaler = torch.amp.GradScaler("cuda", enabled=torch.cuda.is_available())
            with torch.autocast("cpu", dtype=torch.bfloat16):
                net(next(iter(val))["image"])
        """,
    "adapters of peft": """
        import torch
        from peft import LoraConfig, get_peft_model
        def unlearning(net, retain, forget, val):
            adapted = get_peft_model(net, LoraConfig(target_modules=["fc"], r=2))
            inputs, targets = next(iter(retain))
            torch.nn.functional.cross_entropy(adapted(inputs), targets).backward()
            return adapted.merge_and_unload()
        """,
    "headers of notebooks": """
        import requests
        import matplotlib.pyplot as plt
        import seaborn as sns
        from IPython.display import display
        from tabulate import tabulate
        def unlearning(net, retain, forget, val): pass
        """,
}
VERDICT = {
    "pruned, and left so": (
        """
        import torch.nn.utils.prune as prune
        def unlearning(net, retain, forget, val):
            prune.l1_unstructured(net.fc, "weight", amount=0.5)
        """,
        "invalid_weights",
        ["fc.weight_orig", "fc.weight_mask", "prune.remove"],
    ),
    "weights that are not numbers": (
        """
        def unlearning(net, retain, forget, val):
            net.fc.weight.data /= 0 * net.fc.weight.data
        """,
        "invalid_weights",
        ["NaN or infinite values in 'fc.weight'"],
    ),
    "a library that nobody has": (
        """
        import torch
        import unheard_of_tricks
        def unlearning(net, retain, forget, val): pass
        """,
        "invalid_submission",
        ["'unheard_of_tricks' is not installed", "line 3", "which is one file"],
    ),
    "a file out of a package": (
        """
        from ..validation import accuracy
        def unlearning(net, retain, forget, val): pass
        """,
        "invalid_submission",
        ["a submission is one file", "line 2"],
    ),
    "a column that this data has not": (
        """
        def unlearning(net, retain, forget, val):
            for batch in retain: batch["age"]
        """,
        "crashed",
        ["age: this competition's data has age_group, image, image_id"],
    ),
    "a layer of another model": (
        "def unlearning(net, retain, forget, val): net.layer4.requires_grad_(True)",
        "crashed",
        ["A SmallResNet has the layers conv1, bn1, relu, maxpool, layer1, layer2, avgpool, fc."],
    ),
    "its layers in a model of its own": (
        """
        from torch import nn
        def unlearning(net, retain, forget, val):
            return nn.Sequential(*list(net.children())[:-1], nn.Flatten(), net.fc)
        """,
        "invalid_weights",
        ["It is another model: return `net` itself"],
    ),
    "a download": (
        """
        import requests
        def unlearning(net, retain, forget, val):
            requests.get("https://unlearning.example/weights.pth")
        """,
        "crashed",
        ["There is no network where submissions are run."],
    ),
    "a line of a notebook": (
        "def unlearning(net, retain, forget, val): get_ipython().system('ls')",
        "crashed",
        ["There is no notebook where submissions are run."],
    ),
    "a layer of another size": (
        """
        from torch import nn
        def unlearning(net, retain, forget, val):
            net.fc = nn.Linear(net.fc.in_features, 2)
        """,
        "invalid_weights",
        ["fc.weight is (2, 8), not (10, 8)"],
    ),
}


def run(folder: Path, zygote: Zygote, text: str) -> RunResult:
    with Server(submit(folder, text), zygote, LIMITS) as server:
        return server.run(1)


@pytest.mark.parametrize("kind", RUN)
def test_runs_as_it_is(tmp_path: Path, zygote: Zygote, kind: str) -> None:
    if "/kaggle/" in RUN[kind] and zygote.isolation.level != "full":
        pytest.skip("Kaggle's folders exist at level full")
    result = run(tmp_path, zygote, RUN[kind])
    assert "fc.weight" in result.weights


@pytest.mark.parametrize("kind", VERDICT)
def test_a_file_that_is_broken_in_itself_is_told_what_to_mend(
    tmp_path: Path, zygote: Zygote, kind: str
) -> None:
    text, status, phrases = VERDICT[kind]
    with pytest.raises(Verdict) as caught:
        run(tmp_path, zygote, text)
    assert caught.value.status == status
    for phrase in phrases:
        assert phrase in caught.value.message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("use", ["next(iter(val))[0].cuda()", "net.to('cuda:0')"])
def test_a_file_that_asks_for_a_gpu_where_there_is_none_is_told_so(
    tmp_path: Path, zygote: Zygote, use: str
) -> None:
    with pytest.raises(Verdict, match="There is no GPU here") as caught:
        run(tmp_path, zygote, f"def unlearning(net, retain, forget, val): {use}")
    assert caught.value.status == "crashed"
