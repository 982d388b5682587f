import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TalkSandbox } from '../../sandbox/talk/index.ts';
import type { Replay } from './talk-replay.ts';

/** A recording to replay (`@jar` says where its cookies go), or what has to happen before the next one. */
export type Step = string | ((replay: Replay, talk: TalkSandbox) => Promise<unknown> | unknown);

const spreed = '/apps/spreed/api';
const main17 = 'vebpramj';
const lounge17 = '4svu8k7o';
const main3 = 'uhiwh7ak';
const lounge3 = 'oqbgu92e';

const forget: Step = (_replay, talk) => talk.resetThrottle();
const advance =
  (seconds: number): Step =>
  (_replay, talk) =>
    talk.advance(seconds * 1000);

/** The recordings of Talk 3.1.0 in the order in which they can have happened. */
export const talk3: Step[] = [
  ...['status_php_200', 'no_ocs_header_412', 'capabilities_anonymous_200', 'capabilities_auth_200'],
  ...['room_list_unauthenticated_401', 'room_list_bad_password_401', 'v4_room_list_gone_404'],
  ...['room_create_group_201', 'room_create_group_invite_201', 'room_create_public_201', 'room_create_one2one_201'],
  ...['room_create_one2one_exists_200', 'room_create_invalid_type_400', 'room_create_unknown_user_404'],
  ...['room_create_unknown_group_404', 'room_list_200', 'room_list_empty_200', 'room_get_200', 'room_get_unknown_404'],
  ...['room_get_not_member_404', 'participants_add_user_200', 'participants_add_again_200'],
  ...['participants_add_carol_200', 'participants_add_unknown_404', 'participants_add_not_moderator_403'],
  ...['participants_list_200', 'participants_list_unknown_room_404', 'room_rename_200'],
  ...['room_rename_not_moderator_403', 'room_rename_too_long_400'],
  ...['participants_add_to_one2one_200', 'room_delete_not_moderator_403'],
  async (replay) => {
    const made = await replay.call('alice', 'POST', `${spreed}/v1/room`, { body: { roomType: 1, invite: 'bob' } });
    replay.keep('token', 'br3cqqzb', (made.body as { ocs: { data: { token: string } } }).ocs.data.token);
  },
  'room_rename_one2one_405',
  ...['room_password_not_public_403', 'room_public_200', 'room_public_again_200', 'room_public_not_moderator_403'],
  ...['room_password_set_200', 'room_get_with_password_200', 'room_password_clear_200', 'room_public_delete_200'],
  ...['room_public_delete_again_200', 'moderators_promote_200', 'moderators_promote_again_412'],
  ...['moderators_promote_unknown_404', 'moderators_demote_200', 'moderators_demote_again_412'],
  ...['moderators_demote_not_moderator_403', 'chat_send_201', 'chat_send_json_201', 'chat_send_empty_201'],
  ...['chat_send_too_long_404', 'chat_send_unknown_room_404', 'chat_receive_all_200', 'chat_receive_offset_200'],
  ...['chat_receive_timeout0_always_empty_200', 'chat_receive_not_older_200', 'chat_receive_unknown_room_404'],
  ...['chat_poll_empty_200', 'chat_poll_longpoll_200', 'chat_receive_chatv2_params_200'],
  'call_join_without_session_404',
  (replay) => replay.call('alice', 'GET', '/cloud/user', { jar: 'alice' }),
  ...['join_200', 'participants_list_with_session_200', 'call_join_200', 'call_peers_200', 'call_ping_200'],
  ...['call_ping_no_cookies_404', 'call_ping_unknown_room_404', 'room_get_in_call_200'],
  (replay) => replay.call('bob', 'GET', '/cloud/user', { jar: 'bob' }),
  ...['join_bob_200', 'call_join_bob_200', 'call_peers_two_200', 'call_leave_200'],
  (replay) => replay.call('bob', 'DELETE', `${spreed}/v1/call/${replay.own('token', main3)}`, { jar: 'bob' }),
  ...['call_peers_empty_200', 'leave_200', 'leave_bob_200'],
  ...['join_no_cookies_200', 'call_join_no_cookies_200', 'call_leave_no_cookies_200', 'call_join_unknown_room_404'],
  (replay) => {
    const path = `${spreed}/v1/room/${replay.own('token', main3)}/participants/active`;
    return replay.call('alice', 'POST', path, { jar: 'fresh' });
  },
  ...['call_ping_unprimed_jar_404', 'guest_room_get_200'],
  (replay) => replay.call(null, 'GET', `${spreed}/v1/room/${replay.own('token', lounge3)}`, { jar: 'guest' }),
  ...['guest_join_200', 'participants_list_with_guest_200', 'guest_chat_send_201', 'participants_guest_remove_200'],
  ...['participants_guest_remove_unknown_404', 'room_password_set_public_200', 'guest_join_wrong_password_403'],
  (replay) => replay.call(null, 'GET', `${spreed}/v1/room/${replay.own('token', lounge3)}`, { jar: 'guest3' }),
  ...['guest_join_right_password_200', 'participants_remove_not_moderator_403', 'participants_remove_unknown_404'],
  ...['participants_remove_owner_403', 'participants_self_remove_200', 'participants_remove_200'],
  ...['room_delete_200', 'room_get_deleted_404'],
];

