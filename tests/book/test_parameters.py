import nbformat
import pytest
from book_sample import small_notebook

from grokbook.book.parameters import ParameterError, check_parameters, notebook_parameters, read_notebook


def test_parameters_are_read_with_their_types(tmp_path):
    found = notebook_parameters(read_notebook(small_notebook(tmp_path)))
    assert {name: parameter.types for name, parameter in found.items()} == {
        "p": ("int",),
        "fraction": ("float",),
        "operations": ("list",),
        "device": ("str",),
        "limit": ("int", "None"),
        "verbose": ("bool",),
        "store": (),
        "anything": (),
    }
    assert found["operations"].default == "['a+b', 'a*b # not a comment']"


@pytest.mark.parametrize(
    "good",
    [
        {"p": 97},
        {"fraction": 1},
        {"operations": ("a-b",)},
        {"limit": None},
        {"limit": 5},
        {"store": "x"},
        {"anything": []},
    ],
)
def test_fitting_values_are_accepted(tmp_path, good):
    check_parameters(read_notebook(small_notebook(tmp_path)), good, "chapter")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"fracton": 0.5}, "chapter has no parameter 'fracton'; did you mean fraction or operations?"),
        ({"zzz": 1}, "it has p, fraction, operations, device"),
        ({"p": "97"}, "p takes int, not str"),
        ({"p": 97.0}, "p takes int, not float"),
        ({"p": True}, "p takes int, not bool"),
        ({"verbose": 1}, "verbose takes bool, not int"),
        ({"limit": 0.5}, "limit takes int or None, not float"),
        ({"operations": "a+b"}, "operations takes list, not str"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_is_valid(tmp_path, bad, message):
    with pytest.raises(ParameterError) as error:
        check_parameters(read_notebook(small_notebook(tmp_path)), bad, "chapter")
    assert message in str(error.value)


def test_every_wrong_parameter_is_named(tmp_path):
    with pytest.raises(ParameterError, match=r"(?s)'seed'.*'fractions'"):
        check_parameters(read_notebook(small_notebook(tmp_path)), {"seed": 1, "fractions": 2}, "chapter")


def test_a_notebook_without_a_parameters_cell_takes_none():
    with pytest.raises(ParameterError, match="it has none"):
        check_parameters(nbformat.v4.new_notebook(), {"p": 3}, "bare")
