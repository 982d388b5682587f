import { GatewayError } from '../../core/errors.ts';

/** What `Content-Type` declares about a body. */
export interface ContentType {
  /** `type/subtype` in lower case, or empty. */
  media: string;
  charset?: string;
}

/** Reads a `Content-Type`. An invalid one counts as absent. */
export function contentTypeOf(header: string | undefined): ContentType {
  const media = /^\s*([\w.+-]+\/[\w.+*-]+)\s*(?:;|$)/.exec(header ?? '')?.[1]?.toLowerCase() ?? '';
  const charset = /;\s*charset\s*=\s*"?([\w.:-]{1,40})/i.exec(header ?? '')?.[1];
  return charset === undefined ? { media } : { media, charset };
}

/** Decodes bytes by their declared charset, or as UTF-8. Throws `invalid_request` for bytes that are not valid in it. */
export function textOf(bytes: Buffer, charset: string | undefined): string {
  return decoderFor(charset ?? byteOrderMark(bytes) ?? 'utf-8', charset === undefined)(bytes);
}

/** Decodes bytes of one charset into well-formed text; the one place where bytes of a sender become text. */
export function decoderFor(charset: string, undeclared: boolean): (bytes: Buffer) => string {
  const decoder = decoderOf(charset);
  return (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch (cause) {
      const hint = undeclared ? ' Declare its charset in the Content-Type.' : '';
      throw new GatewayError('invalid_request', `The body is not valid ${charset.toUpperCase()}.${hint}`, { cause });
    }
  };
}

function decoderOf(charset: string) {
  try {
    return new TextDecoder(charset, { fatal: true });
  } catch (cause) {
    throw new GatewayError('unsupported_media_type', `The charset ${charset} is not known. Send UTF-8.`, { cause });
  }
}

function byteOrderMark([first, second]: Buffer): string | undefined {
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : undefined;
}

/** The charset that an XML declaration names. */
export function xmlCharset(bytes: Buffer): string | undefined {
  return /^<\?xml[^>]{0,100}?\bencoding\s*=\s*["']([\w.:-]{1,40})["']/.exec(bytes.toString('latin1', 0, 200))?.[1];
}
