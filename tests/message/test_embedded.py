"""Files written into the text: uuencode and yEnc."""

import binascii

from listener.message import attachment_contents, embedded


def uuencoded(octets: bytes, name: str = "a.txt") -> bytes:
    lines = b"".join(binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45))
    return f"begin 644 {name}\n".encode() + lines + b"`\nend\n"


def yencoded(octets: bytes, name: str = "a.bin") -> bytes:
    out = bytearray()
    for octet in octets:
        value = (octet + 42) % 256
        out += bytes([61, (value + 64) % 256]) if value in b"\0\n\r=" else bytes([value])
    return f"=ybegin line=128 size={len(octets)} name={name}\n".encode() + bytes(out) + f"\n=yend size={len(octets)}\n".encode()


EVERY_OCTET = bytes(range(256)) * 3


def test_a_uuencoded_file_is_taken_out_of_the_text() -> None:
    text, files = embedded.split(b"before\n" + uuencoded(EVERY_OCTET) + b"after\n")
    assert text == b"before\n\nafter\n"
    assert files == [embedded.File(b"a.txt", EVERY_OCTET)]


def test_a_yencoded_file_is_taken_out_of_the_text() -> None:
    text, files = embedded.split(b"before\n" + yencoded(EVERY_OCTET) + b"after\n")
    assert text == b"before\n\nafter\n"
    assert files == [embedded.File(b"a.bin", EVERY_OCTET)]


def test_several_files_keep_their_order() -> None:
    _, files = embedded.split(uuencoded(b"one", "1") + uuencoded(b"two", "2"))
    assert files == [embedded.File(b"1", b"one"), embedded.File(b"2", b"two")]


def yenc_part(octets: bytes, number: int, name: str = "a.bin") -> bytes:
    begin, rest = yencoded(octets, name).split(b"\n", 1)
    return begin.replace(b"=ybegin ", b"=ybegin part=%d total=3 " % number) + b"\n=ypart begin=1 end=2\n" + rest


def test_the_parts_of_a_yencoded_file_are_put_together_though_texts_lie_between_them() -> None:
    mail = b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nHello\n" + yenc_part(b"one ", 1) + yenc_part(b"two ", 2)
    mail += b"--x\n\nand\n" + yenc_part(b"three", 3) + b"\n--x--\n"
    (contents,) = attachment_contents(mail)
    assert contents == b"one two three"


def test_what_is_not_the_next_part_of_the_same_file_stays_by_itself() -> None:
    _, files = embedded.split(yenc_part(b"1", 1) + yenc_part(b"3", 3) + yenc_part(b"4", 4, "other") + yencoded(b"whole"))
    together = embedded.joined([(None, file) for file in files])
    assert [file.octets for _, file in together] == [b"1", b"3", b"4", b"whole"]


def test_a_file_may_have_no_name() -> None:
    assert embedded.split(uuencoded(b"one", ""))[1] == [embedded.File(b"", b"one")]


def test_crlf_line_ends_change_nothing() -> None:
    _, files = embedded.split(uuencoded(EVERY_OCTET).replace(b"\n", b"\r\n"))
    assert files[0].octets == EVERY_OCTET


def test_a_letter_about_uuencode_is_left_alone() -> None:
    letter = b"Then it said\nbegin 644 letter.txt\nand nothing more happened.\nThe\nend\n"
    assert embedded.split(letter) == (letter, [])


def test_a_file_that_never_ends_is_left_in_the_text() -> None:
    letter = uuencoded(EVERY_OCTET).removesuffix(b"`\nend\n")
    assert embedded.split(letter) == (letter, [])


def test_the_number_of_files_is_bounded() -> None:
    _, files = embedded.split(uuencoded(b"x") * (embedded.MAX_FILES + 1))
    assert len(files) == embedded.MAX_FILES
