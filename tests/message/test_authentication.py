"""Authentication-Results: only the configured server is believed, and only above the line that every sender can write below."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.message import addresses, authentication, tree
from listener.message.model import Authentication, Trust, Verdict

OURS = Trust(authserv_id="mx.example.com")
MICROSOFT = Trust(topmost_without_id=True)
BORDER = (
    "Received: from mail.customer.example (mail.customer.example [192.0.2.7]) by mx.example.com; Mon, 1 Jun 2026 10:00:00 +0000"
)
INSIDE = "Received: from mx.example.com (mx.example.com [198.51.100.2]) by store.example.com; Mon, 1 Jun 2026 10:00:01 +0000"
PASSED = "Authentication-Results: mx.example.com; dmarc=pass header.from=customer.example"
FROM = "From: Ann <ann@customer.example>"


def judged(*fields: str, trust: Trust = OURS) -> Authentication:
    root = tree.read("\r\n".join([*fields, "", "text"]).encode()).root
    return authentication.judge(root, addresses.read(root.get_all("from"), []), trust)


def verdict(*fields: str, trust: Trust = OURS) -> Verdict:
    return judged(*fields, trust=trust).verdict


def test_a_pass_of_our_server_above_the_border_is_a_pass_and_names_the_server():
    assert judged(PASSED, BORDER, FROM) == Authentication(Verdict.PASS, "mx.example.com")


def test_nobody_is_believed_by_default():
    assert judged(PASSED, BORDER, FROM, trust=Trust()) == Authentication(Verdict.UNKNOWN, "")


def test_a_dmarc_failure_is_a_failure():
    assert verdict(PASSED.replace("pass", "fail"), BORDER, FROM) is Verdict.FAIL


def test_another_servers_word_counts_for_nothing():
    assert judged(PASSED.replace("mx.example.com", "mx.example.net"), BORDER, FROM) == Authentication()


def test_an_id_that_merely_begins_like_ours_is_another_server():
    assert verdict(PASSED.replace("mx.example.com", "mx.example.com.evil.example"), BORDER, FROM) is Verdict.UNKNOWN


def test_the_id_is_compared_without_regard_to_case():
    assert verdict(PASSED.replace("mx.example.com", "MX.Example.COM"), BORDER, FROM) is Verdict.PASS


def test_a_forged_field_below_the_border_counts_for_nothing():
    assert judged(BORDER, PASSED, FROM) == Authentication()


def test_a_forged_pass_below_our_own_failure_changes_nothing():
    assert verdict(PASSED.replace("pass", "fail"), BORDER, PASSED, FROM) is Verdict.FAIL


def test_hops_inside_our_own_network_do_not_end_the_boundary():
    assert verdict(INSIDE, PASSED, BORDER, FROM) is Verdict.PASS


@pytest.mark.parametrize(
    "claim",
    [
        "from mx.example.com (evil.example [192.0.2.66])",
        "from mx.example.com ([192.0.2.66])",
        "from [192.0.2.66] (helo=mx.example.com)",
        "from evil.example ([192.0.2.66] helo=[127.0.0.1])",
        "from mx.example.com (HELO mx.example.com) (192.0.2.66)",
        "from mx.example.com (mx.example.com [192.0.2.66] (may be forged))",
        "from localhost (evil.example [192.0.2.66])",
    ],
)
def test_a_client_that_calls_itself_one_of_ours_stays_outside(claim: str):
    assert verdict(f"Received: {claim} by mx.example.com; date", PASSED, FROM) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "local", ["(localhost [127.0.0.1])", "(filter [10.1.2.3])", "([192.168.0.9])", "(localhost [IPv6:::1])"]
)
def test_a_hop_from_our_own_machine_is_inside(local: str):
    assert verdict(f"Received: from filter {local} by mx.example.com; date", PASSED, BORDER, FROM) is Verdict.PASS


def test_a_folded_and_commented_field_reads_like_a_plain_one():
    folded = (
        "Authentication-Results: (ours (really)) mx.example.com (v; 2) 1;\r\n\tdkim=none (no; signature);\r\n"
        ' dmarc=pass (p=reject; "dis=none") reason="aligned; strict"\r\n header.from=customer.example'
    )
    assert verdict(folded, BORDER, FROM) is Verdict.PASS


def test_a_comment_cannot_carry_a_result():
    assert (
        verdict("Authentication-Results: mx.example.com; spf=none (; dmarc=pass header.from=customer.example)", BORDER, FROM)
        is Verdict.UNKNOWN
    )


def test_a_quoted_string_cannot_carry_a_result():
    quoted = 'Authentication-Results: mx.example.com; spf=none reason="x; dmarc=pass header.from=customer.example"'
    assert verdict(quoted, BORDER, FROM) is Verdict.UNKNOWN


def test_an_unknown_version_is_not_read():
    assert verdict(PASSED.replace("mx.example.com;", "mx.example.com 2;"), BORDER, FROM) is Verdict.UNKNOWN


def test_an_unknown_version_of_a_method_is_not_read():
    assert verdict(PASSED.replace("dmarc=", "dmarc/2="), BORDER, FROM) is Verdict.UNKNOWN


def test_two_dmarc_results_are_none():
    assert verdict(PASSED, PASSED.replace("pass", "fail"), BORDER, FROM) is Verdict.UNKNOWN


def test_a_result_for_another_from_domain_is_none():
    assert verdict(PASSED.replace("customer.example", "other.example"), BORDER, FROM) is Verdict.UNKNOWN


def test_several_from_addresses_are_never_verified():
    assert verdict(PASSED, BORDER, "From: ann@customer.example, bob@customer.example") is Verdict.UNKNOWN


def test_several_from_fields_are_never_verified():
    assert verdict(PASSED, BORDER, FROM, FROM) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "signer", ["header.d=customer.example", "header.i=@customer.example", "header.d=mail.customer.example"]
)
def test_an_aligned_signature_is_a_pass_where_dmarc_says_nothing(signer: str):
    assert verdict(f"Authentication-Results: mx.example.com; dkim=pass {signer}", BORDER, FROM) is Verdict.PASS


@pytest.mark.parametrize("signer", ["bulk.example.net", "example", "evilcustomer.example", "customer.example.evil.example"])
def test_a_signature_of_somebody_else_is_no_pass(signer: str):
    assert verdict(f"Authentication-Results: mx.example.com; dkim=pass header.d={signer}", BORDER, FROM) is Verdict.UNKNOWN


def test_neighbours_under_a_public_suffix_are_not_aligned():
    field = "Authentication-Results: mx.example.com; dkim=pass header.d=co.uk"
    assert verdict(field, BORDER, "From: ann@bank.co.uk") is Verdict.UNKNOWN


def test_a_signature_does_not_outweigh_a_dmarc_failure():
    field = (
        "Authentication-Results: mx.example.com; dkim=pass header.d=customer.example; dmarc=fail header.from=customer.example"
    )
    assert verdict(field, BORDER, FROM) is Verdict.FAIL


def test_spf_alone_proves_nothing():
    field = "Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=customer.example"
    assert verdict(field, BORDER, FROM) is Verdict.UNKNOWN


def test_gmails_copy_in_its_arc_set_counts_above_the_border():
    sealed = "ARC-Authentication-Results: i=2; mx.example.com; dmarc=pass (p=NONE) header.from=customer.example"
    assert verdict("Received: by 2002:a05:1 with SMTP id x", sealed, BORDER, PASSED, FROM) is Verdict.PASS


def test_an_arc_set_of_a_forwarder_below_the_border_counts_for_nothing():
    assert verdict(BORDER, "ARC-Authentication-Results: i=1; mx.example.com; dmarc=pass", FROM) is Verdict.UNKNOWN


EXO_INSIDE = "Received: from DM6PR01.namprd01.prod.outlook.com (2603:10b6:5::18) by SN1PR01.namprd01.prod.outlook.com; date"
EXO_BORDER = "Received: from mail.customer.example (192.0.2.7) by DM6NAM01.mail.protection.outlook.com; date"
EXO_PASSED = (
    "Authentication-Results: spf=pass (sender IP is 192.0.2.7) smtp.mailfrom=customer.example; dkim=pass (signature was"
    " verified) header.d=customer.example;dmarc=pass action=none header.from=customer.example;compauth=pass reason=100"
)


def test_the_topmost_field_of_microsoft_365_needs_no_id():
    assert judged(EXO_INSIDE, EXO_PASSED, EXO_BORDER, FROM, trust=MICROSOFT) == Authentication(Verdict.PASS, "topmost")


def test_only_the_topmost_field_of_microsoft_365_counts():
    failed = EXO_PASSED.replace("dmarc=pass", "dmarc=fail")
    assert verdict(EXO_INSIDE, failed, EXO_PASSED, EXO_BORDER, FROM, trust=MICROSOFT) is Verdict.FAIL


def test_a_topmost_field_with_an_id_is_not_microsofts():
    assert judged(EXO_INSIDE, PASSED, EXO_BORDER, FROM, trust=MICROSOFT) == Authentication()


def test_a_field_without_id_below_microsofts_border_counts_for_nothing():
    assert judged(EXO_INSIDE, EXO_BORDER, EXO_PASSED, FROM, trust=MICROSOFT) == Authentication()


def test_a_composite_failure_is_a_failure():
    field = EXO_PASSED.replace("dmarc=pass", "dmarc=none").replace("compauth=pass", "compauth=fail")
    assert verdict(EXO_INSIDE, field, EXO_BORDER, FROM, trust=MICROSOFT) is Verdict.FAIL


def test_a_field_without_id_is_not_ours_where_an_id_is_configured():
    assert verdict(EXO_PASSED, BORDER, FROM) is Verdict.UNKNOWN


def test_an_internationalised_domain_equals_its_a_label():
    field = PASSED.replace("customer.example", "xn--bcher-kva.example")
    assert verdict(field, BORDER, "From: ann@bücher.example") is Verdict.PASS


PIECES = st.lists(
    st.sampled_from(
        [
            "mx.example.com",
            "; ",
            "dmarc",
            "=",
            "pass",
            "fail",
            " header.from=",
            "customer.example",
            "(",
            ")",
            '"',
            "\\",
            "1 ",
            "i=1",
            "/2",
        ]
    )
    | st.text(max_size=3)
)


@given(PIECES)
def test_nothing_is_raised_whatever_the_field_says(pieces: list[str]):
    field = authentication.parse("".join(pieces))
    assert len(field.results) <= authentication.MAX_RESULTS


@given(PIECES, st.sampled_from([OURS, MICROSOFT]))
def test_nothing_below_the_border_can_make_a_pass(pieces: list[str], trust: Trust):
    forged = "Authentication-Results: " + "".join(pieces).replace("\r", "").replace("\n", "")
    assert verdict(BORDER, forged, PASSED, EXO_PASSED, FROM, trust=trust) is Verdict.UNKNOWN


# --- borders that write their results below their own Received (milters) --------------------------------------------------

MILTERED = Trust(authserv_id="mx.example.com", own_received=1)


def test_below_the_border_counts_where_the_account_says_that_its_own_results_stand_there():
    assert verdict(BORDER, PASSED, FROM, trust=MILTERED) is Verdict.PASS
    assert verdict(BORDER, PASSED, FROM) is Verdict.UNKNOWN


def test_hops_within_our_own_network_above_the_border_are_not_counted():
    assert verdict(INSIDE, BORDER, PASSED, FROM, trust=MILTERED) is Verdict.PASS


def test_what_was_forged_below_our_milters_results_counts_for_nothing():
    failed = PASSED.replace("dmarc=pass", "dmarc=fail")
    assert verdict(BORDER, failed, PASSED, FROM, trust=MILTERED) is Verdict.FAIL
    nothing = "Authentication-Results: mx.example.com; none"
    assert verdict(BORDER, nothing, PASSED, FROM, trust=MILTERED) is Verdict.UNKNOWN


def test_the_results_of_several_milters_count_and_no_further_ones():
    dkim = "Authentication-Results: mx.example.com; dkim=none"
    spf = "Authentication-Results: mx.example.com; spf=fail"
    several = Trust(authserv_id="mx.example.com", own_received=1, own_results=2)
    assert verdict(BORDER, dkim, PASSED, FROM, trust=several) is Verdict.PASS
    assert verdict(BORDER, dkim, spf, PASSED, FROM, trust=several) is Verdict.UNKNOWN


def test_another_servers_field_in_our_milters_place_uses_it_up():
    theirs = PASSED.replace("mx.example.com", "mx.customer.example")
    assert verdict(BORDER, theirs, PASSED, FROM, trust=MILTERED) is Verdict.UNKNOWN


def test_below_the_next_hop_nothing_counts():
    sender = "Received: from home (home.customer.example [192.0.2.8]) by mail.customer.example; date"
    assert verdict(BORDER, sender, PASSED, FROM, trust=MILTERED) is Verdict.UNKNOWN
    assert verdict(sender.replace("Received", "X-Received"), PASSED, trust=MILTERED) is Verdict.UNKNOWN


def test_without_an_authserv_id_no_number_of_hops_makes_a_witness():
    assert judged(BORDER, PASSED, FROM, trust=Trust(own_received=1)) == Authentication()


@pytest.mark.parametrize(
    ("signer", "domain", "same"),
    [
        ("mail.example.co.uk", "example.co.uk", True),
        ("a.mail.example.com", "b.example.com", True),
        ("other.co.uk", "example.co.uk", False),
        ("co.uk", "example.co.uk", False),
        ("evil.github.io", "github.io", False),
        ("evil.github.io", "good.github.io", False),
        ("", "example.com", False),
    ],
)
def test_alignment_is_by_the_organisational_domain_of_the_public_suffix_list(signer: str, domain: str, same: bool):
    assert authentication.aligned(signer, domain) is same
    assert authentication.aligned(domain, signer) is same
