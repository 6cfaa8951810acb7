"""Texts as the air interface counts them: alphabets, parts, headers (3GPP TS 23.038, 23.040)."""

from common.gsm.alphabet import (
    Encoding,
    UnencodableText,
    culprits,
    decode,
    decode_ucs2,
    decode_unpacked,
    detect,
    encode,
    encode_ucs2,
    encode_unpacked,
    units,
)
from common.gsm.description import Segments, describe, tables_for_javascript
from common.gsm.headers import CONCAT_8, CONCAT_16, Concat, data_coding, encoding_of, read_concat, read_udh, udh_concat
from common.gsm.packing import fill_bits_after, pack7, unpack7
from common.gsm.splitting import MAX_PARTS, ROOM, Room, count_parts, split, split_octets

__all__ = [
    "CONCAT_8",
    "CONCAT_16",
    "MAX_PARTS",
    "ROOM",
    "Concat",
    "Encoding",
    "Room",
    "Segments",
    "UnencodableText",
    "count_parts",
    "culprits",
    "data_coding",
    "decode",
    "decode_ucs2",
    "decode_unpacked",
    "describe",
    "detect",
    "encode",
    "encode_ucs2",
    "encode_unpacked",
    "encoding_of",
    "fill_bits_after",
    "pack7",
    "read_concat",
    "read_udh",
    "split",
    "split_octets",
    "tables_for_javascript",
    "udh_concat",
    "units",
    "unpack7",
]
