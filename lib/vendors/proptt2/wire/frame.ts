/**
 * The custom message frame of the client SDK: command, content type, two-byte message id (big-endian), data.
 * `command` is 160 to 255, `messageId` 1 to 32767. Follows the vendor's page on custom messages.
 */
export function customFrame(command: number, messageId: number, data: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt8(command, 0);
  head.writeUInt8(0, 1);
  head.writeUInt16BE(messageId, 2);
  return Buffer.concat([head, data]);
}
