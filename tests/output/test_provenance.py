"""The notes in a figure's file: written into the real formats, read back, refused where they are not ours."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from bench.errors import DataFormatError
from bench.output.figures import FORMATS, Look
from bench.output.figures._look import rendered
from bench.output.provenance import Provenance, as_command, as_words, digest, read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

kinds = pytest.mark.parametrize("kind", FORMATS)
KEYS = {"png": "Source", "svg": "Source", "pdf": "Subject"}
"""Where each format holds the notes."""
AWKWARD = [
    "plain",
    'it\'s "quoted"',
    "größer als 1 µs, 速度, 🎲",
    "(unbalanced ((",
    "back\\slash \\( \\n at the end\\",
    "two\nlines\r\nand a\ttab",
    "<b> & </dc:source> ]]> <!-- -->",
    "\x1b[31mred\x1b[0m \x00\x07\x7f\x85\u202e\ufffe",
    "%(name)s {brace} $(rm -rf ~) `id` ; | & > file",
    "  spaces   around  ",
    "",
]


def notes(**changes: str) -> Provenance:
    values = {
        "stepbench": "0.1.0",
        "figure": "speedup",
        "run_id": "20260102-030405-6",
        "data_sha256": "0" * 64,
        "command": "bench plot results/20260102-030405-6 --figure speedup",
        "measured_by": "bench run",
    }
    return Provenance(**(values | changes))


def blank() -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(1, 1))


def made(path: Path, provenance: Provenance) -> Path:
    path.write_bytes(rendered(blank, path.suffix[1:], Look(), provenance))
    return path


@kinds
@pytest.mark.parametrize("text", AWKWARD, ids=range(len(AWKWARD)))
def test_whatever_a_run_is_called_comes_back_from_each_format(tmp_path: Path, kind: str, text: str) -> None:
    written = notes(
        run_id=text,
        stepbench=text,
        figure=text,
        data_sha256=text,
        command=as_command(["bench", "plot", f"results/{text}"]),
        measured_by=as_command(["bench", "run", "--out", text]),
    )
    path = made(tmp_path / f"figure.{kind}", written)
    assert read(path) == written


def test_an_svg_can_be_parsed_whatever_stands_in_it(tmp_path: Path) -> None:
    def figure() -> Figure:
        made = blank()
        made.text(0, 0, "name\x1b[31m\x00\ufffe]]>")
        return made

    content = rendered(figure, "svg", Look(), notes(run_id=AWKWARD[7]))
    root = ElementTree.fromstring(content)  # noqa: S314 - it is our own
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["name\\x1b[31m\\x00\\ufffe]]>"]


@pytest.mark.parametrize("words", [["bench", "plot", text] for text in AWKWARD if "\x00" not in text], ids=range(10))
def test_a_command_means_its_words_to_a_shell(words: list[str]) -> None:
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\0' {as_command(words)}"], capture_output=True, check=True, timeout=10
    )
    assert done.stdout.decode().split("\0")[:-1] == words
    assert as_words(as_command(words)) == words


@pytest.mark.parametrize(
    "command", ["bench plot a; rm -rf b", "bench plot $(id)", "bench plot `id`", "bench plot 'a", "bench  plot", "a\nb"]
)
def test_what_a_shell_could_make_more_of_is_no_command_of_ours(command: str) -> None:
    assert as_words(command) is None


@kinds
def test_the_title_names_figure_and_run_for_other_programs(tmp_path: Path, kind: str) -> None:
    content = made(tmp_path / f"figure.{kind}", notes(run_id="sample \x1b \x00")).read_bytes()
    assert rb"speedup of run sample \x1b \x00" in content.replace(rb"\\", b"\\")


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for path in paths:
        path.write_bytes(f"the content of {path.name}".encode() * 5)
    return paths


def test_a_digest_is_the_same_for_the_same_files_wherever_they_lie(three: list[Path], tmp_path: Path) -> None:
    shutil.copytree(tmp_path, tmp_path / "moved")
    assert digest(three) == digest(tmp_path / "moved" / path.name for path in three)
    assert len(digest(three)) == 64


def test_a_digest_changes_with_any_byte_and_any_length_of_any_file(three: list[Path]) -> None:
    found = {digest(three)}
    for path in three:
        content = path.read_bytes()
        changed = [content[:place] + b"!" + content[place + 1 :] for place in (0, len(content) // 2, len(content) - 1)]
        for each in (*changed, content + b"\n", content[:-1], b"", content):
            path.write_bytes(each)
            found.add(digest(three))
        path.unlink()
        found.add(digest(three))
        path.write_bytes(content)
    assert len(found) == 1 + 3 * 7


def test_a_digest_tells_which_file_holds_what(three: list[Path]) -> None:
    a, b, c = three
    contents = a.read_bytes(), b.read_bytes()
    found = {digest(three), digest([b, a, c]), digest([a, c])}
    for pair in (contents[::-1], (b"".join(contents), b"")):  # one file's end is not another one's beginning
        a.write_bytes(pair[0])
        b.write_bytes(pair[1])
        found.add(digest(three))
    assert len(found) == 5


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    with pytest.raises(DataFormatError, match=r"results cannot be read .*restore"):
        digest([tmp_path / "results"])


def refused(path: Path) -> str:
    with pytest.raises(DataFormatError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(f"{path} ")


@kinds
def test_a_picture_of_another_program_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"figure.{kind}"
    blank().savefig(path)
    assert refused(path).startswith("does not say where it comes from")
    blank().savefig(path, metadata={KEYS[kind]: "{}"})
    assert refused(path).startswith("was drawn by another program or version")


@kinds
@pytest.mark.parametrize(
    "forged",
    [
        {"command": "rm -rf results"},
        {"command": "bench plot x; rm -rf results"},
        {"command": "bench plot $(id)"},
        {"command": ""},
        {"measured_by": "bench run && id"},
        {"run_id": None},
        {"more": "than we know"},
        {"figure": "x" * 200_000},
    ],
    ids=str,
)
def test_notes_that_stepbench_would_not_write_are_refused(tmp_path: Path, kind: str, forged: dict[str, object]) -> None:
    path = tmp_path / f"figure.{kind}"
    blank().savefig(path, metadata={KEYS[kind]: json.dumps(notes().model_dump() | forged)})
    assert refused(path).startswith("was drawn by another program or version")


@kinds
def test_a_file_that_is_cut_off_is_refused_wherever_that_was(tmp_path: Path, kind: str) -> None:
    path = made(tmp_path / f"figure.{kind}", notes())
    content = path.read_bytes()
    for part in (0.0, 0.1, 0.5, 0.9, 0.99):
        path.write_bytes(content[: int(len(content) * part)])
        assert refused(path).startswith("is damaged"), part
    if kind != "svg":  # where lines may be missing
        middle = len(content) // 2
        path.write_bytes(content[: middle - 50] + content[middle + 50 :])
        assert refused(path).startswith("is damaged")
    path.write_bytes(content)
    assert read(path) == notes()


@kinds
def test_a_name_that_does_not_tell_the_format_is_refused(tmp_path: Path, kind: str) -> None:
    content = made(tmp_path / f"figure.{kind}", notes()).read_bytes()
    for other in (*FORMATS, "txt"):
        path = tmp_path / f"renamed.{other}"
        path.write_bytes(content)
        if other != kind:
            assert refused(path).startswith("is no figure" if other == "txt" else f"is damaged, or no {other.upper()}")
    capitals = tmp_path / f"FIGURE.{kind.upper()}"
    capitals.write_bytes(content)
    assert read(capitals) == notes()


def encrypted_pdf(how: bytes) -> bytes:
    """The smallest PDF file whose metadata are encrypted in some way."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [] /Count 0 >>",
        b"<< /Subject (x) >>",
        how,
    ]
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(content)
    content += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer\n<< /Size 5 /Root 1 0 R /Info 3 0 R /Encrypt 4 0 R /ID [(a) (b)] >>\nstartxref\n%d\n" % start
    return content + b"%%EOF\n"


