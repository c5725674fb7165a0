"""Numbers behind the binary32 functions. Generated: do not edit.

Made by `python scripts/derive_elementary.py`, which also proves `ERRORS`: bounds of
|computed - exact| / |exact| in units of 2**-53, before the rounding to binary32, and
`FAR_ERRORS`, which hold where |exact| >= 3.
CLOSEST: no binary32 number times 2/pi is closer to an integer (but 0).
"""

# ruff: noqa: E501
# fmt: off


def _hex(text):
    return tuple(float.fromhex(number) for number in text.split())


POLYNOMIALS = {
    "exp": _hex("0x1.0000000000000p-1 0x1.5555555555558p-3 0x1.5555555555556p-5 0x1.111111110fa9fp-7 0x1.6c16c16c15f76p-10 0x1.a01a01af2bf48p-13 0x1.a01a01a8a837dp-16 0x1.71ddf843e4f01p-19 0x1.27e4d5d30bb69p-22 0x1.af61bba874c06p-26 0x1.1f7e30e162c01p-29"),
    "tanh": _hex("-0x1.5555555555555p-2 0x1.1111111110c21p-3 -0x1.ba1ba1b9783d6p-5 0x1.664f484114832p-6 -0x1.226e27ed0ac68p-7 0x1.d6d0a485132ebp-9 -0x1.7d68abe445c4bp-10 0x1.32b0b92ad1a40p-11 -0x1.cf9f3fe656023p-13 0x1.f2ddeb9a07da7p-15"),
    "sinh": _hex("0x1.5555555555555p-3 0x1.11111111110fdp-7 0x1.a01a01a01ef3ap-13 0x1.71de3a4e05d3ep-19 0x1.ae64610b14743p-26 0x1.611cab482cc0ep-33 0x1.b415125600bedp-41"),
    "asinh": _hex("-0x1.5555555555555p-3 0x1.3333333332f5fp-4 -0x1.6db6db6d5b365p-5 0x1.f1c71c3bee026p-6 -0x1.6e8b9ab4638efp-6 0x1.1c4e072f36dc7p-6 -0x1.c983b8d12e853p-7 0x1.79b0dbdcdfc75p-7 -0x1.3a4aeece7e69cp-7 0x1.f38921b605d54p-8 -0x1.4733e5158e0e1p-8 0x1.ee3fd77d44d42p-10"),
    "sin": _hex("-0x1.5555555555554p-3 0x1.1111111110a9dp-7 -0x1.a01a019e43442p-13 0x1.71de374494dfep-19 -0x1.ae5fb72fd005ap-26 0x1.5ded7634bacb2p-33"),
    "cos": _hex("0x1.5555555555555p-5 -0x1.6c16c16c168dcp-10 0x1.a01a019f2e74fp-16 -0x1.27e4f9eed5802p-22 0x1.1eeb3ef5846aap-29 -0x1.905ff8538dfd9p-37"),
    "asin": _hex("0x1.5555555555556p-3 0x1.3333333332e8ap-4 0x1.6db6db6e38672p-5 0x1.f1c71c19a1665p-6 0x1.6e8bb26fd1f36p-6 0x1.1c4d25eaac5b1p-6 0x1.c9d0ee583160ap-7 0x1.78133596d86b8p-7 0x1.52c1b47f60df6p-7 0x1.614676d6ca79ap-8 0x1.202609b503001p-6 -0x1.f0672e78ccee1p-7 0x1.da8eda8a618c5p-6"),
    "atan": _hex("-0x1.5555555555555p-2 0x1.9999999999312p-3 -0x1.2492492433345p-3 0x1.c71c71836888fp-4 -0x1.745d0ade5d4a6p-4 0x1.3b125c4bb593ap-4 -0x1.10fa19174b544p-4 0x1.dfdfe0fcab88ap-5 -0x1.a07823f5950bbp-5 0x1.41023d5d68a24p-5 -0x1.3945c11393fddp-6"),
    "exp2": _hex("0x1.62e42fefa39efp-1 0x1.ebfbdff82c598p-3 0x1.c6b08d704a0c2p-5 0x1.3b2ab6fba1dc6p-7 0x1.5d87fe78a5281p-10 0x1.4309130975155p-13 0x1.ffcbfc670c993p-17 0x1.62bfd46781ef6p-20 0x1.b524fae3e2579p-24 0x1.e6065f532c950p-28 0x1.e9d408f1a2cf2p-32"),
    "artanh": _hex("0x1.5555555555555p-1 0x1.9999999999a53p-2 0x1.2492492472c7ep-2 0x1.c71c720862a92p-3 0x1.745cf61d0dd5ap-3 0x1.3b1cd18bffd4ep-3 0x1.0fae6dbb0e7e4p-3 0x1.0caab048678adp-3"),
    "erf": _hex("0x1.20dd750429b6dp+0 -0x1.812746b0379c0p-2 0x1.ce2f21a040ed9p-4 -0x1.b82ce3120128bp-6 0x1.565bccf9f53b7p-8 -0x1.c02db05a22935p-11 0x1.f9a2bd21b0b56p-14 -0x1.f4ca70eea9655p-17 0x1.b9811b5aea037p-20 -0x1.5c0e7aacb7638p-23 0x1.d74a77c23acbdp-27 -0x1.ac32ab2ebddb4p-31"),
    "erfc": _hex("0x1.aab859b20ab9bp-12 -0x1.1d83170fbf5bcp-9 0x1.64e3dcd3b0008p-8 -0x1.119da0c46dfd2p-7 0x1.1a89b97ce047bp-7 -0x1.90e81283cf48bp-8 0x1.6ecdbf69b5e55p-9 -0x1.1c610bd711674p-11 -0x1.11551e51c5251p-12 0x1.06717935253cbp-12 -0x1.4a8442ecb2d40p-14 -0x1.58bd625a114fbp-18 0x1.d871fe166eb13p-17 -0x1.3acd1e3a72dabp-18 -0x1.8552824de1dc2p-23 0x1.583c6c05565aap-21 -0x1.811383eba924ap-23 -0x1.3498f7a156406p-26 0x1.9928d43307c59p-26 -0x1.34a5e1d739e1cp-28 -0x1.42fcdcca860f0p-30 0x1.7b2f14d92d76dp-31 -0x1.57c998dc4a50dp-35 -0x1.b34ea5536bb85p-35 0x1.4bb1ad2c9fcd2p-37 0x1.11947153273abp-39 -0x1.0d81e73e1bc45p-41 -0x1.364aff8aa83b8p-45"),
    "erfcx": _hex("0x1.3ba5916e9fd7fp+0 -0x1.1df1ad154a291p-3 0x1.f7f5df66fdb25p-7 0x1.16ecefcfa5705p-4 -0x1.9ddb23c3eb7c1p-4 0x1.7fee004e05039p-4 -0x1.0fb06dfdf81c6p-4 0x1.3079edf995ba6p-5 -0x1.096238986d12dp-6 0x1.49c670f7615f9p-8 -0x1.8d4a8949e5e55p-11 -0x1.a1dd55da22f3dp-13 0x1.3bdff215658e2p-13 -0x1.99a50859bbb22p-16 -0x1.78e88af788e2bp-17 0x1.823f636a7f572p-18 0x1.7e5d618621562p-22 -0x1.cd0b6f69aadabp-21 -0x1.16cba2b3ef307p-25 0x1.fef43d2cd2263p-25"),
    "cbrt": _hex("0x1.1c90a1fb8969fp-1 0x1.296213a52f037p-1 -0x1.44f0d2e8403a6p-3 0x1.6ae260afe5091p-6"),
}

