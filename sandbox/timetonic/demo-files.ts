import { createHash } from 'node:crypto';
import { picture } from './pictures.ts';
import type { StoredFile } from './state.ts';

type DemoFile = { stored: Omit<StoredFile, 'id' | 'u_c' | 'b_o' | 'b_c' | 'created'>; bytes: Buffer };

/** The two files of the demo book's third message. */
export const demoFiles: readonly DemoFile[] = [
  demoFile('site-plan.png', 'image/png', 'media', '34s96Bm9c8.png', picture(640, 480, [0xff, 0xb8, 0x0d])),
  demoFile(
    'briefing.pdf',
    'application/pdf',
    'doc',
    'mTFSzwyKoL.pdf',
    Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n'),
  ),
];

function demoFile(
  originName: string,
  contentType: string,
  type: 'media' | 'doc',
  internName: string,
  bytes: Buffer,
): DemoFile {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const names = {
    originName,
    internName,
    ext: originName.split('.').at(-1) ?? '',
    uuid: `FU-1452006602-${internName.split('.')[0]}`,
  };
  return { stored: { ...names, contentType, type, size: bytes.length, sha256, mdc: 0 }, bytes };
}
