"""What the sender newly wrote: in every language and layout that we know, without ever losing a wanted word."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from work import work

from listener.message import html, reply
from listener.message.model import Reply
from listener.message.reply import html as reply_html

NEW = "The parcel came today.\n\nMany thanks\nBob"
OLD = "> Has it come?\n> Ann"

ATTRIBUTIONS = """
On Tue, 3 Mar 2026 at 10:15, Ann Lee <ann@example.com> wrote:
On Mar 3, 2026, at 10:15 AM, Ann Lee <ann@example.com> wrote:
On 03/03/2026 10:15, Ann Lee wrote:
On 3/3/26 10:15 AM, Ann Lee wrote:
--- On Tue, 3/3/26, Ann Lee <ann@example.com> wrote:
---- On Tue, 03 Mar 2026 10:15:00 +0100 Ann Lee <ann@example.com> wrote ----
2026-03-03 10:15 GMT+02:00 Ann Lee <ann@example.com>:
Ann Lee <ann@example.com> writes:
Ann Lee wrote on 03/03/2026 10:15:00 AM:
Quoting Ann Lee <ann@example.com>:
Am 03.03.26 um 10:15 schrieb Ann Lee:
Am Di., 3. März 2026 um 10:15 Uhr schrieb Ann Lee <ann@example.com>:
Ann Lee <ann@example.com> schrieb am Di., 3. März 2026, 10:15:
Le mar. 3 mars 2026 à 10:15, Ann Lee <ann@example.com> a écrit :
Le 03/03/2026 à 10:15, Ann Lee a écrit :
El mar, 3 mar 2026 a las 10:15, Ann Lee (<ann@example.com>) escribió:
Em ter., 3 de mar. de 2026 às 10:15, Ann Lee <ann@example.com> escreveu:
Il giorno mar 3 mar 2026 alle ore 10:15 Ann Lee <ann@example.com> ha scritto:
Op di 3 mrt 2026 om 10:15 schreef Ann Lee <ann@example.com>:
Op 3 mrt. 2026 om 10:15 heeft Ann Lee <ann@example.com> het volgende geschreven:
Den tir. 3. mar. 2026 kl. 10.15 skrev Ann Lee <ann@example.com>:
3. mars 2026 kl. 10:15 skrev Ann Lee <ann@example.com>:
Den tis 3 mars 2026 kl 10:15 skrev Ann Lee <ann@example.com>:
ti 3. maalisk. 2026 klo 10.15 Ann Lee (ann@example.com) kirjoitti:
wt., 3 mar 2026 o 10:15 Ann Lee <ann@example.com> napisał(a):
W dniu 03.03.2026 o 10:15, Ann Lee pisze:
út 3. 3. 2026 v 10:15 odesílatel Ann Lee <ann@example.com> napsal:
ut 3. 3. 2026 o 10:15 Ann Lee <ann@example.com> napísal(a):
Ann Lee <ann@example.com> ezt írta (időpont: 2026. márc. 3., K, 10:15):
În mar., 3 mar. 2026 la 10:15, Ann Lee <ann@example.com> a scris:
вт, 3 мар. 2026 г. в 10:15, Ann Lee <ann@example.com>:
03.03.2026 10:15, Ann Lee пишет:
вт, 3 бер. 2026 р. о 10:15 Ann Lee <ann@example.com> пише:
На вт, 3.03.2026 г. в 10:15 Ann Lee <ann@example.com> написа:
uto, 3. ožu 2026. u 10:15 Ann Lee <ann@example.com> napisao je:
Στις Τρί 3 Μαρ 2026 στις 10:15 π.μ., ο/η Ann Lee <ann@example.com> έγραψε:
Ann Lee <ann@example.com>, 3 Mar 2026 Sal, 10:15 tarihinde şunu yazdı:
בתאריך יום ג׳, 3 במרץ 2026 ב-10:15 מאת Ann Lee <ann@example.com>:
في الثلاثاء، 3 مارس 2026 في 10:15 ص تمت كتابة ما يلي بواسطة Ann Lee <ann@example.com>:
Ann Lee <ann@example.com> 于2026年3月3日周二 10:15写道：
在 2026/3/3 10:15, Ann Lee 写道:
Ann Lee <ann@example.com> 於 2026年3月3日 週二 上午10:15寫道：
2026年3月3日(火) 10:15 Ann Lee <ann@example.com>:
2026/03/03 10:15、Ann Lee <ann@example.com>のメール:
2026년 3월 3일 (화) 오전 10:15, Ann Lee <ann@example.com>님이 작성:
Vào Th 3, 3 thg 3, 2026 vào lúc 10:15 Ann Lee <ann@example.com> đã viết:
Pada tanggal Sel, 3 Mar 2026 pukul 10.15 Ann Lee <ann@example.com> menulis:
2026-03-03, an, 10:15 Ann Lee <ann@example.com> rašė:
Kuupäev T, 3. märts 2026 kell 10:15 kirjutas Ann Lee (<ann@example.com>):
""".strip().splitlines()

HEADER_BLOCKS = [
    "From: Ann Lee\nSent: Tuesday, March 3, 2026 10:15 AM\nTo: Bob\nSubject: Parcel",
    "*From:* Ann Lee <ann@example.com>\n*Date:* Tuesday, March 3, 2026\n*To:* Bob <bob@example.com>\n*Subject:* Parcel",
    "Von: Ann Lee\nGesendet: Dienstag, 3. März 2026 10:15\nAn: Bob\nBetreff: Paket",
    "De : Ann Lee\nEnvoyé : mardi 3 mars 2026 10:15\nÀ : Bob\nObjet : Colis",
    "De: Ann Lee\nEnviado el: martes, 3 de marzo de 2026 10:15\nPara: Bob\nAsunto: Paquete",
    "De: Ann Lee\nEnviada em: terça-feira, 3 de março de 2026 10:15\nPara: Bob\nAssunto: Pacote",
    "Da: Ann Lee\nInviato: martedì 3 marzo 2026 10:15\nA: Bob\nOggetto: Pacco",
    "Van: Ann Lee\nVerzonden: dinsdag 3 maart 2026 10:15\nAan: Bob\nOnderwerp: Pakje",
    "Fra: Ann Lee\nSendt: 3. marts 2026 10:15\nTil: Bob\nEmne: Pakke",
    "Från: Ann Lee\nSkickat: den 3 mars 2026 10:15\nTill: Bob\nÄmne: Paket",
    "Lähettäjä: Ann Lee\nLähetetty: tiistai 3. maaliskuuta 2026 10:15\nVastaanottaja: Bob\nAihe: Paketti",
    "Od: Ann Lee\nWysłano: wtorek, 3 marca 2026 10:15\nDo: Bob\nTemat: Paczka",
    "Od: Ann Lee\nOdesláno: úterý 3. března 2026 10:15\nKomu: Bob\nPředmět: Balík",
    "Feladó: Ann Lee\nElküldve: 2026. március 3., kedd 10:15\nCímzett: Bob\nTárgy: Csomag",
    "От: Ann Lee\nОтправлено: 3 марта 2026 г. 10:15\nКому: Bob\nТема: Посылка",
    "Kimden: Ann Lee\nGönderildi: 3 Mart 2026 Salı 10:15\nKime: Bob\nKonu: Paket",
    "发件人：Ann Lee\n发送时间：2026年3月3日 10:15\n收件人：Bob\n主题：包裹",
    "差出人: Ann Lee\n送信日時: 2026年3月3日 10:15\n宛先: Bob\n件名: 荷物",
    "보낸 사람: Ann Lee\n보낸 날짜: 2026년 3월 3일 10:15\n받는 사람: Bob\n제목: 소포",
    "From:   Ann Lee/Sales/Acme\nTo:     Bob/Acme@Acme\nDate:   03/03/2026 10:15\nSubject:        Parcel",
    "Ann Lee <ann@example.com>\n03/03/2026 10:15 AM\n\nTo\nbob@example.com\ncc\n\nSubject\nParcel",
]

DIVIDERS = [
    "-----Original Message-----",
    "-------- Ursprüngliche Nachricht --------",
    "-----Message d'origine-----",
    "-----Mensaje original-----",
    "-----Mensagem original-----",
    "-----Messaggio originale-----",
    "-----Oorspronkelijk bericht-----",
    "-----Oprindelig meddelelse-----",
    "-----Ursprungligt meddelande-----",
    "-----Alkuperäinen viesti-----",
    "-----Исходное сообщение-----",
    "------------------ 原始邮件 ------------------",
    "-----元のメッセージ-----",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS)
def test_a_quote_below_the_answer_goes_with_its_attribution_in_every_language(attribution: str):
    assert reply.extract(f"{NEW}\n\n{attribution}\n\n{OLD}\n") == Reply(NEW, f"{attribution}\n\n{OLD}")


@pytest.mark.parametrize("attribution", [line for line in ATTRIBUTIONS if "@" in line and "2026" in line])
def test_a_strong_attribution_needs_no_marks_on_what_it_quotes(attribution: str):
    assert reply.extract(f"{NEW}\n\n{attribution}\n\nHas it come?\nAnn\n").text == NEW


@pytest.mark.parametrize("block", HEADER_BLOCKS)
def test_a_header_block_opens_a_quote_to_the_end_in_every_language(block: str):
    assert reply.extract(f"{NEW}\n\n{block}\n\nHas it come?\n").text == NEW


@pytest.mark.parametrize("divider", DIVIDERS)
def test_an_original_message_divider_opens_a_quote_to_the_end(divider: str):
    assert reply.extract(f"{NEW}\n\n{divider}\nHas it come?\n").text == NEW


def test_the_line_above_a_header_block_belongs_to_it():
    assert reply.extract(f"{NEW}\n________________________________\n{HEADER_BLOCKS[0]}\n\nOld").text == NEW


@pytest.mark.parametrize(
    "torn",
    [
        "On Tue, 3 Mar 2026 at 10:15, Ann Lee <\nann@example.com> wrote:",
        "On Tue, 3 Mar 2026 at 10:15, Ann Lee <ann@example.com>\nwrote:",
        "Le 3 mars 2026 à 10:15, Ann Lee\n<ann@example.com>\na écrit :",
        "On Tue, 3 Mar 2026 at 10:15 Ann Lee\n\n<\nmailto:Ann Lee <ann@example.com>\n> wrote:",
    ],
)
def test_an_attribution_torn_by_line_breaks_is_put_together(torn: str):
    assert reply.extract(f"{NEW}\n\n{torn}\n\n{OLD}").text == NEW


def test_an_attribution_on_the_same_line_as_the_answer_is_cut_off():
    assert reply.extract(f"Fine by me On Tue, 3 Mar 2026 at 10:15, Ann <ann@example.com> wrote:\n{OLD}").text == "Fine by me"


def test_an_answer_below_the_quote_is_the_text():
    assert reply.extract(f"{ATTRIBUTIONS[0]}\n{OLD}\n\n{NEW}").text == NEW


def test_an_answer_below_an_attribution_that_is_quoted_itself_is_the_text():
    assert reply.extract(f"> {ATTRIBUTIONS[0]}\n>\n{OLD}\n\n{NEW}").text == NEW


def test_answers_between_quotes_keep_the_quotes():
    body = "> Has it come?\nYes.\n\n> Is it whole?\nNo, the lid is broken."
    assert reply.extract(f"{ATTRIBUTIONS[0]}\n{body}") == Reply(body, ATTRIBUTIONS[0])


def test_a_last_quote_goes_even_where_answers_stand_between_quotes():
    found = reply.extract(f"{ATTRIBUTIONS[0]}\n> Has it come?\nYes.\n> Is it whole?\n")
    assert found.text == "> Has it come?\nYes."


def test_a_short_tail_below_a_quote_is_kept():
    assert reply.extract(f"Yes.\n\n{ATTRIBUTIONS[0]}\n{OLD}\n\nRegards, Bob").text == "Yes.\n\nRegards, Bob"


def test_a_long_answer_below_a_quote_keeps_the_quote():
    answer = "\n".join(f"Point {number} is as follows." for number in range(10))
    assert reply.extract(f"Dear Ann,\n\n{ATTRIBUTIONS[0]}\n{OLD}\n\n{answer}").text == f"Dear Ann,\n\n{OLD}\n\n{answer}"


def test_a_quote_that_nobody_introduces_stays_in_its_place():
    assert reply.extract("> as the poet says\n\nI agree.").text == "> as the poet says\n\nI agree."


def test_a_mail_of_nothing_but_quoted_lines_is_kept():
    assert reply.extract("> one\n> two").text == "> one\n> two"


def test_a_mail_of_nothing_but_an_introduced_quote_is_empty():
    assert reply.extract(f"{ATTRIBUTIONS[0]}\n{OLD}") == Reply("", f"{ATTRIBUTIONS[0]}\n{OLD}")


def test_lines_marked_with_initials_are_a_quote():
    assert reply.extract(f"Yes.\n\n{ATTRIBUTIONS[0]}\nAnn> Has it come?\nAnn> Is it whole?\n").text == "Yes."
    assert reply.extract("    A> Has it come?\n    A> Is it whole?\n\nYes.\n\n    A> And then?\n    A> Tell me.").text.endswith(
        "Yes."
    )


@pytest.mark.parametrize(
    "divider",
    ["---------- Forwarded message ---------", "Begin forwarded message:", "-------- Weitergeleitete Nachricht --------"],
)
def test_a_forwarded_message_is_content(divider: str):
    body = f"Please handle.\n\n{divider}\n{HEADER_BLOCKS[0]}\n\nMy parcel is lost."
    assert reply.extract(body).text == body


def test_a_mail_that_begins_with_a_header_block_is_a_forwarded_one():
    body = f"{HEADER_BLOCKS[0]}\n\nMy parcel is lost."
    assert reply.extract(body).text == body


@pytest.mark.parametrize(
    "prose",
    [
        "From: London\nTo: Paris\nDate: 12 May 2026\n\nPlease book.",
        "Date: 12 May 2026\nTime: 10:00\nPlace: Room 4\n\nPlease come.",
        "New contact:\nFrom: Ann <ann@example.com>\nSubject: Parcel\n\nWhere is it?",
        "On your site I read\nthat it takes a week.",
        "This came in:\n\nDate: Tue, 3 Mar 2026\nFrom: a@example.com\nTo: b@example.com\nSubject: x\nMessage-ID: <1@x>\n\nWhy?",
        "They write:\n   by Ann on Sunday\n   25, @09:19\n   from the road\n   that all is well, she said\nand so on.",
        "See below.\n-----------\n\nFirst I went in.\nThen I waited.\nNobody came.\nSo I left.\nThat was all.",
        "On 5 May 2026 at 10:15 you wrote:\n\nthat it takes a week, and it took two.",
        "My boss wrote on 5 May 2026 at 10:15:\nwe want our money back.",
        "The total is\n> 5 pieces\nand no more.",
        "Steps:\n---\nfirst this\n---\nand is it done then?",
        "-------- Enter your answer below --------\n\nYes, please.",
        "Two things:\n- milk\n- bread",
        "```\n--\n> not a quote\n-----Original Message-----\n```\nThat was the log.",
    ],
)
def test_what_only_looks_like_a_quote_stays(prose: str):
    assert reply.extract(f"Hello,\n\n{prose}").text == f"Hello,\n\n{prose}"


@pytest.mark.parametrize(
    "phrase", ["Reply above this line", "##- Please type your reply above this line -##", "---- WRITE ABOVE THIS LINE ----"]
)
def test_our_own_marker_ends_the_reply(phrase: str):
    assert reply.extract(f"{NEW}\n\n{phrase}\n\nYour case 17").text == NEW


def test_a_marker_of_the_account_ends_the_reply():
    assert reply.extract(f"{NEW}\n\n~~~ Antwort bitte darüber ~~~\nFall 17", markers=["Antwort bitte darüber"]).text == NEW


@pytest.mark.parametrize("delimiter", ["-- ", "--", "—"])
def test_a_signature_below_its_delimiter_is_set_apart(delimiter: str):
    assert reply.extract(f"Yes.\n\n{delimiter}\nBob\nAcme Ltd") == Reply("Yes.", "", f"{delimiter.strip()}\nBob\nAcme Ltd")


def test_a_signature_above_the_quote_is_set_apart():
    found = reply.extract(f"Yes.\n\n-- \nBob\n\n{ATTRIBUTIONS[0]}\n{OLD}")
    assert (found.text, found.signature) == ("Yes.", "--\nBob")


def test_a_signature_below_the_quote_is_set_apart():
    found = reply.extract(f"Yes.\n\n{ATTRIBUTIONS[0]}\n{OLD}\n\n-- \nBob")
    assert (found.text, found.signature) == ("Yes.", "--\nBob")


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Sent from Outlook for Android<https://aka.ms/AAb9ysg>",
        "Get Outlook for iOS",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPad",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Sendt fra min iPad",
        "Skickat från min iPhone",
        "Lähetetty iPhonesta",
        "Wysłane z iPhone'a",
        "Odesláno z iPhonu",
        "Отправлено с iPhone",
        "iPhoneから送信",
        "发自我的 iPhone",
        "나의 iPhone에서 보냄",
    ],
)
def test_what_a_telephone_appends_is_signature(line: str):
    assert reply.extract(f"Yes.\n\n{line}") == Reply("Yes.", "", line)


@pytest.mark.parametrize(
    "line",
    ["Sent from my desk, which is easier than from a train.", "Best regards\nBob", "Thanks! Bob", "- bread", "-5 degrees"],
)
def test_a_last_line_that_a_person_wrote_is_text(line: str):
    assert reply.extract(f"Yes.\n\n{line}").text == f"Yes.\n\n{line}"


def test_a_question_below_a_rule_is_no_footer():
    body = "Yes.\n\n--------\nAnd when does the rest come?"
    assert reply.extract(body).text == body


def from_html(markup: str) -> Reply:
    return reply.extract(html.to_text(markup), markup)


HTML_QUOTES = [
    '<div class="gmail_quote"><div class="gmail_attr">Auf Woche drei kakolo Ann:</div><blockquote>Old</blockquote></div>',
    '<blockquote type="cite">Old</blockquote>',
    '<div class="yahoo_quoted" id="yahoo_quoted_17"><div>Old</div></div>',
    '<div class="moz-cite-prefix">Kvidal Ann:</div><blockquote type="cite" cite="mid:x">Old</blockquote>',
    '<div class="protonmail_quote">Kvidal Ann: <blockquote class="protonmail_quote">Old</blockquote></div>',
    '<span id="OLK_SRC_BODY_SECTION"><div>Old</div></span>',
    '<div id="appendonsend"></div><hr><div id="divRplyFwdMsg">Kvidal: Ann</div><div>Old</div>',
    '<hr id="stopSpelling">Kvidal: Ann<br><div>Old</div>',
    '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0 0 0"><p><b>Kvidal:</b> Ann</p></div><p>Old</p>',
    "<div style='border:none;border-top:solid #B5C4DF 1.0pt'><p class=MsoNormal><b>Kvidal:</b> Ann</p></div><p>Old</p>",
    '<div id="mail-editor-reference-message-container"><div>Kvidal: Ann</div>Old</div>',
]


@pytest.mark.parametrize("quote", HTML_QUOTES)
def test_a_quote_in_html_is_known_by_its_markup_whatever_its_language(quote: str):
    found = from_html(f"<html><body><div>New words</div><br>{quote}</body></html>")
    assert found.text == "New words"
    assert "Old" in found.quoted


def test_text_below_a_quoting_element_is_kept():
    found = from_html(f"<div>Above</div>{HTML_QUOTES[0]}<div>Below</div>")
    assert found.text == "Above\n\nBelow"


def test_answers_between_html_quotes_keep_the_quotes():
    body = '<blockquote type="cite">One?</blockquote>Yes<blockquote type="cite">Two?</blockquote>No'
    assert from_html(body).text == "> One?\n\nYes\n\n> Two?\n\nNo"


def test_a_forwarded_message_in_gmails_quote_is_content():
    body = '<div>Please handle</div><div class="gmail_quote">---------- Forwarded message ---------<br>From: Ann<br>Lost!</div>'
    assert "Lost!" in from_html(body).text


def test_a_block_that_gmail_only_indents_is_text():
    body = '<div>See:<blockquote style="margin:0 0 0 40px;border:none;padding:0px">indented words</blockquote></div>'
    assert from_html(body).text == "See:\nindented words"


def test_a_mail_that_is_all_one_indented_block_is_text():
    assert from_html("<blockquote>All of it</blockquote>").text == "All of it"


def test_a_signature_in_html_is_known_by_its_markup():
    found = from_html('<div>Yes</div><div class="gmail_signature">Bob<br>Acme</div>')
    assert found == Reply("Yes", "", "Bob\nAcme")


def test_text_below_an_html_signature_is_not_signature():
    found = from_html('<div>Yes</div><div class="gmail_signature">Bob</div><div>P.S. hurry</div>')
    assert found.text == "Yes\n\nP.S. hurry"


def test_the_marks_of_the_reader_cannot_be_forged():
    forged = "<p>New</p><p>\ue0c0</p><p>&#xe0c0;more</p>"
    assert from_html(forged + HTML_QUOTES[1]).text.split() == ["New", "more"]


# What may stand in a body, so that hypothesis meets the interesting cases.
PARTS = """
-- |---|Sent from my iPhone|```|> |Ann> x|Reply above this line|---------- Forwarded message ---------
"""
PIECES = st.sampled_from(
    [
        *ATTRIBUTIONS[:6],
        *HEADER_BLOCKS[:2],
        *DIVIDERS[:2],
        OLD,
        NEW,
        "On 3 May",
        "wrote:",
        "<",
        "a@example.com>",
        *PARTS.strip("\n").split("|"),
    ]
)
BODIES = st.lists(PIECES | st.text(max_size=20), max_size=15).map("\n".join)


@given(BODIES)
def test_no_word_is_ever_lost(body: str):
    found = reply.extract(body)
    words = "\n".join((found.text, found.quoted, found.signature)).split()
    blanks = "\u1427\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufffc"
    wanted = [word for word in body.split() if word.strip(blanks)]
    assert sorted(words) == sorted(wanted)


@given(BODIES)
def test_reading_a_reply_again_takes_nothing_more_that_was_unquoted(body: str):
    first = reply.extract(body).text
    again = reply.extract(first)
    assert sorted("\n".join((again.text, again.quoted, again.signature)).split()) == sorted(first.split())


@given(
    st.lists(
        st.sampled_from(
            ["<div class=gmail_quote>", "<blockquote>", "</div>", "</blockquote>", "<hr id=stopSpelling>", "x", "<!--", "<"]
        )
    ).map("".join)
)
def test_nothing_is_raised_whatever_the_markup(markup: str):
    assert isinstance(from_html(markup), Reply)


HOSTILE: dict[str, Callable[[int], str]] = {
    "the word On": lambda n: "On " * n,
    "lines of On": lambda n: "On On\n" * n,
    "blanks": lambda n: " " * n * 20,
    "attributions": lambda n: "On 2026-05-05 at 10:00 a@example.com wrote:\n" * n,
    "header fields": lambda n: "From: a@example.com\n" * n,
    "dashes": lambda n: "--\n" * n,
    "angle brackets": lambda n: "<\n" * n,
    "fences": lambda n: "```\n" * n,
    "at signs": lambda n: "a@" * n,
    "colons": lambda n: "a:\n" * n,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_four_times_the_text_takes_about_four_times_the_work(name: str):
    small, large = (work(lambda n=n: reply.extract(HOSTILE[name](n))) for n in (150, 600))
    assert large < 6 * small + 2_000


@pytest.mark.parametrize(
    "piece", ['<div class="gmail_quote">', "<blockquote>", '<hr id="stopSpelling">x', '<div class="gmail_signature">x</div>']
)
def test_four_times_the_markup_takes_about_four_times_the_work(piece: str):
    small, large = (work(lambda n=n: from_html(piece * n)) for n in (150, 600))
    assert large < 6 * small + 2_000


def test_lines_beyond_the_cap_are_kept_unread():
    body = "a:\n" * (reply_html.MAX_LINES + 50)
    assert reply.extract(body).text.count("a:") == reply_html.MAX_LINES + 50
