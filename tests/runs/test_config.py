import hashlib
import json
import math
import re
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import grokbook as gb
from grokbook import RunConfig
from grokbook.model.weights import EMBEDDING, TRANSFORMER, Weights
from grokbook.runs.config import ENDING, canonical, merged

OPERATIONS = ("a+b", "a-b", "ab", "ab+b", "a^2+ab+b^2", "(a-b)^4", "2a-3b")


def test_defaults_are_table_2():
    config = RunConfig(operations=("a+b",))
    assert (config.p, config.fraction, config.operands) == (97, 0.3, "residues")
    assert (config.d_model, config.n_heads, config.d_mlp) == (128, 4, 512)
    assert (config.lr, config.betas, config.weight_decay, config.max_steps) == (1e-3, (0.9, 0.98), 1.0, 300_000)
    assert (config.source, config.transplant, config.frozen) == (None, (), ())


def test_the_hash_is_that_of_the_canonical_json():
    """Golden on purpose: whatever changes this orphans every stored run."""
    config = RunConfig(operations=("a*b",), max_steps=40_000)
    text = '{"fraction":0.3,"operations":["ab"],"p":97,"seed":0}'
    assert config.hash == hashlib.sha256(text.encode()).hexdigest()[:16] == "245a03ef0ea5fa02"
    assert config.name == "ab-p97-r0.3-s0-245a03ef0ea5fa02"


def test_what_runs_were_called_before_is_golden_too():
    config = RunConfig(operations=("a*b",), max_steps=40_000)
    text = '{"fraction":0.3,"max_steps":40000,"operations":["ab"],"p":97,"seed":0}'
    assert config.former_name == f"ab-p97-r0.3-s0-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    assert config.former_name == "ab-p97-r0.3-s0-28d31a17f4108f87"


def test_of_a_source_the_end_counts_since_its_last_weights_are_taken():
    def heir(**end):
        source = RunConfig(operations=("a+b",), **end)
        return RunConfig(operations=("a-b",), source=source, transplant=EMBEDDING)

    assert len({heir(**end).hash for end in ({}, {"max_steps": 10}, {"tail": 10}, {"sustain": 10})}) == 4


def test_another_seed_is_that_of_the_source_too_if_it_was():
    source = RunConfig(operations=("a+b",))
    heir = RunConfig(operations=("a-b",), source=source, transplant=EMBEDDING)
    assert heir.with_seed(3) == replace(heir, seed=3, source=replace(source, seed=3))
    apart = replace(heir, seed=1)
    assert apart.with_seed(3) == replace(apart, seed=3)
    assert heir.with_seed(3).with_seed(0) == heir


def test_configs_of_one_run_are_merged_into_the_one_that_asks_for_most():
    run, other = RunConfig(operations=("a+b",), max_steps=100), RunConfig(operations=("a-b",))
    further, longer = replace(run, max_steps=300), replace(run, tail=9000)
    assert merged([run, other, further, longer]) == [replace(run, max_steps=300, tail=9000), other]
    strict = replace(run, grok_accuracy=1.0)
    assert merged([run, strict, run]) == [run, strict], "neither answers the other"


def test_the_hash_of_a_pre_grokked_run_is_golden_too():
    source = RunConfig(operations=("a+b",))
    config = RunConfig(operations=("a-b",), source=source, transplant=EMBEDDING)
    text = (
        '{"fraction":0.3,"operations":["a-b"],"p":97,"seed":0,'
        '"source":{"fraction":0.3,"operations":["a+b"],"p":97,"seed":0},"transplant":["W_E"]}'
    )
    assert config.hash == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert "-pg-" in config.name


def test_a_new_field_at_its_default_keeps_every_hash():
    @dataclass(frozen=True, kw_only=True)
    class Wider(RunConfig):
        dropout: float = 0.0

    old, new = RunConfig(operations=("a+b",), seed=3), Wider(operations=("a+b",), seed=3)
    assert new.hash == old.hash
    assert Wider(operations=("a+b",), seed=3, dropout=0.1).hash != old.hash


