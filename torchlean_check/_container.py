"""The bytes of a certificate: a canonical zip archive with a canonical manifest.

There is exactly one archive for given contents: members stored without compression (so
no archive can expand), sorted by name, fixed dates, no comments or extra fields. The
reader rebuilds the directory from the members and demands equality, so no byte is
ignored. What the manifest means is not known here.
"""

import binascii
import json
import re
import struct

from torchlean_check._errors import MalformedCertificate

MAX_FILE = 1 << 28
MAX_MEMBERS = 20_000
MAX_MANIFEST = 1 << 26
MAX_DIGITS = 19  # decimal digits of an integer in the manifest

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NAME = re.compile(r"arrays/(0|[1-9][0-9]{0,5})|manifest\.json")
_DATE = 0x21  # 1980-01-01, the zero of zip dates
_MODE = 0o100644 << 16


def read_members(blob: bytes) -> dict[str, bytes]:
    """Name -> contents of every member of the archive."""
    if len(blob) > MAX_FILE:
        raise MalformedCertificate(f"{len(blob)} bytes; at most {MAX_FILE} are read")
    members: dict[str, bytes] = {}
    directory, position, last = b"", 0, ""
    while blob[position : position + 4] == b"PK\x03\x04":
        start = position
        if start + _LOCAL.size > len(blob):
            raise MalformedCertificate("truncated in a member header", "archive")
        *fixed, crc, stored, size, name_size, extra = _LOCAL.unpack_from(blob, start)
        if fixed[1:] != [20, 0, 0, 0, _DATE] or stored != size or extra:
            raise MalformedCertificate("a member is not in canonical form", "archive")
        position += _LOCAL.size + name_size
        raw_name = blob[start + _LOCAL.size : position]
        name = raw_name.decode("ascii", "replace")
        if not _NAME.fullmatch(name) or name <= last or len(members) >= MAX_MEMBERS:
            raise MalformedCertificate(
                f"unexpected, unsorted or repeated member {name[:40]!r}", "archive"
            )
        contents = blob[position : position + size]
        position += size
        if len(contents) != size or binascii.crc32(contents) != crc:
            raise MalformedCertificate("truncated or damaged", name)
        directory += _CENTRAL.pack(
            *(b"PK\x01\x02", 0x0314, 20, 0, 0, 0, _DATE, crc, size, size, name_size),
            *(0, 0, 0, 0, _MODE, start),
        )
        directory += raw_name
        members[name], last = contents, name
    count = len(members)
    directory += _END.pack(
        b"PK\x05\x06", 0, 0, count, count, len(directory), position, 0
    )
    if blob[position:] != directory:
        raise MalformedCertificate("not a canonical stored zip archive", "archive")
    if "manifest.json" not in members:
        raise MalformedCertificate("no manifest.json", "archive")
    return members


def canonical_json(value) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, ASCII."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def read_manifest(raw: bytes):
    """Parse canonical JSON: integers, strings, booleans, lists and objects only."""
    if len(raw) > MAX_MANIFEST:
        raise MalformedCertificate("too large", "manifest.json")
    try:
        value = json.loads(
            raw.decode("ascii"),
            object_pairs_hook=without_repeats,
            parse_int=_integer,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        canonical = canonical_json(value)
    except RecursionError:
        raise MalformedCertificate("nested too deeply", "manifest.json") from None
    except ValueError as error:  # covers UnicodeDecodeError and JSONDecodeError
        raise MalformedCertificate(str(error), "manifest.json") from None
    if canonical != raw:
        raise MalformedCertificate("not canonical JSON", "manifest.json")
    return value


def without_repeats(pairs):
    """The object of these pairs; a key that comes twice is read in two ways."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("repeated key in an object")
    return result


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS + 1:
        raise ValueError(f"integer of more than {MAX_DIGITS} digits")
    return int(text)


def _refuse_number(text: str):
    raise ValueError(f"number {text[:30]!r} is not an integer")
