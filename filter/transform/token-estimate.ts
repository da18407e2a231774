/**
 * How many tokens a prompt has, before a provider counts them: for ceilings, reservations and context windows. Rather too many than too
 * few. It reads a body of any schema as what a model will read: its texts, and JSON where JSON is told to the model (tools, schemas,
 * arguments of calls).
 */
import { isObject, type Json, type JsonObject } from '../json.ts';
import { textWeight } from './token-weights.ts';

/** Characters that are looked at: of one text, and of each further one once a request has had its share. */
const SAMPLE = 1_024;
const LATER_SAMPLE = 24;
const SHARE = 65_536;
/** Values that are walked; of a body with more of them its size tells, two bytes a token. */
const MOST_VALUES = 100_000;
const LEAST_BYTES_PER_TOKEN = 2;

/**
 * For a part whose data does not show its tokens. An image: Anthropic counts width x height / 750 and shrinks what is above 1,568;
 * OpenAI's patches end at 1,536; Gemini's tiles are 258 each, six for a large picture. Documents and recordings: three pages as text and
 * picture (Anthropic: 1,500 to 3,000 a page), or four minutes of sound (Gemini: 32 a second).
 */
const IMAGE_TOKENS = 1_600;
const MEDIA_TOKENS = 8_000;

/** What surrounds a prompt; a text, an object or a list; a member of an object: quotes, colon, comma. */
const FRAME_TOKENS = 6;
const VALUE_TOKENS = 1;
const MEMBER_TOKENS = 2;
/** `"role": "user"` with what else begins a message; `"type": "string"`. */
const ROLE_TOKENS = 4;
const TYPE_TOKENS = 3;
const LONGEST_WORD = 24;
const NUMBER_TOKENS = 3;
/** Reasoning that is encrypted and in base64. */
const CHARACTERS_PER_SEALED_TOKEN = 6;

/** Top members that no model reads. Their numbers and booleans are none either. */
const SETTINGS = new Set([
  ...['model', 'metadata', 'user', 'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention', 'service_tier'],
  ...['previous_response_id', 'stream_options', 'cachedContent', 'encoding_format', 'input_type', 'include'],
]);
/** Members that are the schema's own: the model sees what is in them. */
const ENVELOPE = new Set(['messages', 'contents', 'content', 'parts', 'text', 'input', 'prompt', 'system', 'instructions']);
const SEALED = new Set(['signature', 'thoughtSignature', 'thought_signature', 'encrypted_content']);
const IMAGES = new Set(['image', 'image_url', 'input_image']);
const MEDIA = new Set(['document', 'file', 'input_file', 'input_audio', 'video']);
const BLOB_HOLDERS = ['inlineData', 'inline_data', 'fileData', 'file_data'];
const BLOBS = new Set(['data', 'url', 'image_url', 'file_data', 'file_url', 'fileUri', 'file_uri', 'file_id', 'image']);

/** Where a value stands: among what is told as it is, inside a part whose data is counted already, or in a list of token numbers. */
type Setting = 'told' | 'media' | 'tokens';

interface Count {
  tokens: number;
  /** Characters that were looked at. */
  looked: number;
  values: number;
}

type Later = (value: Json, setting: Setting) => void;

/**
 * @param json the body of a request in any caller schema; one that is no JSON has nothing to read
 * @param bytes of the body: what it costs to walk is bounded by this alone
 */
export function estimateInputTokens(json: JsonObject, bytes: number): number {
  const count: Count = { tokens: FRAME_TOKENS, looked: 0, values: 0 };
  // Not by recursion: nesting is the caller's to choose.
  const values: Json[] = [];
  const settings: Setting[] = [];
  const later: Later = (value, setting) => {
    values.push(value);
    settings.push(setting);
  };

  for (const [name, value] of Object.entries(json)) {
    if (value === undefined || SETTINGS.has(name)) continue;
    if (typeof value === 'string') addText(count, value);
    else if (typeof value === 'object') later(value, name === 'input' || name === 'prompt' ? 'tokens' : 'told');
  }
  while (values.length > 0 && count.values <= MOST_VALUES) {
    const value = values.pop();
    const setting = settings.pop() ?? 'told';
    if (Array.isArray(value)) addElements(count, value, setting, later);
    else if (isObject(value)) addMembers(count, value, setting === 'media' ? 'media' : 'told', later);
  }
  return Math.ceil(count.values <= MOST_VALUES ? count.tokens : Math.max(count.tokens, bytes / LEAST_BYTES_PER_TOKEN));
}

