import jupytext
import pytest
from workshop_source import CODE, HEAD, NOTE, STATEMENT, exercise, notebook

from grokbook.book.exercises import ExerciseError, exercises, has_exercises


def refused(*parts: str) -> str:
    with pytest.raises(ExerciseError) as error:
        exercises(notebook(*parts), "w.md")
    return str(error.value)


def test_an_exercise_is_read():
    (found,) = exercises(notebook(), "w.md")
    assert (found.number, found.title, found.difficulty, found.minutes, found.check) == ("1.1", "Twice", 2, 5, "twice")
    assert found.solved == "x = 21\ndouble = 2 * x\ncheck.twice(double, x)"
    assert found.open == "x = 21\ndouble = ...  # your code here\ncheck.twice(double, x)"
    assert found.plain_solution == "double = 2 * x"


@pytest.mark.parametrize(
    ("code", "gap"),
    [
        # every name that the check needs, in the order of the solution, and no other
        (
            "### BEGIN SOLUTION\nb = 1\nhelp = 2\na = b\n### END SOLUTION\ncheck.f(a, b)",
            "b = ...  # your code here\na = ...  # your code here\n",
        ),
        # in a function: what it returns
        (
            "def f(x):\n    ### BEGIN SOLUTION\n    y = x\n    return y\n    ### END SOLUTION\n\n\ncheck.g(f)",
            "    return ...  # your code here\n",
        ),
        # in a function whose end is given: what that needs
        (
            "def f(x):\n    ### BEGIN SOLUTION\n    y = x\n    ### END SOLUTION\n    return y\n\n\ncheck.g(f)",
            "    y = ...  # your code here\n",
        ),
        (
            "### BEGIN SOLUTION\nfor i in range(3):\n    a = i\n### END SOLUTION\ncheck.f(a)",
            "a = ...  # your code here\n",
        ),
        ("### BEGIN SOLUTION\ndef f(x):\n    return x\n### END SOLUTION\ncheck.f(f)", "f = ...  # your code here\n"),
    ],
)
def test_the_gap_holds_what_the_rest_of_the_cell_needs(code, gap):
    (found,) = exercises(notebook(exercise(code)), "w.md")
    assert found.gap == gap


def test_names_that_a_cell_uses_before_its_gap_only_are_no_gap():
    code = "a = 1\nb = a\n### BEGIN SOLUTION\na = 2\nc = 3\n### END SOLUTION\ncheck.f(c)"
    (found,) = exercises(notebook(exercise(code)), "w.md")
    assert found.gap == "c = ...  # your code here\n"


BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (CODE.replace(f"{END}\n", ""), "the last one does not end"),
        (CODE.replace(f"{BEGIN}\n", ""), "a solution ends that has not begun"),
        (CODE.replace(END, f"{BEGIN}\ny = 1\n{END}\n{END}"), "one solution begins inside another"),
        (CODE.replace(END, f"{END}\n{BEGIN}\ny = 1\n{END}"), "it has 2 solutions"),
        ("x = 1\ncheck.f(x)", "it has neither"),
        (CODE.replace("double = 2 * x\n", ""), "nothing between its markers"),
        (CODE.replace("check.twice(double, x)", "print(double)"), "needs a self-check"),
        (CODE + "\nprint(double)", "needs a self-check"),
        (
            CODE.replace("twice(double, x)", "twice(x)"),
            "assigns nothing in its solution that the rest of the cell uses",
        ),
        (CODE.replace("2 * x", "2 *"), "is not Python"),
        (CODE.replace("2 * x", "2 * x  # your code here"), "must not contain '# your code here'"),
        (f"if True:\n    {BEGIN}\n    a = 1\nelse:\n    a = 2\n    {END}\ncheck.f(a)", None),
        (f"a = (\n{BEGIN}\n1\n{END}\n)\ncheck.f(a)", "assigns nothing"),
    ],
)
def test_bad_code_is_refused_with_notebook_and_cell(code, message):
    if message is None:  # odd, but what is left makes a cell
        exercises(notebook(exercise(code)), "w.md")
        return
    text = refused(exercise(code))
    first = code.splitlines()[0]
    assert text.startswith(f"w.md, cell 4 (`{first}`) ")
    assert message in text


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (STATEMENT.replace("### Exercise 1.1 · Twice", "### Twice"), "needs one heading"),
        (STATEMENT + STATEMENT, "found 2"),
        (STATEMENT.replace("★★☆ · ", ""), "difficulty and minutes"),
        (STATEMENT.replace("★★☆", "★★★★"), "difficulty and minutes"),
        (STATEMENT.replace("★★☆", "★☆"), "difficulty and minutes"),
        (STATEMENT.replace("5 minutes", "0 minutes"), "difficulty and minutes"),
        (STATEMENT.replace("Hint", "Help"), "needs a hint"),
        (STATEMENT.replace("</summary>\n\nM", "</summary>\nM"), "needs a hint"),  # not rendered without the blank line
    ],
)
def test_a_statement_that_lacks_something_is_refused(statement, message):
    assert message in refused(exercise(statement=statement))


def test_markers_outside_of_exercises_are_refused():
    assert "has a solution marker, and is not tagged exercise" in refused(exercise(tags="hide-input"))
    assert "tagged both" in refused(exercise(tags="exercise, instructor"))
    text = refused(exercise(), f"Text.\n\n{BEGIN}\n")
    assert "cell 5" in text
    assert "marker" in text


def test_the_heading_of_an_exercise_without_a_tag_is_noticed():
    text = refused(exercise(), exercise(code="x = 1", tags="other"))
    assert "comes after the heading of an exercise" in text


def test_everything_that_is_wrong_is_said_at_once():
    text = refused(exercise("x = 1"), exercise(tags="other"), exercise(), exercise())
    assert len(text.splitlines()) == 3
    assert "more than one exercise 1.1" in text


def test_a_statement_ends_with_the_code_before_it():
    text = refused(STATEMENT, "\n```{code-cell} ipython3\nx = 1\n```\n\n", exercise(statement=""))
    assert "found 0" in text


def test_notes_for_instructors_are_no_statement():
    hidden = '+++ {"tags": ["instructor"]}\n\n' + STATEMENT + "\n+++\n\nDo it.\n"
    assert "found 0" in refused(hidden, exercise(statement=""))


def test_a_chapter_has_no_exercises():
    chapter = jupytext.reads(HEAD + NOTE, fmt="md:myst")
    assert not has_exercises(chapter)
    assert exercises(chapter, "chapter.md") == []
    assert has_exercises(notebook(exercise(tags="other")))  # a marker alone: it is to be refused, not passed over
