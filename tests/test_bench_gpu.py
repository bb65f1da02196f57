"""The measurement of `make bench-gpu` runs through, on the CPU, at a size too small for figures."""

import re

from harness.competition import PACKAGED
from tests.benchmarks.gpu import main

TINY = (
    (PACKAGED / "synthetic_faces.toml")
    .read_text()
    .replace("persons = 1000\nimages = 29 ", "persons = 40\nclasses = 3\nimages = 5 ")
    .replace("retain = 0.8", "retain = 0.6")
    .replace("share = 0.02", "share = 0.1")
    .replace('"resnet18"', '"small_resnet"')
    .replace("{ num_classes = 10 }", "{ channels = 3, classes = 3, widths = [4], stem_stride = 4 }")
    .replace("batch_size = 64", "batch_size = 16")
)


def test_both_comparisons_are_printed(tmp_path, capsys):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    words = ["--epochs", "1", "--models", "12", "--one-by-one", "10", "--runs", "1x2,2x4"]
    main(["--competition", str(path), *words])
    printed = capsys.readouterr().out
    for name in ("fused", "fused, again", "one by one"):
        (rate,) = re.findall(rf"^\| {name} \| \d+ \| (\d+) \|", printed, re.MULTILINE)
        assert int(rate) > 0
    assert len(re.findall(r"^forgetting quality of .*: \d\.\d+ \(", printed, re.MULTILINE)) == 2
    runs = re.findall(r"^\| (\d) \| (\d) \| ([\d.]+) \|", printed, re.MULTILINE)
    assert [pair[:2] for pair in runs] == [("1", "2"), ("2", "4")]
    assert all(float(seconds) > 0 for *_, seconds in runs)
