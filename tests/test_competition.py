"""The competition's file: what is accepted, what is refused, and with which message."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness import competition
from harness.competition import CompetitionError

DIGITS = Path("reference/digits.toml").read_text()


def write(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def test_the_default_competition_is_read():
    digits = competition.load("digits")
    assert (digits.name, digits.dataset, digits.evaluation.runs) == ("digits", "digits", 512)


def test_the_caller_may_ask_for_other_runs_and_isolation():
    evaluation = competition.load("digits", runs=16, require_isolation="full").evaluation
    assert (evaluation.runs, evaluation.require_isolation) == (16, "full")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("retain = 850", "retian = 850", "unknown key splits.retian; did you mean retain?"),
        ("retain = 850", "", "splits.retain = 0 must be positive"),
        ("seed = 1\nepochs", "epochs", "training.seed is missing"),
        ("retain = 850", "retain = -3", "splits.retain = -3 must be positive"),
        ("retain = 850", "retain = 8.5", "splits.retain = 8.5 should be an int, or a share"),
        ("retain = 850", "published = true", "splits.validation and splits.published exclude"),
        ("retain = 850", "published = 1", "splits.published: expected bool, got int"),
        ("retain = 850", "retain = true", "splits.retain: expected int | float, got bool"),
        ("count = 64", "count = 0", "splits.forget.count = 0 must be positive"),
        ("start = 1560", "start = -1", "splits.forget.start = -1 cannot be negative"),
        ("count = 64", "share = 0.1", "splits.forget of kind 'block' takes count and start"),
        ("count = 64", 'count = 64\nkind = "random"', "of kind 'random' takes share; or count"),
        ("count = 64", 'count = 64\nkind = "best"', "splits.forget.kind = 'best' is none of block"),
        ("start = 1560", 'share = 1.1\nkind = "random"', "splits.forget.share = 1.1 must lie in"),
        (
            "[training]",
            '[training]\noptimizer = "lbfgs"',
            "training.optimizer = 'lbfgs' is none of",
        ),
        ("[training]", "[training]\nclass_weighted = 1", "class_weighted: expected bool, got int"),
        ('dataset = "digits"', 'dataset = "digits"\ndata = 1', "data: expected a table, got int"),
        ("runs = 512", "runs = 1", "evaluation.runs = 1"),
        ("delta = 1e-5", "delta = 2.0", "evaluation.delta"),
        ("seconds = 60", "seconds = 0", "evaluation.limits.seconds"),
        (
            "seconds = 60",
            'seconds = 60\nover_limit = "hide"',
            "evaluation.limits.over_limit = 'hide' is none of mark, apart, refuse",
        ),
        (
            "seconds = 60",
            "seconds = 60\nover_limit = 1",
            "evaluation.limits.over_limit: expected str, got int",
        ),
        ("learning_rate = 1e-2", "learning_rate = nan", "training.learning_rate = nan must be"),
        (
            "start = 1560",
            'kind = "indices"\nindices = [1, 2.5]',
            "indices[1]: expected int, got fl",
        ),
        ("[splits]", "[splits", "is not TOML"),
        ("[model]", "[modle]", "unknown key modle"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(tmp_path, old, new, complaint):
    assert old in DIGITS
    with pytest.raises(CompetitionError, match="mine.toml") as error:
        competition.load(write(tmp_path, DIGITS.replace(old, new, 1)))
    assert complaint in str(error.value)


def test_a_competition_may_extend_another(tmp_path):
    text = 'extends = "digits"\n[splits]\nforget.start = 3\n[evaluation]\nruns = 64\n'
    private, digits = competition.load(write(tmp_path, text)), competition.load("digits")
    assert private.name == "mine"
    assert (private.splits.forget.start, private.splits.forget.count) == (3, 64)
    assert replace(private.splits, forget=digits.splits.forget) == digits.splits
    assert (private.evaluation.runs, private.training) == (64, digits.training)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('extends = "nothing"', "no competition 'nothing'; there are: .*digits"),
        ('extends = "mine.toml"', "mine.toml extends .*mine.toml: remove one"),
        (
            'extends = "ring/a.toml"',
            "mine.toml extends .*a.toml extends .*b.toml extends .*a.toml:",
        ),
        ("extends = 3", "expected a name or a path, got 3"),
        ('extends = "none.toml"', "none.toml: no such file"),
        ('extends = "digits"\n[splits]\nretian = 3', "unknown key splits.retian"),
    ],
)
def test_what_cannot_be_extended_is_said(tmp_path, text, complaint):
    (tmp_path / "ring").mkdir()
    for name, other in ("ab", "ba"):
        (tmp_path / f"ring/{name}.toml").write_text(f'extends = "{other}.toml"')
    with pytest.raises(CompetitionError, match=complaint):
        competition.load(write(tmp_path, text))


def test_a_path_is_relative_to_the_file_that_extends_it(tmp_path, monkeypatch):
    (tmp_path / "base.toml").write_text('extends = "digits"\nevaluation.runs = 64')
    path = write(tmp_path, 'extends = "base.toml"\nsplits.seed = 9')
    monkeypatch.chdir(Path(path).root)
    made = competition.load(path)
    assert (made.evaluation.runs, made.splits.seed) == (64, 9)


def test_another_choice_does_not_inherit_what_belongs_to_the_first(tmp_path):
    text = """
    extends = "digits"
    dataset = "image_folder"
    data.folder = "x"
    [splits.forget]
    kind = "random"
    share = 0.1
    [model]
    architecture = "resnet18"
    arguments.num_classes = 3
    """
    first = write(tmp_path, text)
    made = competition.load(first)
    assert made.splits.forget == competition.Forget("random", share=0.1)
    assert made.model == competition.Model("resnet18", {"num_classes": 3})
    again = tmp_path / "again.toml"
    more = 'extends = "mine.toml"\nmodel.arguments.norm_layer = "x"\ndata.size = 8\n'
    again.write_text(more + "splits.forget.share = 0.2")
    made = competition.load(str(again))
    assert made.model.arguments == {"num_classes": 3, "norm_layer": "x"}
    assert made.data == {"folder": "x", "size": 8}
    assert (made.splits.forget.kind, made.splits.forget.share) == ("random", 0.2)
    again.write_text('extends = "mine.toml"\ndataset = "digits"')
    assert competition.load(str(again)).data == {}


def test_a_whole_number_is_a_float_where_one_is_wanted(tmp_path):
    one, same = (
        competition.load(write(tmp_path, DIGITS.replace("weight_decay = 1e-2", line)))
        for line in ("weight_decay = 1", "weight_decay = 1.0")
    )
    assert type(one.training.weight_decay) is float
    assert one.fingerprint("data", "1") == same.fingerprint("data", "1")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(CompetitionError, match="'digit'; did you mean 'digits'.*cifar10"):
        competition.load("digit")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CompetitionError, match="no such file"):
        competition.load(str(tmp_path / "none.toml"))


def test_the_fingerprint_follows_recipe_data_and_metric_but_not_the_evaluation():
    digits = competition.load("digits")
    same = digits.fingerprint("data", "1")
    recipe = replace(digits, training=replace(digits.training, epochs=13))
    assert competition.load("digits", runs=16).fingerprint("data", "1") == same
    assert len({same, recipe.fingerprint("data", "1"), digits.fingerprint("else", "1")}) == 3
    assert digits.fingerprint("data", "2") != same


@pytest.mark.parametrize(
    "name", ["casia_surf", "casia_surf_clean", "cifar10", "digits", "synthetic_faces"]
)
def test_the_competitions_that_come_with_the_harness_are_valid(name):
    assert competition.load(name).name == name


def test_where_the_data_lies_does_not_change_the_fingerprint():
    settings = competition.load("casia_surf")
    moved = replace(settings, data={"folder": "elsewhere", "size": 32})
    assert moved.fingerprint("data", "1") == settings.fingerprint("data", "1")


def test_a_setting_at_its_default_does_not_change_the_fingerprint(tmp_path):
    text = DIGITS.replace("[training]", '[training]\noptimizer = "adamw"')
    path = tmp_path / "digits.toml"
    path.write_text(text.replace("[splits.forget]", '[splits.forget]\nkind = "block"'))
    stated, other = competition.load(str(path)), competition.load("digits")
    assert stated.fingerprint("data", "1") == other.fingerprint("data", "1")
    weighted = replace(other, training=replace(other.training, class_weighted=True))
    assert weighted.fingerprint("data", "1") != other.fingerprint("data", "1")