CHANGES = {
    "operations": ("a-b",),
    "p": 101,
    "fraction": 0.4,
    "seed": 1,
    "operands": "vocab",
    "model": "separate",
    "activation": "quadratic",
    "d_model": 64,
    "n_heads": 2,
    "d_mlp": 256,
    "lr": 1e-4,
    "betas": (0.9, 0.99),
    "weight_decay": 0.5,
    "max_steps": 10,
    "grok_accuracy": 0.9,
    "sustain": 10,
    "tail": 10,
    "eval_every": 10,
    "frozen": ("W_E",),
}


def test_every_field_but_those_of_the_end_is_in_the_hash_once_it_leaves_its_default():
    plain = RunConfig(operations=("a+b",))
    assert set(plain.to_dict()) == {"operations", "p", "fraction", "seed"}
    assert set(CHANGES) | {"source", "transplant"} == {field.name for field in fields(RunConfig)}
    for name, value in CHANGES.items():
        changed = replace(plain, **{name: value})
        assert (changed.hash != plain.hash) == (name not in ENDING), name
        assert changed.former_name != plain.former_name, name
        assert set(changed.to_dict()) == set(plain.to_dict()) | {name}


@pytest.mark.parametrize("written", ["a+b", "b + a", " 1a +b", "a·1 + b"])
def test_operations_are_kept_in_canonical_form(written):
    config = RunConfig(operations=[written])
    assert config == RunConfig(operations=("a+b",))
    assert (config.operations, config.hash) == (("a+b",), RunConfig(operations=("a+b",)).hash)


def test_whole_numbers_and_lists_become_what_the_fields_say():
    loose = RunConfig(operations=["a+b"], p=7.0, lr=1, betas=[0, 0.5], frozen=["W_E"])
    assert loose == RunConfig(operations=("a+b",), p=7, lr=1.0, betas=(0.0, 0.5), frozen=("W_E",))
    assert loose.hash == RunConfig.from_dict(json.loads(json.dumps(loose.to_dict()))).hash
    assert [type(v) for v in (loose.p, loose.lr, loose.betas[0])] == [int, float, float]


def test_a_config_holds_its_tables_whole(division):
    config = RunConfig(operations=["b*a", division, gb.Operation.parse("a+b")], p=7)
    assert config.operations == ("ab", division, "a+b")
    assert [str(each) for each in config.parsed_operations] == ["ab", "a/b", "a+b"]
    assert config.to_dict()["operations"] == ["ab", division.plain, "a+b"]
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert (again, again.hash, again.name) == (config, config.hash, config.name)
    assert again.label == "ab, a/b, a+b (p=7, r=0.3, seed 0)"
    assert f"_ab-{division.digest[:8]}_a+b-p7-" in config.name
    assert replace(config, operations=(division,)).hash != replace(config, operations=("ab",)).hash


@given(st.text(min_size=1, max_size=30).filter(lambda name: name.isprintable() and name == name.strip()))
def test_runs_on_tables_have_names_that_are_file_names_everywhere(name):
    try:
        table = gb.Operation.from_table(name, [[0, 1, 2], [1, 2, 0], [2, 0, 1]])
    except ValueError:
        return  # it reads as a polynomial
    config = RunConfig(operations=(table,), p=3)
    assert re.fullmatch(r"[0-9A-Za-z+^()_][0-9A-Za-z+^()._-]+", config.name)
    assert table.digest[:8] in config.name


LAYER = st.fixed_dictionaries(
    {
        "operations": st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=3, unique=True),
        "fraction": st.floats(0.05, 0.95),
        "changed": st.sets(st.sampled_from(sorted(set(CHANGES) - {"operations", "fraction", "frozen", "model"}))),
        "transplant": st.sampled_from([EMBEDDING, TRANSFORMER]),
        "frozen": st.sampled_from([(), ("W_E",), ("W_U", "W_Q")]),
    }
)


