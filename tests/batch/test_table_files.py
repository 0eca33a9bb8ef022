import gzip
from pathlib import Path

import pytest

from batch.compressed import InputError
from batch.table_files import MOST_UNREAD_AT_FIRST, read_table_folder
from shared_logic.eventify.rows import UnreadRow

MYSQL = Path(__file__).parents[2].parent / "shared" / "data" / "mediawiki-local" / "b-mysql-seed12"
SQL = Path(__file__).parents[2].parent / "shared" / "data" / "sql"

CREATE = """-- MySQL dump
CREATE TABLE `page` (
  `page_id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `page_title` varbinary(255) NOT NULL,
  PRIMARY KEY (`page_id`),
  KEY `page_title` (`page_title`)
) ENGINE=InnoDB;
LOCK TABLES `page` WRITE;
"""


def rows(folder, name, text, table="page"):
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return list(read_table_folder(folder)[table])


def sql(folder, inserts):
    return [(row["page_id"], row["page_title"]) for row in rows(folder, "page.sql", CREATE + inserts)]


def test_tab_separated_with_escapes_and_nulls(tmp_path):
    found = rows(
        tmp_path, "page.tsv.gz", "page_id\tpage_title\tx\n1\ta\\tb\\nc\\\\n\t\\N\n2\t\u2028\x85\r\t\\\\N\n"
    )
    assert found == [
        {"page_id": "1", "page_title": "a\tb\nc\\n", "x": None},
        {"page_id": "2", "page_title": "\u2028\x85\r", "x": "\\N"},
    ]


def told(found):
    """The rows, and of each line that is none its place, code and detail."""
    return [(row.place, row.code, row.detail) if isinstance(row, UnreadRow) else row for row in found]


def test_a_line_with_other_fields_than_the_header_is_told_and_the_rest_goes_on(tmp_path):
    # given a line with too few fields, and one with too many
    found = rows(tmp_path, "page.tsv", "a\tb\n1\n2\t3\n4\t5\t6\n7\t8\n")
    # then they are told where they stand, among the rows
    assert told(found) == [
        ("page.tsv, line 2", "number_of_fields", "fields: 1, in the header: 2"),
        {"a": "2", "b": "3"},
        ("page.tsv, line 4", "number_of_fields", "fields: 3, in the header: 2"),
        {"a": "7", "b": "8"},
    ]


def test_lines_of_parts_are_told_apart(tmp_path):
    # given a table in parts of one name, a line of each of which is no row
    for part in ("a", "b"):
        (tmp_path / "page" / part).mkdir(parents=True)
        (tmp_path / "page" / part / "part.tsv").write_text("a\tb\n1\n2\t3\n")
    # then each is told with its folder
    found = told(read_table_folder(tmp_path)["page"])
    assert [found[0][0], found[2][0]] == ["page/a/part.tsv, line 2", "page/b/part.tsv, line 2"]


@pytest.mark.parametrize("lines", [1, MOST_UNREAD_AT_FIRST - 1, MOST_UNREAD_AT_FIRST, 1_000_000])
def test_a_file_without_a_row_is_refused(tmp_path, lines):
    # given a table with commas where tabs should be, however long it is
    (tmp_path / "page.tsv").write_text("a\tb\n" + "1,2\n" * lines)
    # then that is one error, and not an issue for every line
    found = []
    with pytest.raises(InputError, match=r"page\.tsv, line 2: fields: 1, in the header: 2"):
        found += iter(read_table_folder(tmp_path)["page"])
    assert len(found) < MOST_UNREAD_AT_FIRST


def test_json_lines(tmp_path):
    found = rows(
        tmp_path, "page.jsonl", '{"a": 1, "b": null, "c": "x", "d": true}\n\n{"a": 12345678901234567890}\n'
    )
    assert found == [{"a": "1", "b": None, "c": "x", "d": "1"}, {"a": "12345678901234567890"}]


@pytest.mark.parametrize("line", ["[1]", "{", '{"a": {}}', "nonsense"])
def test_odd_json_is_told_and_the_rest_goes_on(tmp_path, line):
    # given a line that is no row, and one that is
    one, other = told(rows(tmp_path, "page.jsonl", f'{line}\n{{"a": 1}}\n'))
    # then it is told where it stands
    assert one[:2] == ("page.jsonl, line 1", "not_json")
    assert other == {"a": "1"}
    # and alone it is an error
    with pytest.raises(InputError, match=r"page\.jsonl: not readable"):
        rows(tmp_path, "page.jsonl", line + "\n")


def test_a_character_that_was_cut_spoils_no_row_of_json(tmp_path):
    (tmp_path / "page.jsonl").write_bytes(b'{"a": "\xc3"}\n')
    assert list(read_table_folder(tmp_path)["page"]) == [{"a": "\ufffd"}]


