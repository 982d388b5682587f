/** The generations of the API that the stand-in speaks: A = v1 with chat v1, C = v1 with chat-v2, E = v4. */
export type Era = 'A' | 'C' | 'E';

/** The Talk release of an era, if no release is given. */
export const eraVersion: Record<Era, string> = { A: '3.1.0', C: '6.0.0', E: '17.1.6' };

/** The era of a Talk release. Throws a RangeError for releases that are not served (3.2 and 9 to 11). */
export function eraOf(talkVersion: string): Era {
  if (atLeast(talkVersion, '12')) return 'E';
  if (atLeast(talkVersion, '9')) throw new RangeError(`Talk ${talkVersion} (API v2 and v3) is not served here`);
  if (atLeast(talkVersion, '4')) return 'C';
  if (atLeast(talkVersion, '3.2')) throw new RangeError(`Talk ${talkVersion} is not served here`);
  if (atLeast(talkVersion, '3')) return 'A';
  throw new RangeError(`${talkVersion} is no Talk release`);
}

/** Whether a dotted version is that one or newer. */
export function atLeast(version: string, wanted: string): boolean {
  const have = version.split('.').map(Number);
  const want = wanted.split('.').map(Number);
  for (let at = 0; at < want.length; at++) {
    const difference = (have[at] ?? 0) - (want[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

const since: [feature: string, first: string, gone?: string][] = [
  ['audio', '3.0'],
  ['video', '3.0'],
  ['chat', '3.0', '3.2'],
  ['guest-signaling', '3.1'],
  ['empty-group-room', '3.1'],
  ['guest-display-names', '3.2'],
  ['multi-room-users', '3.2'],
  ['chat-v2', '3.2'],
  ['favorites', '4'],
  ['last-room-activity', '4'],
  ['no-ping', '4'],
  ['system-messages', '4'],
  ['mention-flag', '4'],
  ['in-call-flags', '4'],
  ['notification-levels', '5'],
  ['invite-groups-and-mails', '5'],
  ['locked-one-to-one-rooms', '6'],
  ['read-only-rooms', '6'],
  ['chat-read-marker', '7'],
  ['webinary-lobby', '7'],
  ['start-call-flag', '7'],
  ['chat-replies', '8'],
  ['circles-support', '8'],
  ['force-mute', '9'],
  ['sip-support', '10.1'],
  ['chat-read-status', '11'],
  ['listable-rooms', '11'],
  ['phonebook-search', '11'],
  ['raise-hand', '11'],
  ['room-description', '11'],
  ['delete-messages', '11.1'],
  ['rich-object-sharing', '11.1'],
  ['conversation-call-flags', '11.1'],
  ['temp-user-avatar-api', '11.1'],
  ['conversation-v4', '12'],
  ['signaling-v3', '12'],
  ['geo-location-sharing', '12'],
  ['voice-message-sharing', '12'],
  ['publishing-permissions', '12'],
  ['clear-history', '12.1'],
  ['direct-mention-flag', '13'],
  ['notification-calls', '13'],
  ['conversation-permissions', '13'],
  ['chat-unread', '14'],
  ['reactions', '14'],
  ['rich-object-list-media', '14'],
  ['rich-object-delete', '14'],
  ['unified-search', '15'],
  ['chat-permission', '15'],
  ['silent-send', '15'],
  ['sip-support-nopin', '15'],
  ['send-call-notification', '15'],
  ['silent-call', '15'],
  ['talk-polls', '15'],
  ['breakout-rooms-v1', '16'],
  ['recording-v1', '16'],
  ['chat-get-context', '16'],
  ['single-conversation-status', '16'],
  ['chat-keep-notifications', '16'],
  ['avatar', '17'],
  ['typing-privacy', '17'],
  ['remind-me-later', '17.1'],
  ['bots-v1', '17.1'],
  ['markdown-messages', '17.1'],
  ['media-caption', '18'],
  ['session-state', '18'],
  ['note-to-self', '18'],
  ['recording-consent', '18'],
  ['sip-support-dialout', '18'],
  ['chat-reference-id', '19'],
  ['delete-messages-unlimited', '19'],
  ['edit-messages', '19'],
  ['silent-send-state', '19'],
  ['chat-read-last', '19'],
  ['federation-v1', '19'],
  ['ban-v1', '20'],
  ['mention-permissions', '20'],
  ['federation-v2', '20'],
  ['edit-messages-note-to-self', '20'],
  ['talk-polls-drafts', '20.1'],
  ['archived-conversations-v2', '20.1'],
  ['conversation-creation-password', '21'],
  ['conversation-creation-all', '21.1'],
  // Servers list it only if their background jobs run by cron.
  ['message-expiration', '21.1'],
  ['threads', '22'],
  ['pinned-messages', '23'],
  ['scheduled-messages', '23'],
];

/** What a Talk release lists under `spreed.features`. */
export function featuresOf(talkVersion: string): string[] {
  return since
    .filter(([, first, gone]) => atLeast(talkVersion, first) && (gone === undefined || !atLeast(talkVersion, gone)))
    .map(([feature]) => feature);
}

/** The Nextcloud server that a Talk release ships with. */
export function nextcloudOf(talkVersion: string): { major: number; minor: number; micro: number; string: string } {
  const major = Number(talkVersion.split('.')[0]) + 10;
  if (major === 13) return { major, minor: 0, micro: 12, string: '13.0.12' };
  if (major === 27) return { major, minor: 1, micro: 10, string: '27.1.10 RC1' };
  return { major, minor: 0, micro: 1, string: `${major}.0.1` };
}
