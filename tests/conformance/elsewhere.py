"""Rules of spec/smpp.md whose case stands with the part that keeps them: tests by file and rule."""

_BY_FILE: dict[str, dict[str, str]] = {
    "tests/smpp/test_session_window.py": {
        "5.1 sequences wrap and skip what is unanswered":
            "test_the_sequence_wraps_at_its_end_and_skips_what_is_unanswered",
        "5.1 our window is kept and its slots come back":
            "test_a_thousand_timeouts_give_every_slot_back_and_full_speed_follows",
    },
    "tests/smpp/test_codec_goldens.py": {
        "5.1 octets as the specification has them, for every command":
            "test_every_command_of_the_specification_has_a_sample",
        "5.1 an error answer may come without a body": "test_an_error_response_without_a_body_has_empty_fields",
    },
    "tests/smpp/test_codec_limits.py": {
        "5.1 a long password is refused for us and accepted from a peer":
            "test_a_long_password_is_refused_for_us_and_accepted_from_a_peer",
    },
    "tests/smpp/test_session_tlvs.py": {
        "5.1 a peer that names no version gets no TLVs until it sends one":
            "test_a_peer_that_names_no_version_gets_none_until_it_sends_one",
    },
    "tests/smpp/test_stream.py": {
        "5.1 TCP_NODELAY in both roles": "test_nagle_is_off_in_both_roles",
    },
    "tests/workers/test_binds_answers.py": {
        "5.1 what was unanswered at the end is in doubt, not failed":
            "test_a_link_that_breaks_instead_of_an_answer_leaves_the_message_in_doubt_not_lost",
        "5.7 throttled messages go first":
            "test_a_throttled_message_goes_first_when_the_pause_is_over_and_no_attempt_counts",
        "5.7 a full queue delays one number": "test_a_full_queue_delays_one_number_alone_after_three_in_a_row",
        "5.7 temporary errors have dates": "test_a_system_error_is_tried_again_at_a_date",
        "5.7 route errors take the next hop":
            "test_a_refused_sender_goes_to_the_next_hop_and_is_rejected_where_there_is_none",
        "5.7 session errors recycle the link":
            "test_an_answer_of_the_session_kind_recycles_the_link_and_keeps_the_message",
    },
    "tests/workers/smpp_server/test_hostile.py": {
        "5.1 session init is total": "test_the_time_until_a_bind_is_total",
        "5.1 inactivity counts answers to enquire_link too": "test_a_quiet_receiver_is_not_cut_as_long_as_it_answers",
    },
    "tests/smpp/test_session_timers.py": {
        "5.1 a PDU that drips is cut off": "test_a_pdu_that_drips_is_cut_off_after_the_partial_time",
        "5.1 enquire_link only after silence":
            "test_a_silent_peer_is_asked_only_after_the_idle_time_and_the_owner_hears_nothing_of_it",
        "5.1 enquire_link never before the bind": "test_enquire_link_is_never_sent_before_the_bind",
        "5.1 two missing answers are a dead peer": "test_two_missing_answers_in_a_row_mean_a_dead_peer",
    },
    "tests/workers/smpp_server/test_mailbox_waiting.py": {
        "5.1 what is not acknowledged is sent again, ever later": "test_waits_grow_from_half_a_minute_to_an_hour",
        "5.1 the server's stop gives back what was not written":
            "test_a_stop_gives_back_what_was_not_written_and_waits_for_answers",
        "5.4 a text of more parts than the client's window":
            "test_a_text_of_more_parts_than_the_window_has_slots_arrives_part_by_part",
    },
    "tests/workers/smpp_server/test_mailbox.py": {
        "5.2 intermediate receipts to whom asked": "test_that_it_is_under_way_is_told_to_whom_asked",
        "5.3 texts to a client come in his alphabet": "test_texts_come_in_the_clients_alphabet",
        "5.6 receipts in the client's style": "test_receipts_are_written_in_the_clients_style_and_read_back_the_same",
    },
    "tests/workers/test_binds_backoff.py": {
        "5.1 reconnects wait longer and longer": "test_failures_climb_the_ladder_up_to_the_connectors_own_limit",
    },
    "tests/workers/test_binds_faults.py": {
        "5.1 a bind that was refused for its credentials is tried slowly":
            "test_a_refused_bind_is_reported_and_tried_again_slowly",
    },
    "tests/workers/test_binds_tenure.py": {
        "5.1 a stop drains, unbinds and closes": "test_a_stop_hands_back_what_was_not_written_and_waits_for_what_was",
    },
    "tests/workers/smpp_server/test_submitting.py": {
        "5.1 an answer leaves after the commit":
            "test_a_submit_is_answered_with_the_id_of_a_message_that_is_committed_and_paid",
        "5.7 without a route": "test_without_a_route_the_destination_is_wrong",
    },
    "tests/workers/smpp_server/test_binding.py": {
        "5.1 binds are counted over all servers": "test_binds_are_counted_over_all_servers_and_a_seat_comes_back",
        "5.1 TLS binds": "test_tls_binds_and_a_client_may_be_tls_only",
        "5.7 guesses are slowed down": "test_guessing_gets_slower",
    },
    "tests/smpp/test_small_rules.py": {
        "5.2 TON and NPI are detected": "test_a_number_gets_its_ton_and_npi",
        "5.2 times are read": "test_an_smpp_time_is_read",
        "5.7 classes of statuses": "test_a_status_has_its_class",
    },
    "tests/workers/test_binds_verdict.py": {
        "5.7 a connector's own table wins": "test_every_word_that_the_forms_take_is_followed",
        "5.7 wrong commands recycle the session, not for ever":
            "test_a_part_that_ends_sessions_while_others_are_taken_goes_elsewhere",
    },
    "tests/workers/smpp_server/test_one_read.py": {
        "5.1 an unbind waits for the answers that are owed":
            "test_what_stands_before_an_unbind_in_one_read_is_taken_and_answered_and_then_the_unbind",
    },
    "tests/common/test_gsm_alphabet.py": {
        "5.3 the packed alphabet": "test_packing_matches_the_known_example",
        "5.3 UTF-16 is big endian": "test_ucs2_is_utf16_big_endian_without_mark",
        "5.3 the alphabet agrees with another's": "test_septets_agree_with_the_gsm0338_library",
    },
    "tests/common/test_gsm_parts.py": {
        "5.4 a pair is never cut": "test_a_pair_that_does_not_fit_moves_whole",
        "5.4 lengths are what billing counts": "test_vectors_that_billing_depends_on",
    },
    "tests/workers/test_binds_wire.py": {
        "5.4 our parts go by header": "test_a_long_text_goes_in_three_parts_that_the_handset_can_join",
        "5.4 our parts go by sar": "test_sar_parts_carry_their_place_in_tlvs",
        "5.4 our parts go as payload": "test_payload_carries_the_whole_message_and_its_one_receipt_settles_all_parts",
        "5.5 the dictionary of a connector": "test_vendor_tlvs_follow_the_connectors_dictionary",
    },
    "tests/smpp/test_receipts.py": {
        "5.6 every wild receipt is read": "test_a_receipt_is_read",
    },
    "tests/messaging/test_receipts_settling.py": {
        "5.6 a final state stays": "test_a_conflicting_receipt_is_an_event_and_the_first_final_stays",
    },
    "tests/messaging/test_receipts_matching.py": {
        "5.6 ids meet by the connector's rule": "test_ids_meet_by_the_rule_of_the_connector",
        "5.6 over any connector of the carrier account":
            "test_a_receipt_may_come_over_any_connector_of_the_carrier_account",
    },
}  # fmt: skip
ELSEWHERE = {rule: f"{file}::{test}" for file, rules in _BY_FILE.items() for rule, test in rules.items()}
