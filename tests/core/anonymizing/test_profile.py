"""Options that go together, and the codes that a profile is named by."""

import pytest

from napari_dicom_markup.core.anonymizing.profile import (
    PRECEDENCE,
    ProfileError,
    check_profile,
    contested,
    method_codes,
)
from napari_dicom_markup.errors import MarkupError
from napari_dicom_markup.model.deid import Option, Profile
from napari_dicom_markup.standard.confidentiality import attribute_rows


def profile(*options):
    return Profile(frozenset(options))


def test_full_and_modified_dates_exclude_each_other():
    with pytest.raises(ProfileError, match="Choose one") as caught:
        check_profile(profile(Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES))
    assert isinstance(caught.value, MarkupError)
    assert caught.value.conflicts == ((Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES),)


@pytest.mark.parametrize("left_out", [Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES])
def test_all_other_options_go_together(left_out):
    check_profile(profile(*(option for option in Option if option is not left_out)))


def test_what_is_no_option_is_refused():
    with pytest.raises(ProfileError, match="no option"):
        check_profile(Profile(frozenset(["retain-everything"])))


def test_eleven_dates_are_contested_by_modified_dates_and_device_identity():
    both = profile(Option.RETAIN_MODIFIED_DATES, Option.RETAIN_DEVICE_IDENTITY)
    assert len(contested(both)) == 11
    assert contested(profile(Option.RETAIN_DEVICE_IDENTITY)) == ()


def test_every_option_of_the_table_has_a_precedence():
    named = {name for row in attribute_rows() for name in row.options}
    assert named <= {option.value for option in PRECEDENCE}


def test_codes_name_the_profile_and_its_options_in_order():
    assert method_codes(profile()) == (
        ("113100", "DCM", "Basic Application Confidentiality Profile"),
    )
    found = method_codes(profile(Option.RETAIN_UIDS, Option.CLEAN_DESCRIPTORS))
    assert [value for value, _, _ in found] == ["113100", "113105", "113110"]
    assert found[1][2] == "Clean Descriptors Option"


@pytest.mark.parametrize("option", list(Option))
def test_each_option_adds_one_code(option):
    assert len(method_codes(profile(option))) == 2
