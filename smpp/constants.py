"""The numbers of SMPP 3.4 by name (§5.1 and §5.2), with the few of 5.0 that 3.4 peers use."""

from enum import IntEnum

from smpp.statuses import STATUS_TEXT, CommandStatus, status_name, status_text

__all__ = [
    "DEFAULT_MAX_FRAME",
    "HEADER_LENGTH",
    "MAX_SEQUENCE",
    "RESPONSE_BIT",
    "STATUS_TEXT",
    "VERSION_33",
    "VERSION_34",
    "VERSION_50",
    "CommandId",
    "CommandStatus",
    "DataCoding",
    "EsmClass",
    "MessageState",
    "Npi",
    "RegisteredDelivery",
    "Tag",
    "Ton",
    "status_name",
    "status_text",
]

HEADER_LENGTH = 16
RESPONSE_BIT = 0x80000000
MAX_SEQUENCE = 0x7FFFFFFF
# A message_payload of 64 KiB is legal; the margin carries the mandatory fields and the other TLVs.
DEFAULT_MAX_FRAME = 65_536 + 1_024
VERSION_33 = 0x33
VERSION_34 = 0x34
VERSION_50 = 0x50


class CommandId(IntEnum):
    """command_id (SMPP 3.4 §5.1.2.1)."""

    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    QUERY_SM = 0x03
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    REPLACE_SM = 0x07
    CANCEL_SM = 0x08
    BIND_TRANSCEIVER = 0x09
    OUTBIND = 0x0B
    ENQUIRE_LINK = 0x15
    SUBMIT_MULTI = 0x21
    ALERT_NOTIFICATION = 0x102
    DATA_SM = 0x103
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER_RESP = 0x80000001
    BIND_TRANSMITTER_RESP = 0x80000002
    QUERY_SM_RESP = 0x80000003
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM_RESP = 0x80000005
    UNBIND_RESP = 0x80000006
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER_RESP = 0x80000009
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI_RESP = 0x80000021
    DATA_SM_RESP = 0x80000103


class Tag(IntEnum):
    """Tags of the optional parameters (SMPP 3.4 §5.3.2); 0x1400 to 0x3FFF belong to vendors."""

    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    CONGESTION_STATE = 0x0428  # 5.0
    USSD_SERVICE_OP = 0x0501
    BILLING_IDENTIFICATION = 0x060B  # 5.0
    DEST_ADDR_NP_COUNTRY = 0x0611  # 5.0, number portability
    DEST_ADDR_NP_INFORMATION = 0x0612  # 5.0
    DEST_ADDR_NP_RESOLUTION = 0x0613  # 5.0
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


class DataCoding(IntEnum):
    """data_coding (SMPP 3.4 §5.2.19); the class values follow 3GPP TS 23.038."""

    DEFAULT = 0x00
    IA5 = 0x01
    OCTETS = 0x02
    LATIN1 = 0x03
    OCTETS_ALT = 0x04
    JIS = 0x05
    ISO_8859_5 = 0x06
    ISO_8859_8 = 0x07
    UCS2 = 0x08
    PICTOGRAM = 0x09
    ISO_2022_JP = 0x0A
    EXTENDED_KANJI = 0x0D
    KS_C_5601 = 0x0E
    FLASH_GSM = 0x10
    FLASH_UCS2 = 0x18
    CLASS_0_GSM = 0xF0
    CLASS_0_BINARY = 0xF4


class EsmClass(IntEnum):
    """Bits of esm_class (SMPP 3.4 §5.2.12)."""

    DEFAULT = 0x00
    DATAGRAM = 0x01
    TRANSACTION = 0x02
    STORE_AND_FORWARD = 0x03
    MODE_MASK = 0x03
    SMSC_RECEIPT = 0x04
    DELIVERY_ACK = 0x08
    USER_ACK = 0x10
    CONVERSATION_ABORT = 0x18
    INTERMEDIATE = 0x20
    TYPE_MASK = 0x3C
    UDHI = 0x40
    REPLY_PATH = 0x80


class RegisteredDelivery(IntEnum):
    """Bits of registered_delivery (SMPP 3.4 §5.2.17)."""

    NONE = 0x00
    ALWAYS = 0x01
    ON_FAILURE = 0x02
    RECEIPT_MASK = 0x03
    DELIVERY_ACK = 0x04
    USER_ACK = 0x08
    INTERMEDIATE = 0x10


class MessageState(IntEnum):
    """message_state (SMPP 3.4 §5.2.28); SCHEDULED and SKIPPED come from 5.0."""

    SCHEDULED = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
    SKIPPED = 9


class Ton(IntEnum):
    """Type of number (SMPP 3.4 §5.2.5)."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK_SPECIFIC = 3
    SUBSCRIBER = 4
    ALPHANUMERIC = 5
    ABBREVIATED = 6


class Npi(IntEnum):
    """Numbering plan indicator (SMPP 3.4 §5.2.6); 18 follows the printed WAP value."""

    UNKNOWN = 0
    ISDN = 1
    DATA = 3
    TELEX = 4
    LAND_MOBILE = 6
    NATIONAL = 8
    PRIVATE = 9
    ERMES = 10
    INTERNET = 14
    WAP = 18
