import { declareCodes } from '../../core/errors.ts';

/** The codes of Talk in addition to those of every vendor. */
export const errorCodes = declareCodes({
  room_not_found: { status: 404, meaning: 'there is no such room, or the account is not in it' },
  not_participant: { status: 404, meaning: 'the account has not joined the room, or its session there has ended' },
  user_not_found: { status: 404, meaning: 'the vendor knows no such user, group or participant' },
  vendor_lobby: { status: 412, meaning: 'the room has a lobby, and only moderators may enter' },
});
