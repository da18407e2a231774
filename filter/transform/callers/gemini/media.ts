/** Data, files and function responses of a user turn -> unified parts. */
import type { JsonObject } from '../../../json.ts';
import { invalid, object, optional, string, untranslatable } from '../../codecs/fields.ts';
import type { DocumentPart, ImagePart, TextPart, ToolResultPart } from '../../unified.ts';
import type { CallLedger } from './calls.ts';
import { member } from './members.ts';

export function inlineData(data: JsonObject, path: string): ImagePart | DocumentPart {
  const mediaType = string(member(data, 'mimeType'), `${path}.mimeType`);
  const base64 = standardBase64(string(data['data'], `${path}.data`));
  const source = { kind: 'data', mediaType, base64 } as const;
  return isImage(mediaType, path) ? { type: 'image', source } : { type: 'document', source, ...nameOf(data, path) };
}

/** A file that any provider can fetch; Google's own stores (gs://, the Files API) are closed to others. */
export function fileData(data: JsonObject, path: string): ImagePart | DocumentPart {
  const url = string(member(data, 'fileUri'), `${path}.fileUri`);
  if (!/^https?:\/\//.test(url) || /^https:\/\/generativelanguage\.googleapis\.com\//.test(url)) {
    throw untranslatable(
      `${path}.fileUri`,
      'a file that is stored at one provider cannot be sent to another; send its data',
    );
  }
  const mediaType = optional.string(member(data, 'mimeType'), `${path}.mimeType`);
  if (mediaType === undefined) throw untranslatable(`${path}.mimeType`, 'a file can be translated only if its type is told');
  return isImage(mediaType, path)
    ? { type: 'image', source: { kind: 'url', url } }
    : { type: 'document', source: { kind: 'url', url }, ...nameOf(data, path) };
}

/** `response` is free in form; by convention `output` or `error` alone hold what there is to say. */
export function functionResponse(response: JsonObject, path: string, ledger: CallLedger): ToolResultPart {
  const name = string(response['name'], `${path}.name`);
  const callId = ledger.result(optional.string(response['id'], `${path}.id`), name, path);
  const said = optional.object(response['response'], `${path}.response`) ?? {};
  const [only, another] = Object.keys(said);
  const wrapped = another === undefined && (only === 'output' || only === 'error') ? said[only] : said;
  const text = typeof wrapped === 'string' ? wrapped : JSON.stringify(wrapped);
  const content: (TextPart | ImagePart | DocumentPart)[] = text === '' ? [] : [{ type: 'text', text }];
  const parts = optional.array(response['parts'], `${path}.parts`) ?? [];
  for (const [index, item] of parts.entries())
    content.push(responsePart(object(item, `${path}.parts[${index}]`), `${path}.parts[${index}]`));
  return { type: 'tool_result', callId, content, isError: another === undefined && only === 'error' };
}

function responsePart(part: JsonObject, path: string): ImagePart | DocumentPart {
  const inline = optional.object(member(part, 'inlineData'), `${path}.inlineData`);
  if (inline !== undefined) return inlineData(inline, `${path}.inlineData`);
  const file = optional.object(member(part, 'fileData'), `${path}.fileData`);
  if (file !== undefined) return fileData(file, `${path}.fileData`);
  throw invalid(path, 'expected inlineData or fileData');
}

/** @returns false for a document @throws Fault `not_translatable` for sound and film */
function isImage(mediaType: string, path: string): boolean {
  if (mediaType.startsWith('image/')) return true;
  if (mediaType.startsWith('text/') || mediaType.startsWith('application/')) return false;
  const type = JSON.stringify(mediaType.slice(0, 64));
  throw untranslatable(`${path}.mimeType`, `only images and documents can be translated, not ${type}`);
}

function nameOf(data: JsonObject, path: string): { name?: string } {
  const name = optional.string(member(data, 'displayName'), `${path}.displayName`);
  return name === undefined ? {} : { name };
}

/** Some of this schema's SDKs write base64 in the alphabet for URLs, which only Google reads. */
function standardBase64(data: string): string {
  if (!/[-_]/.test(data)) return data;
  const standard = data.replaceAll('-', '+').replaceAll('_', '/');
  return standard.padEnd(Math.ceil(standard.length / 4) * 4, '=');
}