@pytest.mark.parametrize(
    "written,meant",
    [
        ("'a'", "a"),
        ("''", ""),
        (r"'L\'Île'", "L'Île"),
        ("'L''Île'", "L'Île"),
        (r"'a\\'", "a\\"),
        (r"'a\\''b'", "a\\'b"),
        (r"'a\\\'b'", "a\\'b"),
        (r"'\n\t\r\0\Z\b\"\x'", '\n\t\r\0\x1a\b"x'),
        (r"'\%\_'", r"\%\_"),
        ("'),(2,'", "),(2,"),
        ("');'", ");"),
        ("'NULL'", "NULL"),
        ("NULL", None),
        ("0.25e-3", "0.25e-3"),
        ("-1", "-1"),
        ("_binary 'q'", "q"),
        ("0x41C389", "AÉ"),
        ("'two\nlines'", "two\nlines"),
    ],
)
def test_a_value_of_mysqldump(tmp_path, written, meant):
    assert sql(tmp_path, f"INSERT INTO `page` VALUES (1,{written}),(2,'b');\nUNLOCK TABLES;\n") == [
        ("1", meant),
        ("2", "b"),
    ]


@pytest.mark.parametrize(
    "inserts",
    [
        "INSERT INTO `page` VALUES (1,'a'),(2,'b');\n",
        "INSERT INTO `page` VALUES (1,'a');\nINSERT INTO `page` VALUES (2,'b');\n",
        "INSERT INTO `page` VALUES\n(1,'a'),\n(2,'b');\n",
        "INSERT IGNORE INTO `page` (`page_title`, `page_id`) VALUES ('a', 1), ('b', 2);\n",
        "INSERT INTO `page` VALUES\n(1,\n'a')\n,(2,'b')\n;\n/*!40000 ALTER TABLE */;\n",
        "INSERT INTO `other` VALUES (9);\nINSERT INTO `page` VALUES (1,'a'),(2,'b');\n",
    ],
)
def test_inserts_however_cut_into_lines(tmp_path, inserts):
    assert sql(tmp_path, inserts) == [("1", "a"), ("2", "b")]


def test_a_table_without_rows(tmp_path):
    assert sql(tmp_path, "UNLOCK TABLES;\n") == []


@pytest.mark.parametrize(
    "inserts,why",
    [
        ("INSERT INTO `page` VALUES (1,'a'),(2,'b", "in the middle of an INSERT"),
        ("INSERT INTO `page` VALUES (1,'a'),\n", "in the middle of an INSERT"),
        ("INSERT INTO `page` VALUES (1,'a','b');\n", "a row has 3 values, the table 2 columns"),
        ("INSERT INTO `page` VALUES nonsense;\n", "not a row of an INSERT"),
    ],
)
def test_a_damaged_statement_is_told(tmp_path, inserts, why):
    with pytest.raises(InputError, match=why):
        sql(tmp_path, inserts)


def test_a_dump_of_another_table_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no CREATE TABLE `user`.*page"):
        rows(tmp_path, "user.sql", CREATE, table="user")


def test_files_are_found_by_table(tmp_path):
    for name in (
        "page.tsv",
        "aawiki-revision.sql.gz",
        "aawiki-20260101-archive.sql.bz2",
        "comment.jsonl.zst",
    ):
        (tmp_path / name).touch()
    for name in ("ROWS.json", "notes.txt", "page.tsv.unfinished"):
        (tmp_path / name).touch()
    assert set(read_table_folder(tmp_path)) == {"page", "revision", "archive", "comment"}


def test_two_files_of_a_table_are_told(tmp_path):
    (tmp_path / "page.tsv").touch()
    (tmp_path / "aawiki-page.sql.gz").touch()
    with pytest.raises(InputError, match="two files of the table page"):
        read_table_folder(tmp_path)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="can't be listed"):
        read_table_folder(tmp_path / "none")


def test_a_table_can_be_read_again(tmp_path):
    (tmp_path / "page.tsv").write_text("a\n1\n")
    table = read_table_folder(tmp_path)["page"]
    assert list(table) == list(table) == [{"a": "1"}]


def test_real_mysqldumps_hold_the_rows_of_the_tables():
    if not MYSQL.exists():
        pytest.skip(f"{MYSQL} is missing")
    dumped, told = read_table_folder(MYSQL / "sql"), read_table_folder(MYSQL / "tables")
    assert list(dumped["page"]) == list(told["page"])
    assert len(list(dumped["page"])) == 229
    assert list(dumped["change_tag"]) == list(told["change_tag"])


def test_published_mysqldumps_are_read(tmp_path):
    if not SQL.exists():
        pytest.skip(f"{SQL} is missing")
    for name in ("aawiki-20260101-pagelinks.sql.gz", "aawiki-20260101-categorylinks.sql.gz"):
        (tmp_path / name).symlink_to(SQL / name)
    tables = read_table_folder(tmp_path)
    assert len(list(tables["pagelinks"])) == 637
    assert list(tables["categorylinks"])[1]["cl_sortkey"] == "SJ\nSJ"