def build(layers: list[dict]) -> RunConfig:
    """A config with any of its fields changed, pre-grokked from one built in the same way, and so on."""
    *below, top = layers
    values = {name: CHANGES[name] for name in top["changed"]}
    plain = RunConfig(operations=tuple(top["operations"]), fraction=top["fraction"], **values)
    if not below:
        return replace(plain, frozen=top["frozen"])
    source = build(below)
    sizes = {name: getattr(source, name) for name in ("p", "activation", "d_model", "n_heads", "d_mlp")}
    # With the source's operations, both have the same number of tokens.
    return replace(plain, **sizes, operations=source.operations, source=source, transplant=top["transplant"])


@given(st.lists(LAYER, min_size=1, max_size=3))
def test_json_round_trip(layers):
    config = build(layers)
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert (again.hash, again.name) == (config.hash, config.name)
    assert hash(again) == hash(config)


@given(st.lists(LAYER, min_size=1, max_size=3))
def test_names_are_file_names_everywhere(layers):
    config = build(layers)
    assert re.fullmatch(r"[0-9A-Za-z+^()._-]+", config.name)
    assert not config.name.startswith(".")
    assert len(config.name) <= 128
    assert config.name.endswith(config.hash)


def test_a_config_cannot_be_changed():
    config = RunConfig(operations=("a+b",))
    with pytest.raises(FrozenInstanceError):
        config.p = 101


def test_label_reads_well():
    source = RunConfig(operations=("a+b",), seed=2)
    config = RunConfig(operations=("a-b",), seed=2, source=source, transplant=("W_E",))
    assert source.label == "a+b (p=97, r=0.3, seed 2)"
    assert config.label == "PG-E a+b → a-b (p=97, r=0.3, seed 2)"
    unusual = replace(source, frozen=("W_E",), operands="vocab", weight_decay=0.0)
    assert unusual.label == "a+b [frozen random embedding, no weight decay, operands vocab] (p=97, r=0.3, seed 2)"
    other = RunConfig(operations=("a+b",), model="mlp", activation="quadratic")
    assert other.label == "a+b [two-layer MLP, quadratic activation] (p=97, r=0.3, seed 0)"


def test_no_name_reads_as_an_option():
    assert RunConfig(operations=("-a-b",)).name.startswith("0-a-b-p97")


def test_frozen_weights_are_those_named_in_either_field():
    source = RunConfig(operations=("a+b",))
    config = RunConfig(operations=("a-b",), source=source, transplant=("W_O", "W_Q"), frozen=("W_E",))
    assert config.frozen_weights == ("W_E", "W_Q", "W_O")


def test_d_vocab_grows_with_the_mixture():
    assert RunConfig(operations=("a+b",)).d_vocab == 102
    assert RunConfig(operations=("ab+b", "a^2+b", "a+b")).d_vocab == 103
    assert RunConfig(operations=("ab+b", "a^2+b", "a+b"), model="separate").d_vocab == 200