function addElements(count: Count, list: readonly Json[], setting: Setting, later: Later): void {
  if (setting === 'tokens' && typeof list[0] === 'number') {
    count.tokens += list.length;
    return;
  }
  count.tokens += VALUE_TOKENS;
  count.values += list.length;
  if (count.values > MOST_VALUES) return;
  for (const element of list) {
    if (typeof element === 'string') addText(count, element);
    else if (typeof element === 'object' && element !== null) later(element, setting);
    else addScalar(count, element);
  }
}

function addMembers(count: Count, object: JsonObject, outside: Setting, later: Later): void {
  const media = mediaTokens(object);
  const setting = media > 0 ? 'media' : outside;
  count.tokens += media + VALUE_TOKENS;
  const names = Object.keys(object);
  count.values += names.length;
  if (count.values > MOST_VALUES) return;
  for (const name of names) {
    const value = object[name];
    if (typeof value === 'string') addStringMember(count, name, value, setting);
    else if (value !== undefined) {
      addName(count, name);
      if (typeof value === 'object' && value !== null) later(value, setting);
      else addScalar(count, value);
    }
  }
}

function addStringMember(count: Count, name: string, value: string, setting: Setting): void {
  if (name === 'role' && value.length <= LONGEST_WORD) count.tokens += ROLE_TOKENS;
  else if (name === 'type' && value.length <= LONGEST_WORD) count.tokens += TYPE_TOKENS;
  else if (SEALED.has(name)) count.tokens += value.length / CHARACTERS_PER_SEALED_TOKEN;
  else if (!BLOBS.has(name) || !isBlob(value, setting)) {
    addName(count, name);
    addText(count, value);
  } else if (setting !== 'media') count.tokens += value.startsWith('data:image/') ? IMAGE_TOKENS : MEDIA_TOKENS;
}

function addName(count: Count, name: string): void {
  if (ENVELOPE.has(name)) return;
  count.tokens += MEMBER_TOKENS - VALUE_TOKENS;
  addText(count, name);
}

function addText(count: Count, text: string): void {
  const sample = count.looked < SHARE ? SAMPLE : LATER_SAMPLE;
  count.looked += Math.min(sample, text.length);
  count.tokens += VALUE_TOKENS + textWeight(text, sample);
}

function addScalar(count: Count, value: number | boolean | null): void {
  count.tokens += typeof value === 'number' ? NUMBER_TOKENS : VALUE_TOKENS;
}

/** @returns 0 for what is no image, document or recording; text in the form of a document is text */
function mediaTokens(object: JsonObject): number {
  const { type, source } = object;
  if (typeof type === 'string') {
    if (isObject(source) && (source['type'] === 'text' || source['type'] === 'content')) return 0;
    if (IMAGES.has(type)) return IMAGE_TOKENS;
    if (MEDIA.has(type)) return MEDIA_TOKENS;
  }
  for (const name of BLOB_HOLDERS) {
    const holder = object[name];
    if (isObject(holder))
      return String(holder['mimeType'] ?? holder['mime_type']).startsWith('image/') ? IMAGE_TOKENS : MEDIA_TOKENS;
  }
  return 0;
}

/** Inside a part, base64, an address or an id: no text goes on for so long without a space. Elsewhere a data URL alone. */
function isBlob(value: string, setting: Setting): boolean {
  return setting === 'media' ? !/\s/.test(value.slice(0, 256)) : value.startsWith('data:');
}