AES = (
    b"<< /Filter /Standard /V 4 /R 4 /Length 128 /P -4 /O (%s) /U (%s) /CF << /StdCF << /CFM /AESV2 /Length 16 >> >> "
    b"/StmF /StdCF /StrF /StdCF >>" % (b"a" * 32, b"b" * 32)
)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


HEAD, TEXT = (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), (b"tEXt", b"Source\0x")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("pdf", encrypted_pdf(b"<< /Filter /Custom /V 1 >>")),
        ("pdf", encrypted_pdf(AES)),
        ("png", png(HEAD, TEXT, (b"IEND", b""))),
        (
            "png",
            png((b"IHDR", b"")),
        ),
        ("svg", b"<svg>" * 100_000),
        ("svg", b"\0"),
    ],
    ids=["encrypted in an unknown way", "AES", "without a picture", "without a size", "nested", "zero"],
)
def test_whatever_a_library_raises_is_one_sentence(tmp_path: Path, kind: str, content: bytes) -> None:
    path = tmp_path / f"figure.{kind}"
    path.write_bytes(content)
    assert refused(path) == f"is damaged, or no {kind.upper()} file that can be read: draw it anew with `bench plot`."


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10_000_000_000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.symlink_to("nowhere"), "does not exist"),
        (Path.mkdir, "cannot be read (Is a directory)"),
        (os.mkfifo, "cannot be read (It is no regular file)"),
        (_huge, "cannot be read (It is larger than 61 MiB)"),
        (Path.touch, "is damaged"),
    ],
    ids=["missing", "dangling link", "folder", "pipe", "huge", "empty"],
)
def test_what_is_no_picture_at_all_is_named(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    path = tmp_path / "figure.png"
    make(path)
    assert refused(path).startswith(message)


@pytest.mark.parametrize(
    "entities",
    [
        '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 40)),
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
    ],
    ids=["growing", "from elsewhere"],
)
def test_an_svg_that_declares_entities_is_refused(tmp_path: Path, entities: str) -> None:
    path = made(tmp_path / "figure.svg", notes())
    whole = path.read_text(encoding="utf-8")
    start, end = whole.index("<!DOCTYPE"), whole.index("<svg")
    path.write_text(f"{whole[:start]}<!DOCTYPE svg [{entities}]>{whole[end:]}", encoding="utf-8")
    assert refused(path).startswith("is damaged")


def test_a_png_that_would_not_fit_into_memory_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "figure.png", notes())
    content = bytearray(path.read_bytes())
    for side in (12_000, 100_000):  # the first is a warning to Pillow, the second an error
        content[16:24] = struct.pack(">II", side, side)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        path.write_bytes(content)
        assert refused(path).startswith("is damaged")


