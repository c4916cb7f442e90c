from dataclasses import replace

from grokbook import RunStore, train
from grokbook.runs.renaming import rename


def test_the_further_of_two_ends_gets_the_name_and_the_other_stays(tmp_path, tiny):
    store, runs = RunStore(tmp_path), train([tiny(max_steps=10), tiny(max_steps=20)], "cpu", progress=False)
    for run in runs:
        folder = store.put(run)
        folder.rename(tmp_path / run.config.former_name)
    (tmp_path / f"{runs[1].config.former_name}.ablations.parquet").touch()
    (tmp_path / "no run").mkdir()
    shorter, further = (tmp_path / run.config.former_name for run in runs)
    assert dict(rename(tmp_path)) == {further: tmp_path / tiny().name, shorter: None}
    assert store.get(tiny(max_steps=20)).steps == 20
    assert shorter.is_dir()
    assert (tmp_path / f"{tiny().name}.ablations.parquet").exists()
    assert dict(rename(tmp_path)) == {shorter: None}
    assert list(rename(tmp_path / "nowhere")) == []
    assert replace(tiny(), max_steps=20) in store
