"""G.711 mu-law against the figures of the recommendation."""

from array import array

from agi_bridge.lab.sip import g711


def test_the_ends_of_the_scale_are_those_of_the_recommendation() -> None:
    assert g711.decode(b"\x00\x80\xff\x7f").tolist() == [-32124, 32124, 0, 0]


def test_every_code_survives_decoding_and_encoding() -> None:
    codes = bytes(code for code in range(256) if code != 0x7F)  # 0x7F is minus zero
    assert g711.encode(g711.decode(codes)) == codes


def test_a_sample_comes_back_as_its_neighbour() -> None:
    samples = array("h", range(-32768, 32767, 7))
    for sample, back in zip(samples, g711.decode(g711.encode(samples)), strict=True):
        assert abs(sample - back) <= max(8, abs(sample) // 16)


def test_silence_is_zero() -> None:
    assert g711.encode(array("h", [0])) == bytes((g711.SILENCE,))
