/**
 * Images and documents -> `inlineData` or `fileData`.
 *
 * Google fetches https URLs itself, since generation 2.5, if it is told the type (ai.google.dev/gemini-api/docs/file-input-methods;
 * vercel/ai#16757), and reads its own Cloud Storage (gs://). The gateway fetches nothing, so a URL that does not tell its type by its
 * extension is refused, and so is plain http.
 */
import type { JsonObject } from '../../../json.ts';
import { untranslatable } from '../../codecs/fields.ts';
import type { DocumentPart, ImagePart } from '../../unified.ts';

const TYPES: ReadonlyMap<string, string> = new Map([
  ...([
    ['png', 'image/png'],
    ['jpg', 'image/jpeg'],
    ['jpeg', 'image/jpeg'],
    ['webp', 'image/webp'],
    ['gif', 'image/gif'],
    ['bmp', 'image/bmp'],
    ['heic', 'image/heic'],
    ['heif', 'image/heif'],
  ] as const),
  ...([
    ['pdf', 'application/pdf'],
    ['json', 'application/json'],
    ['txt', 'text/plain'],
    ['md', 'text/plain'],
    ['csv', 'text/csv'],
    ['html', 'text/html'],
    ['htm', 'text/html'],
    ['xml', 'text/xml'],
  ] as const),
]);

export class MediaEncoder {
  readonly #dropped: Set<string>;

  constructor(dropped: Set<string>) {
    this.#dropped = dropped;
  }

  part(part: ImagePart | DocumentPart): JsonObject {
    if (part.cache !== undefined) this.#dropped.add('cache_control');
    return part.type === 'image' ? this.#image(part) : this.#document(part);
  }

  #image({ source, detail }: ImagePart): JsonObject {
    if (detail !== undefined && detail !== 'auto') this.#dropped.add('messages[].content[].image_url.detail');
    return source.kind === 'url' ? file(source.url, 'image') : inline(source);
  }

  #document({ source, name }: DocumentPart): JsonObject {
    if (source.kind === 'text') return { text: name === undefined ? source.text : `${name}\n\n${source.text}` };
    if (name !== undefined) this.#dropped.add('messages[].content[].file.filename');
    return source.kind === 'url' ? file(source.url, 'document') : inline(source);
  }
}

function inline({ mediaType, base64 }: { mediaType: string; base64: string }): JsonObject {
  return { inlineData: { mimeType: mediaType, data: base64 } };
}

function file(url: string, kind: 'image' | 'document'): JsonObject {
  const mimeType = mediaTypeOf(url);
  if (mimeType !== undefined && mimeType.startsWith('image/') === (kind === 'image')) {
    return { fileData: { mimeType, fileUri: url } };
  }
  throw untranslatable(
    'messages',
    `this target takes the URL of ${kind === 'image' ? 'an image' : 'a document'} only over https and with an extension that tells its type; send its data`,
  );
}

/** @returns undefined where scheme or extension are not such as the provider fetches */
function mediaTypeOf(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'https:' && parsed.protocol !== 'gs:')) return undefined;
  const name = parsed.pathname.slice(parsed.pathname.lastIndexOf('/') + 1);
  return TYPES.get(name.slice(name.lastIndexOf('.') + 1).toLowerCase());
}
