import pytest

from mailnode.errors import SettingsError
from mailnode.flow.rows import RowsFile, run_concurrently


def file_of(folder, text, name="rows.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def fields(path):
    return [row.fields for row in RowsFile.check(path).read()]


class TestCsv:
    def test_each_line_has_the_fields_of_the_header(self, tmp_path):
        path = file_of(tmp_path, 'email,name\r\na@x.example,"Ann, the first"\r\nb@x.example,Bob\r\n')
        assert fields(path) == [
            {"email": "a@x.example", "name": "Ann, the first"},
            {"email": "b@x.example", "name": "Bob"},
        ]

    def test_a_byte_order_mark_is_no_part_of_a_name(self, tmp_path):
        assert fields(file_of(tmp_path, b"\xef\xbb\xbfemail\na@x.example\n")) == [{"email": "a@x.example"}]

    def test_empty_lines_are_no_rows_and_a_cell_may_hold_several_lines(self, tmp_path):
        assert fields(file_of(tmp_path, 'a\n\n"one\ntwo"\n\n')) == [{"a": "one\ntwo"}]

    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ("a,b\n1,2\n3\n", 3, "1 cells, but the header has 2"),
            ("a,b\n1,2,3\n", 2, "3 cells"),
            ("a,a\n1,2\n", 1, "twice"),
            ("a,\n1,2\n", 1, "no name"),
            ('a\n"x\n', 2, "not valid CSV"),
            ("a\n" + "x" * 200_000 + "\n", 2, "not valid CSV"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_line(self, tmp_path, text, line, words):
        with pytest.raises(SettingsError, match=words) as caught:
            RowsFile.check(file_of(tmp_path, text))
        assert (caught.value.line, caught.value.file) == (line, str(tmp_path / "rows.csv"))


class TestJsonLines:
    def test_each_line_is_an_object_with_values_of_any_type(self, tmp_path):
        assert fields(file_of(tmp_path, '{"a": [1]}\n\n{"a": null}\n', "r.jsonl")) == [{"a": [1]}, {"a": None}]

    @pytest.mark.parametrize("wrong", ["[1]", "7", "{", '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1} {"b": 2}'])
    def test_what_is_none_is_named_with_its_line(self, tmp_path, wrong):
        with pytest.raises(SettingsError) as caught:
            RowsFile.check(file_of(tmp_path, f'{{"a": 1}}\n{wrong}\n', "r.jsonl"))
        assert caught.value.line == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.txt", "a\n1\n"),
        ("r.csv", ""),
        ("r.csv", "a\n"),
        ("r.jsonl", "\n"),
        ("r.csv", b"a\n\xff\n"),
        ("r.jsonl", b"\xff"),
    ],
)
def test_a_file_without_rows_of_its_kind_is_refused(tmp_path, name, text):
    with pytest.raises(SettingsError):
        RowsFile.check(file_of(tmp_path, text, name))


def test_a_file_that_is_none_is_refused(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(SettingsError):
            RowsFile.check(path if path.suffix else path / "folder.csv")


def test_the_digest_is_of_the_octets(tmp_path):
    one, two = file_of(tmp_path, "a\n1\n", "1.csv"), file_of(tmp_path, "a\n2\n", "2.csv")
    assert RowsFile.check(one).digest != RowsFile.check(two).digest
    assert len(RowsFile.check(one).digest) == 16


@pytest.mark.parametrize("changed", ["a\nother\n1\n2\n3\n", "a\n"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_file_that_is_changed_meanwhile_is_read_no_further(tmp_path, after, changed):
    path = file_of(tmp_path, "a\n1\n2\n3\n")
    rows = RowsFile.check(path).read()
    assert [next(rows).fields["a"] for _ in range(after)] == ["1", "2"][:after]
    path.write_text(changed)
    with pytest.raises(SettingsError, match="was changed"):
        list(rows)


async def test_no_more_are_taken_than_are_worked_on():
    taken, ended = 0, 0

    def given():
        nonlocal taken
        for number in range(1000):
            taken += 1
            assert taken - ended <= 10
            yield number

    async def work(number):
        nonlocal ended
        ended += 1
        return number

    assert sorted([number async for number in run_concurrently(work, given(), 10)]) == list(range(1000))
