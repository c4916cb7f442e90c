import torch
from small_models import SIZES, train_rows

from grokbook.model.plan import Plan, Rows


def test_rows_are_split_into_first_tokens_and_contexts():
    tokens = torch.tensor([[(4, 8, 1), (0, 7, 2), (4, 8, 1), (2, 7, 2)], [(1, 7, 0), (1, 9, 3), (5, 7, 0), (0, 7, 0)]])
    rows = Rows.of(tokens)
    assert rows.contexts.op.shape == (2, 2)
    back = torch.stack([rows.a, rows.contexts.op.gather(1, rows.ctx), rows.contexts.b.gather(1, rows.ctx)], dim=-1)
    assert torch.equal(back, tokens)


def test_a_plan_can_be_put_into_a_stack_of_them(tiny):
    configs = [tiny(seed=seed, p=11) for seed in range(4)]
    rows = torch.stack([train_rows(config)[0] for config in configs])
    plan_of = lambda tokens: Plan.of(Rows.of(tokens), SIZES["n_heads"], configs[0].d_vocab)  # noqa: E731
    changed, expected = plan_of(rows[:3]), plan_of(rows[[0, 3, 2]])
    changed.put(1, plan_of(rows[3:]))
    for found, wanted in zip(
        (*changed.rows[:2], *changed.rows.contexts, *changed[1:]),
        (*expected.rows[:2], *expected.rows.contexts, *expected[1:]),
        strict=True,
    ):
        assert torch.equal(found, wanted)
