import { crc32, deflateSync } from 'node:zlib';

/** A PNG of one colour. */
export function picture(width: number, height: number, colour: readonly [number, number, number]): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const line = Buffer.alloc(1 + width * 3);
  for (let at = 0; at < width; at++) line.set(colour, 1 + at * 3);
  const pixels = deflateSync(Buffer.concat(Array.from({ length: height }, () => line)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), framed.length - 4);
  return framed;
}

/** What the vendor shows instead of the original: thumbnails of images and documents, covers, and the head of a stranger. */
export const standIns = {
  tb: picture(150, 150, [0x51, 0xa5, 0xbc]),
  cover: picture(400, 400, [0x7c, 0xc3, 0x00]),
  docIcon: picture(150, 150, [0x90, 0x90, 0x90]),
  head: picture(150, 150, [0x2c, 0x3f, 0x49]),
  face: picture(150, 150, [0xe8, 0x4d, 0x5b]),
  faceFull: picture(300, 300, [0xe8, 0x4d, 0x5b]),
};
