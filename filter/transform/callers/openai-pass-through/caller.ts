/** Callers of OpenAI's endpoints that reach targets of OpenAI's own shape as they are: only the model is changed. */
import { invalid, optional, string } from '../../codecs/fields.ts';
import { replaceMembers } from '../../codecs/json-patch.ts';
import { boundaryOf, type FormField, formFields, MAX_PARTS, replaceField } from '../../codecs/multipart.ts';
import { choicesOf } from '../../output-cap.ts';
import type { OriginalRequest, PassThroughCaller } from '../../schema.ts';
import { encodeFault, encodeStreamFault, isOpenAiError } from '../openai-fault.ts';

const PATHS = new Set([
  ...['/v1/images/generations', '/v1/images/edits', '/v1/images/variations'],
  ...['/v1/audio/speech', '/v1/audio/transcriptions', '/v1/audio/translations'],
  ...['/v1/moderations', '/v1/completions', '/v1/rerank', '/v2/rerank'],
]);

export const openAiPassThroughCaller: PassThroughCaller = {
  name: 'openai-pass-through',
  operation: 'pass_through',
  serves: (path) => PATHS.has(path),
  readHead(original) {
    const fields = fieldsOf(original);
    if (fields === undefined) {
      const { json } = original;
      const alias = string(json['model'], 'model');
      if (alias === '') throw invalid('model', 'expected a model alias, found an empty string');
      // Speech comes as bytes whose length nobody knows beforehand.
      const sound = original.line.path === '/v1/audio/speech';
      return { alias, stream: sound || (optional.boolean(json['stream'], 'stream') ?? false) };
    }
    const alias = textOf(original, modelField(fields));
    if (alias === '') throw invalid('model', 'expected a model alias, found an empty field');
    const stream = valueField(fields, 'stream');
    return { alias, stream: stream !== undefined && textOf(original, stream) === 'true' };
  },
  endpoint: ({ path }) => path.slice(path.indexOf('/', 1)),
  withModel(original, model) {
    const fields = fieldsOf(original);
    return fields === undefined
      ? replaceMembers(original.bytes, new Map([['model', JSON.stringify(model)]]))
      : replaceField(original.bytes, modelField(fields), model);
  },
  imagesOf(original) {
    if (!original.line.path.startsWith('/v1/images/')) return 0;
    const fields = fieldsOf(original);
    if (fields === undefined) return choicesOf(original.json);
    const field = valueField(fields, 'n');
    return field === undefined ? 1 : choicesOf({ n: Number(textOf(original, field)) });
  },
  encodeFault,
  encodeStreamFault,
  isError: isOpenAiError,
  requestIdHeaders: (requestId) => [['x-request-id', requestId]],
};

const FORM = `expected multipart/form-data to the closing boundary, with CRLF line ends, at most ${MAX_PARTS} parts, and in each one Content-Disposition, on one line, with one plain name`;

/** @returns undefined for a body that is JSON @throws Fault `body_invalid` for a form that cannot be read */
function fieldsOf(original: OriginalRequest): FormField[] | undefined {
  const contentType = original.header('content-type') ?? '';
  if (!contentType.toLowerCase().startsWith('multipart/')) return undefined;
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) throw invalid('content-type', 'expected multipart/form-data with a boundary');
  const fields = formFields(original.bytes, boundary);
  if (fields === undefined) throw invalid('body', FORM);
  return fields;
}

function modelField(fields: readonly FormField[]): FormField {
  const field = valueField(fields, 'model');
  if (field === undefined) throw invalid('model', 'expected a form field with a model alias, found nothing');
  return field;
}

/** @throws Fault `body_invalid` where a provider may read another value than we do */
function valueField(fields: readonly FormField[], named: string): FormField | undefined {
  const [field, ...others] = fields.filter(({ name }) => name === named);
  if (others.length > 0) throw invalid(named, 'expected one form field of this name, found several');
  if (field?.kind === 'file') throw invalid(named, 'expected a form field with text, found a file');
  return field;
}

function textOf({ bytes }: OriginalRequest, { start, end }: FormField): string {
  return bytes.toString('utf8', start, end);
}