REFUSED = [
    ({"p": 1}, ValueError, "p must be a prime"),
    ({"p": 2}, ValueError, "p must be a prime"),
    ({"p": 91}, ValueError, "91"),
    ({"p": -97}, ValueError, "p must be a prime"),
    ({"p": 10_009}, ValueError, "10007"),
    ({"p": 7.5}, TypeError, "p must be a whole number"),
    ({"p": "97"}, TypeError, "p must be a whole number"),
    ({"p": True}, TypeError, "p must be a whole number"),
    ({"p": None}, TypeError, "p must be a whole number"),
    ({"p": math.inf}, TypeError, "p must be a whole number"),
    ({"p": math.nan}, TypeError, "p must be a whole number"),
    ({"fraction": 0}, ValueError, "fraction"),
    ({"fraction": 1}, ValueError, "fraction"),
    ({"fraction": -0.1}, ValueError, "fraction"),
    ({"fraction": 1.5}, ValueError, "fraction"),
    ({"fraction": math.nan}, ValueError, "fraction"),
    ({"fraction": math.inf}, ValueError, "fraction"),
    ({"fraction": 1e-5}, ValueError, "train set empty"),
    ({"fraction": "0.3"}, TypeError, "fraction must be a number"),
    ({"fraction": None}, TypeError, "fraction must be a number"),
    ({"fraction": True}, TypeError, "fraction must be a number"),
    ({"seed": -1}, ValueError, "seed"),
    ({"seed": 0.5}, TypeError, "seed"),
    ({"seed": None}, TypeError, "seed"),
    ({"operands": "tokens"}, ValueError, "operands"),
    ({"operands": 3}, ValueError, "operands"),
    ({"model": "seperate"}, ValueError, "unknown model 'seperate'; the nearest is 'separate'"),
    ({"model": None}, ValueError, "unknown model None"),
    ({"activation": "square"}, ValueError, "unknown activation 'square'"),
    ({"model": "mlp", "operations": ("a+b", "a-b")}, ValueError, "model 'mlp' learns one operation"),
    ({"model": "mlp", "d_model": 64}, ValueError, "model 'mlp' has no d_model; its sizes are d_mlp"),
    ({"model": "mlp", "operands": "vocab"}, ValueError, "model 'mlp' takes operands residues, not vocab"),
    ({"model": "separate", "operands": "vocab"}, ValueError, "model 'separate' takes operands residues, not vocab"),
    ({"model": "mlp", "frozen": ("W_E",)}, ValueError, "unknown weight 'W_E'; there are W_a, W_b, W_out"),
    (
        {"source": RunConfig(operations=("a-b",), model="separate"), "transplant": ("W_E",)},
        ValueError,
        "differs in model",
    ),
    (
        {"source": RunConfig(operations=("a-b",), activation="quadratic"), "transplant": ("W_E",)},
        ValueError,
        "differs in activation",
    ),
    ({"max_steps": -1}, ValueError, "max_steps must be at least 1"),
    ({"max_steps": 0}, ValueError, "max_steps must be at least 1"),
    ({"max_steps": None}, TypeError, "max_steps"),
    ({"eval_every": 0}, ValueError, "eval_every"),
    ({"sustain": 0}, ValueError, "sustain"),
    ({"tail": -5}, ValueError, "tail"),
    ({"d_model": 0}, ValueError, "d_model"),
    ({"d_model": 130}, ValueError, "multiple of n_heads"),
    ({"n_heads": 0}, ValueError, "n_heads"),
    ({"d_mlp": 0}, ValueError, "d_mlp"),
    ({"lr": 0}, ValueError, "lr"),
    ({"lr": -1e-3}, ValueError, "lr"),
    ({"lr": math.nan}, ValueError, "lr"),
    ({"lr": math.inf}, ValueError, "lr"),
    ({"lr": "1e-3"}, TypeError, "lr must be a number"),
    ({"weight_decay": -1}, ValueError, "weight_decay"),
    ({"weight_decay": math.nan}, ValueError, "weight_decay"),
    ({"betas": (0.9,)}, ValueError, "betas"),
    ({"betas": (0.9, 1.0)}, ValueError, "betas"),
    ({"betas": (math.nan, 0.9)}, ValueError, "betas"),
    ({"betas": 0.9}, TypeError, "betas"),
    ({"betas": ("x", 0.9)}, TypeError, "betas"),
    ({"grok_accuracy": 0}, ValueError, "grok_accuracy"),
    ({"grok_accuracy": 1.1}, ValueError, "grok_accuracy"),
    ({"frozen": ("W_X",)}, ValueError, "unknown weight 'W_X'"),
    ({"frozen": "W_E"}, TypeError, "frozen must be a sequence"),
    ({"frozen": Weights._fields}, ValueError, "nothing is left to train"),
    ({"operations": "a+b"}, TypeError, "operations must be a sequence"),
    ({"operations": ()}, ValueError, "operations"),
    ({"operations": None}, TypeError, "operations"),
    ({"operations": ("a+b", "b+a")}, ValueError, "given twice"),
    ({"operations": ("a/b",)}, ValueError, "column 2"),
    ({"operations": (3,)}, ValueError, "from a string, not from int"),
    ({"source": RunConfig(operations=("a-b",))}, ValueError, "source and transplant"),
    ({"transplant": ("W_E",)}, ValueError, "source and transplant"),
    ({"source": {"operations": ["a-b"]}, "transplant": ("W_E",)}, TypeError, "source must be a RunConfig"),
    ({"source": RunConfig(operations=("a-b",)), "transplant": ("W_Z",)}, ValueError, "unknown weight"),
    ({"source": RunConfig(operations=("a-b",), p=101), "transplant": ("W_E",)}, ValueError, "differs in p"),
    ({"source": RunConfig(operations=("a-b",), d_mlp=8), "transplant": ("W_E",)}, ValueError, "differs in d_mlp"),
    ({"source": RunConfig(operations=("2a", "a-2b")), "transplant": ("W_E",)}, ValueError, "103 tokens, this run 102"),
    (
        {"source": RunConfig(operations=("a-b",)), "transplant": ("W_E",), "frozen": ("W_E",)},
        ValueError,
        "transplanted weights are frozen already",
    ),
]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    REFUSED,
    ids=[", ".join(f"{name}={str(value)[:30]}" for name, value in changes.items()) for changes, _, _ in REFUSED],
)
def test_bad_values_are_refused_at_construction(changes, error, message):
    with pytest.raises(error, match=re.escape(message)):
        RunConfig(**{"operations": ("a+b",), **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "table 'a/b' is 7 × 7: it has no labels for p = 97"),
        ({"p": 7, "operands": "vocab"}, "table 'a/b' has labels for residues alone: operands cannot be 'vocab'"),
    ],
)
def test_tables_are_refused_where_they_have_no_labels(division, changes, message):
    with pytest.raises(ValueError, match=message):
        RunConfig(operations=(division,), **changes)


