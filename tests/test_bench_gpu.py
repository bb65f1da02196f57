"""The measurement of `make bench-gpu` runs through, on the CPU, at a size that says nothing."""

import re

from tests.benchmarks.gpu import main

TINY = """
extends = "synthetic_faces"
[data]
persons = 40
images = 5
classes = 3
[splits]
retain = 0.6
forget.share = 0.1
[model]
architecture = "small_resnet"
arguments = { channels = 3, classes = 3, widths = [4, 8], stem_stride = 4 }
[training]
batch_size = 16
learning_rate = 1e-2
"""


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
