import type { CustomMessageFrame } from './state.ts';

/** Reads standard base64 with its padding; nothing if it is not that, character for character. */
export function decodeBase64(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** Reads UTF-8; nothing if the bytes are not valid. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const photo = 0x01;
const images = [undefined, 'bmp', 'jpeg', 'png'] as const;

/**
 * Decodes a custom message as the vendor's client page describes: `cmd(1) contentType(1) msgId(2)`, for a chunk `current(2)
 * count(2)`, for a photo `imgType(1) 0 0 0`, then data. Returns what is wrong with one that cannot be decoded.
 */
export function decodeFrame(bytes: Buffer): CustomMessageFrame | string {
  if (bytes.length < 4) return 'the frame is shorter than its header';
  const command = bytes.readUInt8(0);
  if (command !== photo && command < 0xa0) return 'the command is neither 0x01 nor 0xA0 to 0xFF';
  const contentType = bytes.readUInt8(1);
  if (contentType > 1) return 'the content type has unknown bits';
  const frame: CustomMessageFrame = { command, messageId: bytes.readUInt16BE(2), data: '' };
  let at = 4;
  if (contentType === 1) {
    if (bytes.length < at + 4) return 'the frame is shorter than its chunk header';
    frame.chunk = { current: bytes.readUInt16BE(at), count: bytes.readUInt16BE(at + 2) };
    if (frame.chunk.current < 1 || frame.chunk.current > frame.chunk.count) return 'the chunk number is out of range';
    at += 4;
  }
  if (command === photo) {
    if (bytes.length < at + 4) return 'the frame is shorter than its photo header';
    const image = images[bytes.readUInt8(at)];
    if (!image || bytes.readUIntBE(at + 1, 3) !== 0) return 'the photo header is wrong';
    frame.image = image;
    at += 4;
  }
  return { ...frame, data: bytes.subarray(at).toString('base64') };
}