def test_two_tables_of_one_name_make_no_mixture(division):
    other = gb.Operation.from_table("a/b", division.labels(7).T)
    with pytest.raises(ValueError, match="operation a/b is given twice"):
        RunConfig(operations=(division, other), p=7)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"operations": ["a+b"], "prime": 7}, ValueError),
        ({"p": 7}, TypeError),
        ({"operations": ["a+b"], "source": {"operations": ["a+b"], "depth": 2}, "transplant": ["W_E"]}, ValueError),
    ],
)
def test_from_dict_refuses_what_is_no_config(values, error):
    with pytest.raises(error):
        RunConfig.from_dict(values)


def test_a_config_names_the_module_it_starts_from(tiny):
    heirs = {
        names: tiny("a-b", source=tiny(), transplant=names)
        for names in (("W_E",), ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"), ("W_E", "W_U"))
    }
    assert [heir.module for heir in heirs.values()] == ["PG-E", "PG-T", "W_E+W_U"]
    assert all(heir.task.startswith(f"{heir.module} a+b") for heir in heirs.values())
    assert tiny().module is None


def test_equal_values_have_one_canonical_text():
    assert canonical({"b": [1, 2.5], "a": "é"}) == canonical({"a": "é", "b": (1, 2.5)}) == '{"a":"\\u00e9","b":[1,2.5]}'


def test_a_config_is_shown_as_the_short_call_that_makes_it(tiny):
    assert repr(RunConfig(operations=("a*b",), seed=2)) == "RunConfig(operations=('ab',), p=97, fraction=0.3, seed=2)"
    heir = tiny("a-b", source=tiny(), transplant=EMBEDDING)
    assert eval(repr(heir), {"RunConfig": RunConfig}) == heir  # noqa: S307
    assert "betas" not in repr(heir)