/** The recordings of Talk 17.1.6 in the order in which they can have happened. */
export const talk17: Step[] = [
  ...['status_php_200', 'no_ocs_header_basic_auth_412', 'capabilities_anonymous_200', 'capabilities_auth_200'],
  ...['capabilities_format_query_200', 'capabilities_xml_default_200', 'room_list_unauthenticated_401'],
  ...['room_list_bad_password_401', 'old_v1_room_list_404', 'old_v1_room_list_no_format_404', 'old_v2_room_list_404'],
  ...['old_v3_room_list_404', 'old_v1_room_create_404', 'old_v1_call_ping_404'],
  ...['room_create_group_201', 'room_create_group_json_201', 'room_create_public_201', 'room_create_one2one_201'],
  ...['room_create_one2one_exists_200', 'room_create_self_403', 'room_create_unknown_user_404'],
  ...['room_create_unknown_group_404', 'room_create_invalid_type_400', 'room_create_missing_name_400'],
  ...['room_get_200', 'room_list_200', 'room_list_modified_since_200', 'room_list_empty_200'],
  ...['room_get_404', forget, 'room_get_not_member_404', forget, 'cloud_user_v1_bad_room_200', forget],
  ...['participants_add_user_200', 'participants_add_again_200', 'participants_add_group_200'],
  ...['participants_add_bad_source_400', 'participants_add_unknown_404', 'participants_add_not_moderator_403'],
  ...['participants_add_one2one_400', 'participants_list_200', 'participants_list_status_200'],
  ...['participants_list_404', 'room_rename_200', 'room_rename_403', 'room_rename_too_long_400'],
  ...['room_rename_one2one_400', 'room_description_200', 'room_password_not_public_403', 'room_public_200'],
  ...['room_public_again_200', 'room_public_403', 'room_password_set_200', 'room_password_not_moderator_403'],
  ...[
    'room_get_with_password_200',
    'room_password_clear_200',
    'room_public_delete_200',
    'room_public_delete_again_200',
  ],
  ...['moderators_promote_200', 'moderators_promote_again_400', 'moderators_promote_unknown_404'],
  ...['moderators_v1_style_participant_param_500', 'moderators_demote_200', 'moderators_demote_again_400'],
  'moderators_demote_not_moderator_403',
  (replay, talk) => {
    // Bob and carol have read up to here: the recordings name line 110 in a header before any of them shows it.
    const line = talk.state.messages.findLast((message) => message.text === 'group_added');
    replay.keep('message', 110, line?.id);
  },
  ...['chat_send_201', 'chat_send_json_ref_201', 'chat_send_empty_400'],
  ...['chat_send_too_long_413', 'chat_send_404', 'chat_send_not_member_404', 'chat_history_200'],
  ...['chat_history_page2_200', 'chat_history_end_304', 'chat_receive_missing_lookIntoFuture_500'],
  ...['chat_receive_old_v1_params_500', 'chat_poll_304_timeout0_304', 'chat_poll_304_timeout2_304'],
  ...['chat_poll_backlog_200', 'chat_poll_longpoll_200', 'chat_mark_read_200', 'chat_mentions_200'],
  ...['chat_delete_other_403', 'chat_delete_200', 'reaction_add_201', 'reaction_list_200', 'chat_history_after_200'],
  ...['room_get_unread_200', 'call_join_without_session_404', 'join_no_cookies_200', 'call_join_no_cookies_404'],
  ...['leave_no_cookies_200', 'join_200@alice', 'join_again_force_false_200', 'participants_list_with_session_200'],
  ...['call_join_200', 'call_peers_200', 'call_peers_as_other_member_200', 'room_get_in_call_200'],
  ...['join_conflict_409', 'join_bob_200@bob', 'call_join_bob_200', 'call_peers_two_200', 'call_update_flags_200'],
  ...['call_update_flags_400', 'call_ring_200', 'signaling_pull_200', 'signaling_settings_200', 'call_leave_200'],
  ...['call_end_for_all_200', 'call_peers_empty_200', 'call_join_404_unknown_room_404'],
  async (replay) => {
    const token = replay.own('token', main17);
    await replay.call('alice', 'POST', `${spreed}/v4/room/${token}/participants/active`, { jar: 'alice' });
    await replay.call('alice', 'POST', `${spreed}/v4/call/${token}`, { jar: 'alice', body: { flags: 7 } });
  },
  advance(35),
  'call_peers_after_35s_without_ping_200',
  (replay) => replay.call('alice', 'GET', `${spreed}/v3/signaling/${replay.own('token', main17)}`, { jar: 'alice' }),
  'call_peers_after_signaling_pull_200',
  (replay) => replay.call('alice', 'DELETE', `${spreed}/v4/call/${replay.own('token', main17)}`, { jar: 'alice' }),
  ...['chat_history_call_system_messages_200', 'leave_200', 'leave_bob_200'],
  ...['guest_not_public_404', 'guest_room_get_before_join_200', 'participants_add_email_200', 'guest_join_200@guest'],
  ...['guest_room_get_200', 'guest_room_list_401', 'guest_set_name_200', 'guest_chat_send_201'],
  ...['guest_chat_history_200', 'participants_list_with_guest_200', 'room_password_set_public_200'],
  ...['guest_join_wrong_password_403', forget],
  (replay) => replay.call(null, 'GET', `${spreed}/v4/room/${replay.own('token', lounge17)}`, { jar: 'guest3' }),
  ...['guest_join_right_password_200', 'moderators_promote_guest_200', 'attendee_delete_guest_moderator_200'],
  ...['lobby_enable_200', 'chat_receive_lobby_412', 'chat_send_lobby_412', 'participants_lobby_412'],
  ...['lobby_disable_200', 'readonly_enable_200', 'chat_send_readonly_403', 'call_peers_readonly_403'],
  ...['readonly_disable_200', 'attendee_delete_not_moderator_403', 'attendee_delete_unknown_404'],
  ...['old_style_delete_participant_405', 'attendee_delete_200', 'remove_self_last_moderator_400', 'remove_self_200'],
  ...['room_delete_403', 'room_delete_one2one_400', 'room_delete_200', 'room_get_deleted_404', forget],
  ...['outdated_android_client_200', 'login_flow_v2_start_200', 'login_flow_v2_poll_404'],
  (_replay, talk) => talk.grantLogin({ user: 'alice' }),
  ...['login_flow_v2_poll_200', 'getapppassword_200', 'cloud_user_v1_200', 'cloud_user_v2_200'],
  'room_create_for_bot_201',
  async (_replay, talk) => {
    const receiver = createServer((request, response) => request.resume().on('end', () => response.end())).unref();
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    const secret = 'test-only-bot-secret-0123456789-0123456789-abcdef';
    talk.installBot({ name: 'Gateway bot', description: 'a test bot', url, secret });
  },
  ...['bots_list_200', 'bot_enable_201', 'bot_enable_again_200', 'bots_admin_list_200', 'chat_send_to_bot_room_201'],
  ...['bot_message_send_201', 'bot_message_bad_signature_401', forget, 'bot_message_signed_body_401', forget],
  ...['bot_message_short_random_400', 'bot_message_not_enabled_room_401', forget, 'bot_reaction_add_201'],
  ...['bot_reaction_delete_200', 'chat_history_with_bot_200', 'bot_disable_200'],
  async (replay) => {
    for (let at = 0; at < 11; at++) await replay.call('alice', 'GET', `${spreed}/v4/room/missing${at}`);
  },
  ...['bruteforce_room_token_429', 'bruteforce_existing_room_429', 'bruteforce_room_list_200', forget],
  (_replay, talk) => talk.configure({ talkAllowed: { bob: false } }),
  ...['talk_not_allowed_for_user_capabilities_200', 'talk_not_allowed_for_user_room_list_403'],
  ...['apppassword_revoke_200', 'apppassword_after_revoke_401'],
  (_replay, talk) => talk.setMaintenance(true),
  ...['maintenance_capabilities_503', 'maintenance_room_list_503', 'maintenance_status_php_200'],
];