CONSTANTS = {
    "log2_e": float.fromhex("0x1.71547652b82fep+0"),
    "ln2_high": float.fromhex("0x1.62e42fefa3000p-1"),
    "ln2_low": float.fromhex("0x1.3de6af278ece6p-42"),
    "log2_e_high": float.fromhex("0x1.7154765000000p+0"),
    "log2_e_low": float.fromhex("0x1.5c17f0bbbe880p-31"),
    "two_over_pi": float.fromhex("0x1.45f306dc9c883p-1"),
    "half_pi_pieces": _hex("0x1.921fb54000000p+0 0x1.10b4611800000p-30 0x1.313198a2e0370p-61"),
    "half_pi": float.fromhex("0x1.921fb54442d18p+0"),
    "half_pi_low": float.fromhex("0x1.1a62633145c07p-54"),
    "quarter_pi_high": float.fromhex("0x1.921fb54442d18p-1"),
    "quarter_pi_low": float.fromhex("0x1.1a62633145c07p-55"),
    "third": float.fromhex("0x1.5555555555555p-2"),
    "two_ninths": float.fromhex("0x1.c71c71c71c71cp-3"),
    "cbrt2": float.fromhex("0x1.428a2f98d728bp+0"),
    "cbrt4": float.fromhex("0x1.965fea53d6e3dp+0"),
    "two_over_pi_words": (0x0, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561),
}

ERRORS = {
    "acos": 2.66,
    "acosh": 13.17,
    "asin": 7.63,
    "asinh": 7.63,
    "atan": 7.42,
    "atan2": 7.42,
    "atanh": 14.86,
    "cbrt": 1.34,
    "cos": 6.94,
    "cosh": 5.48,
    "erf": 3.74,
    "erfc": 12.53,
    "exp": 2.36,
    "exp2": 2.29,
    "expm1": 5.63,
    "log": 3.21,
    "log1p": 3.21,
    "log2": 3.43,
    "logistic": 8.84,
    "pow": 469.15,
    "rsqrt": 1.51,
    "sin": 6.94,
    "sinh": 4.82,
    "sqrt": 0.0,
    "tan": 16.97,
    "tanh": 8.91,
}

FAR_ERRORS = {
    "acosh": 2.77,
    "asinh": 1.94,
    "log": 1.25,
    "log1p": 1.25,
    "log2": 1.35,
}

CLOSEST = float.fromhex("0x1.1a92ac6eebc67p-30")
