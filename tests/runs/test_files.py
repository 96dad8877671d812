import math

from qgen.runs.files import append, rows, steps, write_json, write_whole


def test_a_line_that_a_kill_cut_short_is_passed_over_and_closed(tmp_path):
    path = tmp_path / "m.jsonl"
    append(path, [{"step": 1}])
    with path.open("a") as file:
        file.write('{"step": 2, "nested": {"a": 1}')
    assert steps(path) == [{"step": 1}]
    append(path, [{"step": 2}])
    append(path, [{"step": 3}])
    assert [row["step"] for row in steps(path)] == [1, 2, 3]
    append(path, [{"step": 2}])
    assert [row["step"] for row in steps(path)] == [1, 3, 2]
    assert rows(tmp_path / "none.jsonl") == []


def test_whatever_a_model_writes_is_read_back(tmp_path):
    path = tmp_path / "samples.jsonl"
    text = "\0 数学 \u2028 \u0085 \r\n </script>"
    append(path, [{"text": text, "nan": math.nan, "list": [math.inf, 1]}, {"text": "\ud800"}])
    first, second = rows(path)
    assert first == {"text": text, "nan": None, "list": [None, 1]}
    assert "d800" in second["text"] or second["text"] == "\ud800"


def test_replacing_leaves_nothing_beside(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1})
    write_whole(tmp_path / "a.json", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == "new"