@pytest.mark.parametrize("info", [b"5 0 R", b"[" * 100_000 + b"]" * 100_000], ids=["circle", "deep"])
def test_a_pdf_that_leads_in_circles_or_deep_down_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, info: bytes
) -> None:
    objects = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [] /Count 0 >>"}
    objects |= {3: b"<< /Subject " + info + b" >>", 5: b"5 0 R"}
    content, entries = b"%PDF-1.4\n", b"0 1\n0000000000 65535 f \n"
    for number, value in objects.items():
        entries += b"%d 1\n%010d 00000 n \n" % (number, len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, value)
    start = len(content)
    trailer = b"trailer\n<< /Size 6 /Root 1 0 R /Info 3 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start
    path = tmp_path / "figure.pdf"
    path.write_bytes(content + b"xref\n" + entries + trailer)
    assert refused(path).startswith(("is damaged", "does not say"))
    assert caplog.messages == []  # they would stand on standard error


def test_damage_anywhere_costs_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes changed at random, from a fixed seed: what can still be read is unchanged or refused, never a traceback."""
    chance = random.Random(7)  # noqa: S311 - for tests
    outcomes = set()
    for kind in FORMATS:
        path = made(tmp_path / f"figure.{kind}", notes())
        content = path.read_bytes()
        for _ in range(200):
            changed = bytearray(content)
            for _ in range(chance.choice((1, 5, 50))):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            path.write_bytes(changed)
            try:
                read(path)
                outcomes.add("read")
            except DataFormatError as error:
                outcomes.add(str(error).removeprefix(f"{path} ")[:10])
    assert outcomes >= {"read", "is damaged"}
    assert caplog.messages == []
